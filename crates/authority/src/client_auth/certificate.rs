//! A client that proves itself with the certificate of its connection (RFC 8705 §2): one that an authority vouches for, or one
//! that was registered itself.

use std::sync::Arc;

use countersign_crypto::certificate::{ClientCertificate, Registered};
use countersign_model::registry::{CredentialSecret, Noun};

use super::{Authenticated, find, invalid, usable};
use crate::{ctx::Ctx, facts::Facts, rejection::Stop, signing_keys::Tenant};

pub(super) fn authenticate(
    ctx: &Ctx,
    tenant: &Tenant,
    client_id: &str,
    shown: &ClientCertificate,
    facts: &Facts,
) -> Result<Authenticated, Stop> {
    let Some(identity) = find(tenant, client_id, facts)? else {
        return Err(invalid().into());
    };
    for credential in facts.children(tenant.id, Noun::Credential, identity.id)? {
        let Some(doc) = credential
            .credential()
            .filter(|doc| usable(&credential, doc, ctx.now))
        else {
            continue;
        };
        let (method, fits, binds) = match &doc.secret {
            CredentialSecret::SelfSignedTlsClientAuth {
                thumbprint,
                bound_access_tokens,
                ..
            } => (
                "self_signed_tls_client_auth",
                thumbprint == shown.thumbprint(),
                *bound_access_tokens,
            ),
            CredentialSecret::TlsClientAuth {
                ca,
                subject,
                bound_access_tokens,
            } => {
                let vouched = Registered::read_authority(ca)
                    .is_ok_and(|authority| shown.is_issued_by(&authority, ctx.now));
                (
                    "tls_client_auth",
                    vouched && shown.is_for(subject),
                    *bound_access_tokens,
                )
            }
            CredentialSecret::ApiKey { .. }
            | CredentialSecret::ClientSecret { .. }
            | CredentialSecret::PublicKey { .. }
            | CredentialSecret::TrustRule(_) => continue,
        };
        if !fits {
            continue;
        }
        // Noted by id, so that recording compares its version.
        let Some(credential) = facts.record(tenant.id, credential.id)? else {
            continue;
        };
        return Ok(Authenticated {
            identity,
            credential: Arc::clone(&credential),
            method,
            run: None,
            issuer_id: None,
            environments: None,
            replay: None,
            person: None,
            exchanged: None,
            certificate: binds.then(|| shown.thumbprint().clone()),
        });
    }
    Err(invalid().into())
}
