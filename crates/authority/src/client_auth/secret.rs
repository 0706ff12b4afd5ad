//! Client secrets, by Basic authentication or in the form (RFC 6749 §2.3.1).

use std::sync::Arc;

use countersign_crypto::{
    Secret,
    opaque::{ParsedSecret, SecretKind},
};
use countersign_model::registry::{CredentialSecret, Noun};

use super::{Authenticated, find, invalid, usable};
use crate::{ctx::Ctx, facts::Facts, rejection::Stop, secrets::Secrets, signing_keys::Tenant};

pub(super) fn authenticate(
    ctx: &Ctx,
    tenant: &Tenant,
    client_id: &str,
    secret: &Secret<String>,
    method: &'static str,
    secrets: &Secrets,
    facts: &Facts,
) -> Result<Authenticated, Stop> {
    let parsed = ParsedSecret::parse(secret.expose())
        .ok()
        .filter(|parsed| parsed.kind() == SecretKind::ClientSecret);
    let credential = match &parsed {
        Some(parsed) => facts.named(tenant.id, Noun::Credential, parsed.public_id())?,
        None => None,
    };
    let stored = credential
        .as_ref()
        .and_then(|record| match &record.credential()?.secret {
            CredentialSecret::ClientSecret { hash } => {
                let mut stored = [0; 32];
                hex::decode_to_slice(hash, &mut stored)
                    .ok()
                    .map(|()| stored)
            }
            CredentialSecret::ApiKey { .. }
            | CredentialSecret::PublicKey { .. }
            | CredentialSecret::SelfSignedTlsClientAuth { .. }
            | CredentialSecret::TlsClientAuth { .. }
            | CredentialSecret::TrustRule(_) => None,
        });
    // The same work whether anything was found or not (T2).
    let genuine = match &parsed {
        Some(parsed) => {
            parsed.verify(&secrets.pepper, &stored.unwrap_or_default()) && stored.is_some()
        }
        None => false,
    };
    let (Some(credential), true) = (credential, genuine) else {
        return Err(invalid().into());
    };
    // INVARIANT: only who holds a genuine secret makes us look for the client. What anybody else hears, and how long it
    // takes, is the same whether it exists or not (T2).
    let Some(identity) = find(tenant, client_id, facts)? else {
        return Err(invalid().into());
    };
    let fits = credential.credential().is_some_and(|doc| {
        doc.identity_id == identity.id.cast() && usable(&credential, doc, ctx.now)
    });
    if !fits {
        return Err(invalid().into());
    }
    Ok(Authenticated {
        identity,
        credential: Arc::clone(&credential),
        method,
        run: None,
        issuer_id: None,
        environments: None,
        replay: None,
        person: None,
        exchanged: None,
        certificate: None,
    })
}
