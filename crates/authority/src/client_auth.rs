//! Client authentication: how an identity proves itself. Each method has its own file and row here.

use std::sync::Arc;

use countersign_crypto::Secret;
use countersign_model::{
    Id, Timestamp,
    confirmation::Thumbprint,
    id,
    name::EnvironmentName,
    reason::{Reason, Refusal},
    registry::{CredentialDoc, Noun, Record, Status},
    run::Run,
};

use crate::{
    ctx::Ctx,
    facts::Facts,
    rejection::{Stop, refuse},
    secrets::Secrets,
    signing_keys::Tenant,
};

mod certificate;
pub(crate) mod claimed_run;
mod exchanged;
pub(crate) mod person;
mod private_key_jwt;
pub(crate) mod run_identity;
mod secret;

pub use exchanged::Exchanged;
pub(crate) use exchanged::METHOD as EXCHANGED;
pub use person::ActingPerson;

/// What a client presented, as it came.
#[derive(Debug, Clone)]
pub enum ClientProof {
    /// An access token of ours as the subject token: the sign-in of a person who acts as an identity, or the long-lived token
    /// of a program.
    AccessToken {
        /// The identity that is wanted.
        client_id: Option<String>,
        /// The token.
        token: Secret<String>,
    },
    /// A signed assertion (RFC 7523 §2.2): of the client itself, or of its run.
    Assertion {
        /// The client, when it was named beside the assertion.
        client_id: Option<String>,
        /// `client_assertion_type`.
        assertion_type: String,
        /// The token.
        assertion: Secret<String>,
    },
    /// Nothing but perhaps a name.
    None {
        /// The name.
        client_id: Option<String>,
    },
    /// A run identity as grant or subject token.
    Run {
        /// The identity that it wants.
        client_id: Option<String>,
        /// The token.
        token: Secret<String>,
        /// In which form it came, for the evidence.
        form: &'static str,
    },
    /// A client secret.
    Secret {
        /// The client.
        client_id: String,
        /// The secret.
        secret: Secret<String>,
        /// `client_secret_basic` or `client_secret_post`.
        method: &'static str,
    },
}

/// A client that proved itself, and what its proof says.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// The identity.
    pub identity: Arc<Record>,
    /// The credential that proved it; of a person who acts as it, the person; of a long-lived token, the identity itself.
    pub credential: Arc<Record>,
    /// How, for the evidence.
    pub method: &'static str,
    /// The run.
    pub run: Option<Run>,
    /// The foreign issuer.
    pub issuer_id: Option<Id<id::Issuer>>,
    /// The environments that the proof may yield; absent when it does not limit them.
    pub environments: Option<Vec<EnvironmentName>>,
    /// What must not have been used before.
    pub replay: Option<Replay>,
    /// The person who asks to act as the identity, when it did not prove itself.
    pub person: Option<ActingPerson>,
    /// The long-lived token that is exchanged, when that proved it.
    pub exchanged: Option<Exchanged>,
    /// The certificate that proved it, or that what proved it is bound to, when its tokens are bound to that.
    pub certificate: Option<Thumbprint>,
}

/// A one-time use: recorded with the token, over all replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The issuer of the assertion, or the credential that it was made with.
    pub issuer: [u8; 16],
    /// The assertion.
    pub key: [u8; 32],
    /// For what it may be used once.
    pub purpose: String,
    /// Until when it could be used again.
    pub until: Timestamp,
}

impl ClientProof {
    /// The token of a run, where one was presented.
    #[must_use]
    pub fn run_token(&self) -> Option<&str> {
        match self {
            Self::Assertion { assertion, .. } => Some(assertion.expose()),
            Self::Run { token, .. } => Some(token.expose()),
            Self::None { .. } | Self::AccessToken { .. } | Self::Secret { .. } => None,
        }
    }

    /// Who the caller says it is; nobody checked.
    #[must_use]
    pub fn claimed(&self) -> Option<&str> {
        match self {
            Self::Assertion { client_id, .. }
            | Self::None { client_id }
            | Self::AccessToken { client_id, .. }
            | Self::Run { client_id, .. } => client_id.as_deref(),
            Self::Secret { client_id, .. } => Some(client_id),
        }
    }
}

/// What a request says besides its proof.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The environment that was asked for.
    pub environment: Option<&'a EnvironmentName>,
    /// What the proof is used for: some count once for each purpose.
    pub purpose: &'a str,
}

/// Authenticates a client of a tenant.
///
/// # Errors
/// `credential_invalid` with one text for every failure of a secret, what else went wrong in the
/// words of its method, or what must be looked up first.
pub fn authenticate(
    ctx: &Ctx,
    tenant: &Tenant,
    proof: &ClientProof,
    wanted: &Wanted<'_>,
    secrets: &Secrets,
    facts: &Facts,
) -> Result<Authenticated, Stop> {
    // The connection proves it (RFC 8705 §2); the name says who it claims to be.
    if let (
        ClientProof::None {
            client_id: Some(client_id),
        },
        Some(shown),
    ) = (proof, &ctx.certificate)
    {
        return certificate::authenticate(ctx, tenant, client_id, shown, facts);
    }
    match proof {
        ClientProof::Secret {
            client_id,
            secret,
            method,
        } => secret::authenticate(ctx, tenant, client_id, secret, method, secrets, facts),
        ClientProof::Assertion {
            client_id,
            assertion_type,
            assertion,
        } => {
            match assertion_type.as_str() {
                JWT_BEARER | JWT_SPIFFE => {}
                _ => return refuse(Reason::BadRequest, "`client_assertion_type` is not known"),
            }
            private_key_jwt::authenticate(
                ctx,
                tenant,
                client_id.as_deref(),
                assertion,
                wanted,
                facts,
            )
        }
        ClientProof::Run {
            client_id,
            token,
            form,
        } => {
            let identity = named(tenant, client_id.as_deref(), facts)?;
            run_identity::authenticate(ctx, tenant, identity, token, form, wanted, facts)
        }
        // A sign-in is verified by the authority, which knows what was revoked; here nobody proved anything.
        ClientProof::None { .. } | ClientProof::AccessToken { .. } => {
            refuse(Reason::Unauthenticated, "client authentication is missing")
        }
    }
}

/// `client_assertion_type` of RFC 7523 §2.2.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// `client_assertion_type` of a SPIFFE JWT-SVID.
pub const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// The identity that a caller names: by its id, client id or name.
fn named(tenant: &Tenant, client_id: Option<&str>, facts: &Facts) -> Result<Arc<Record>, Stop> {
    let Some(client_id) = client_id else {
        return refuse(
            Reason::BadRequest,
            "`client_id` is missing: name the identity by its id, client id or name",
        );
    };
    match find(tenant, client_id, facts)? {
        Some(identity) => Ok(identity),
        None => run_identity::nobody(client_id),
    }
}

fn find(tenant: &Tenant, client_id: &str, facts: &Facts) -> Result<Option<Arc<Record>>, Stop> {
    let by_id = match client_id.parse::<Id<id::Identity>>() {
        Ok(id) => facts.record(tenant.id, id)?,
        Err(_) => None,
    };
    let found = match by_id {
        Some(record) => Some(record),
        None if client_id.len() <= 256 => facts.named(tenant.id, Noun::Identity, client_id)?,
        None => None,
    };
    Ok(found.filter(|record| record.noun == Noun::Identity))
}

/// One answer for every secret that is not right: it tells nobody what exists (T2).
fn invalid() -> Refusal {
    Refusal::new(Reason::CredentialInvalid, "client authentication failed")
}

/// Whether a credential counts now.
fn usable(record: &Record, doc: &CredentialDoc, now: Timestamp) -> bool {
    record.status == Status::Active && doc.expires_at.is_none_or(|at| now < at)
}
