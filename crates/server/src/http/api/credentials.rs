//! Credentials: a secret is in one answer, and never again.

use axum::{Json as JsonAnswer, extract::State, response::Response};
use countersign_api::{
    credentials::{
        Certificate, CreateCredential as Body, CreatedCredential as Answer, Credential,
        OneTimeSecret, Rotate, Trust, TrustInput,
    },
    paging::{ListQuery, Page},
    reference::{Meta, Why},
};
use countersign_authority::{
    command::Command,
    idempotency::{Key, Once, Outcome},
    registry::credentials::{
        self, CreateCredential, CreatedCredential, NewSecret, RevokeCredential, RotateCredential,
        TrustInput as Rule,
    },
};
use countersign_crypto::Secret;
use countersign_model::{
    reason::{Reason, Refusal},
    registry::{CredentialSecret, CredentialType, Noun},
};
use http::StatusCode;

use super::{
    approvals,
    records::{self, Made as _, Shows, View},
};
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::Caller,
        etag::IfMatch,
        idempotency::IdempotencyKey,
        json::{Json, Query},
        problem::Failure,
    },
};

/// `GET /api/identities/{id}/credentials`.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    Query(query): Query<ListQuery>,
) -> Result<JsonAnswer<Page<Credential>>, Failure> {
    let list = records::list_name("credentials", &caller, &(&identity, query.status))?;
    let wanted = records::page_query(
        &app,
        &list,
        query.after.as_deref(),
        query.limit,
        query.status,
    )?;
    let permit = caller.permit.clone();
    let page = app
        .authority()
        .store()
        .read(move |tx| credentials::list(tx, &permit, &identity, &wanted))
        .await?;
    records::page_of(&app, &list, page)
}

/// `POST /api/identities/{id}/credentials`: the only answer with the secret.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    key: IdempotencyKey,
    Json(body): Json<Body>,
) -> Result<Response, Failure> {
    let key = records::key_of(
        key,
        &caller,
        &format!("identities/{identity}/credentials"),
        &body,
    )?;
    let made = Secrets::make(&app, &body)?;
    let command = CreateCredential {
        identity,
        label: body.label.unwrap_or_default(),
        secret: made.stored,
        expires_at: body.expires_at.map(Into::into),
        reason: None,
    };
    answer(&app, &caller, key, command, made.shown).await
}

/// `POST /api/credentials/{id}/rotate`: makes a successor; the only answer with its secret.
pub async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Addressed(credential): Addressed,
    key: IdempotencyKey,
    Json(body): Json<Rotate>,
) -> Result<Response, Failure> {
    let key = records::key_of(
        key,
        &caller,
        &format!("credentials/{credential}/rotate"),
        &body,
    )?;
    let (permit, name) = (caller.permit.clone(), credential.clone());
    let before = app
        .authority()
        .store()
        .read(move |tx| credentials::show(tx, &permit, &name))
        .await?;
    let credential_type = before
        .record
        .credential()
        .map_or(CredentialType::ClientSecret, |doc| doc.credential_type());
    if credential_type.is_certificate() || credential_type == CredentialType::TrustRule {
        return Err(Refusal::new(Reason::Unprocessable, credentials::NOT_ROTATED).into());
    }
    let made = Secrets::make(
        &app,
        &Body {
            credential_type,
            label: None,
            expires_at: None,
            jwk: body.jwk,
            trust: None,
            ca: None,
            subject: None,
            certificate: None,
            tls_client_certificate_bound_access_tokens: None,
        },
    )?;
    let command = RotateCredential {
        credential,
        secret: made.stored,
        overlap_seconds: Some(body.overlap_seconds.unwrap_or(0)),
        reason: body.reason,
    };
    answer(&app, &caller, key, command, made.shown).await
}

/// `POST /api/credentials/{id}/revoke`: tokens that it gave die with it.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Addressed(credential): Addressed,
    if_match: IfMatch,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    let command = RevokeCredential {
        credential,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::edit::<Credential, _>(&app, &caller, if_match, command).await
}

/// A secret on both of its ways: as a keyed hash to the database, as text to whoever asked.
struct Secrets {
    stored: NewSecret,
    shown: Shown,
}

/// What is shown once.
#[derive(Default)]
struct Shown {
    client_secret: Option<Secret<String>>,
    api_key: Option<Secret<String>>,
}

impl Secrets {
    fn make(app: &App, body: &Body) -> Result<Self, Refusal> {
        let pepper = &app.authority().secrets().pepper;
        let missing = |field: &str| {
            Refusal::new(
                Reason::Unprocessable,
                format!("a credential of this type has a `{field}`"),
            )
        };
        let excess = |field: &str| {
            Refusal::new(
                Reason::Unprocessable,
                format!("a credential of this type has no `{field}`"),
            )
        };
        if body.jwk.is_some() && body.credential_type != CredentialType::PublicKey {
            return Err(excess("jwk"));
        }
        if body.trust.is_some() && body.credential_type != CredentialType::TrustRule {
            return Err(excess("trust"));
        }
        let of_authority = body.credential_type == CredentialType::TlsClientAuth;
        let pinned = body.credential_type == CredentialType::SelfSignedTlsClientAuth;
        if body.ca.is_some() && !of_authority {
            return Err(excess("ca"));
        }
        if body.subject.is_some() && !of_authority {
            return Err(excess("subject"));
        }
        if body.certificate.is_some() && !pinned {
            return Err(excess("certificate"));
        }
        let bound = body.tls_client_certificate_bound_access_tokens;
        if bound.is_some() && !of_authority && !pinned {
            return Err(excess("tls_client_certificate_bound_access_tokens"));
        }
        let bound_access_tokens = bound.unwrap_or(true);
        let (stored, shown) = match body.credential_type {
            CredentialType::ApiKey => {
                let (stored, text) = NewSecret::api_key(pepper);
                (
                    stored,
                    Shown {
                        api_key: Some(text),
                        ..Shown::default()
                    },
                )
            }
            CredentialType::ClientSecret => {
                let (stored, text) = NewSecret::client_secret(pepper);
                (
                    stored,
                    Shown {
                        client_secret: Some(text),
                        ..Shown::default()
                    },
                )
            }
            CredentialType::PublicKey => (
                NewSecret::PublicKey(body.jwk.clone().ok_or_else(|| missing("jwk"))?),
                Shown::default(),
            ),
            CredentialType::SelfSignedTlsClientAuth => {
                let certificate = body.certificate.clone();
                let stored = NewSecret::SelfSignedTlsClientAuth {
                    certificate: certificate.ok_or_else(|| missing("certificate"))?,
                    bound_access_tokens,
                };
                (stored, Shown::default())
            }
            CredentialType::TlsClientAuth => {
                let stored = NewSecret::TlsClientAuth {
                    ca: body.ca.clone().ok_or_else(|| missing("ca"))?,
                    subject: body.subject.clone().ok_or_else(|| missing("subject"))?,
                    bound_access_tokens,
                };
                (stored, Shown::default())
            }
            CredentialType::TrustRule => (
                NewSecret::TrustRule(rule(body.trust.clone().ok_or_else(|| missing("trust"))?)),
                Shown::default(),
            ),
        };
        Ok(Self { stored, shown })
    }
}

fn rule(trust: TrustInput) -> Rule {
    Rule {
        issuer: trust.issuer.0,
        environments: trust.environments,
        matches: trust.matches,
    }
}

/// Makes the credential and answers with its secret. What was made before under the same key is
/// named and not shown: its secret is gone.
async fn answer<C: Command<Output = CreatedCredential>>(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    command: C,
    secret: Shown,
) -> Result<Response, Failure> {
    let made: fn(&CreatedCredential) -> String = |output| output.outcome.record().id.to_string();
    let created = match app
        .authority()
        .execute(&caller.ctx, &caller.permit, Once { key, command, made })
        .await?
    {
        Outcome::Done(created) => created,
        Outcome::Repeated(id) if secret.client_secret.is_none() && secret.api_key.is_none() => {
            return records::show_again::<Credential>(app, caller, id).await;
        }
        Outcome::Repeated(id) => {
            let detail = format!(
                "this request made credential {id}; its secret was shown once and never is again"
            );
            return Err(Refusal::new(Reason::Conflict, detail).into());
        }
    };
    let waits = created.outcome.approval_id();
    if let (Some(id), None, None) = (waits, &secret.client_secret, &secret.api_key) {
        return approvals::waits(app, caller, id).await;
    }
    let mut warnings = created.outcome.warnings();
    warnings.extend(created.warnings);
    warnings.extend(waits.map(|id| {
        format!("it is switched off until a second person countersigns it: approval {id}")
    }));
    let shown = records::after_change(app, created.outcome.record().clone()).await?;
    let mut credential: Credential = records::of_shown(&shown)?;
    credential.meta.warnings = warnings;
    let body = Answer {
        credential,
        client_id: created
            .identity
            .identity()
            .map(|doc| doc.client_id.clone())
            .unwrap_or_default(),
        client_secret: secret
            .client_secret
            .map(|text| OneTimeSecret::new(text.expose().clone())),
        api_key: secret
            .api_key
            .map(|text| OneTimeSecret::new(text.expose().clone())),
        token_endpoint: format!("{}/oauth2/token", caller.tenant.issuer),
    };
    Ok(records::tagged(
        caller,
        StatusCode::CREATED,
        Credential::PATH,
        &shown.record,
        body,
    ))
}

impl Shows for Credential {
    const NOUN: Noun = Noun::Credential;
    const PATH: &'static str = "credentials";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.credential()?;
        let (last_used_at, last_used_source) = view.seen.clone().unzip();
        let (mut jwk, mut trust, mut certificate) = (None, None, None);
        match &doc.secret {
            CredentialSecret::ApiKey { .. } | CredentialSecret::ClientSecret { .. } => {}
            CredentialSecret::PublicKey { jwk: key } => jwk = Some(key.clone()),
            CredentialSecret::SelfSignedTlsClientAuth {
                thumbprint,
                bound_access_tokens,
                ..
            } => {
                certificate = Some(Certificate {
                    ca: None,
                    subject: None,
                    thumbprint: Some(thumbprint.to_string()),
                    tls_client_certificate_bound_access_tokens: *bound_access_tokens,
                });
            }
            CredentialSecret::TlsClientAuth {
                ca,
                subject,
                bound_access_tokens,
            } => {
                certificate = Some(Certificate {
                    ca: Some(ca.clone()),
                    subject: Some(subject.clone()),
                    thumbprint: None,
                    tls_client_certificate_bound_access_tokens: *bound_access_tokens,
                });
            }
            CredentialSecret::TrustRule(rule) => {
                trust = Some(Trust {
                    issuer: view.refer(rule.issuer_id),
                    environments: rule.environments.clone(),
                    matches: rule.matches.clone(),
                });
            }
        }
        Some(Self {
            meta: view.meta(),
            identity: view.refer(doc.identity_id),
            credential_type: doc.credential_type(),
            label: doc.label.clone(),
            expires_at: doc.expires_at.map(Into::into),
            revoked_because: doc.revoked_because.clone(),
            created_by: doc.created_by.map(|id| view.refer(id)),
            last_used_at,
            last_used_source,
            jwk,
            trust,
            certificate,
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
