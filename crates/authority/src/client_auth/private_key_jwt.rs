//! `private_key_jwt` (RFC 7523 §2.2, OpenID Connect Core §9), to the letter of rfc7523bis; the same
//! wire form also carries run identities, which another file verifies.

use std::sync::Arc;

use countersign_crypto::{
    Secret,
    assertion::{self, AssertionRules},
    jose::{KeyPurpose, KeySet, Unverified, typ},
};
use countersign_model::{
    LEEWAY_SECONDS,
    reason::Reason,
    registry::{CredentialSecret, Noun, Record},
    time::Seconds,
};

use super::{Authenticated, Replay, Wanted, find, invalid, run_identity, usable};
use crate::{
    ctx::Ctx,
    facts::Facts,
    rejection::{Stop, refuse},
    signing_keys::Tenant,
};

/// The longest life of a client's assertion, in seconds.
const MAX_AGE_SECONDS: i64 = 300;

pub(super) fn authenticate(
    ctx: &Ctx,
    tenant: &Tenant,
    client_id: Option<&str>,
    token: &Secret<String>,
    wanted: &Wanted<'_>,
    facts: &Facts,
) -> Result<Authenticated, Stop> {
    let Ok(unverified) = Unverified::parse(token.expose()) else {
        return refuse(
            Reason::CredentialInvalid,
            "`client_assertion` is not a signed JWT that can be accepted",
        );
    };
    // In `private_key_jwt` issuer and subject are the client itself; in a run identity they are not.
    let own =
        unverified.issuer_hint().is_some() && unverified.issuer_hint() == unverified.subject_hint();
    let name = client_id.or(if own { unverified.subject_hint() } else { None });
    let Some(name) = name else {
        return refuse(
            Reason::BadRequest,
            "`client_id` is missing: name the identity by its id, client id or name",
        );
    };
    let Some(identity) = find(tenant, name, facts)? else {
        return if own {
            Err(invalid().into())
        } else {
            run_identity::nobody(name)
        };
    };
    if !own {
        return run_identity::authenticate(
            ctx,
            tenant,
            identity,
            token,
            "client_assertion",
            wanted,
            facts,
        );
    }
    let Some(doc) = identity.identity() else {
        return Err(invalid().into());
    };
    let own_name = unverified.subject_hint().unwrap_or_default().to_owned();
    if ![
        doc.client_id.as_str(),
        doc.name.as_str(),
        &identity.id.to_string(),
    ]
    .contains(&own_name.as_str())
    {
        return Err(invalid().into());
    }
    let (credential, keys) = match key_of(ctx, tenant, &identity, unverified.kid(), facts)? {
        Some(found) => found,
        None => return Err(invalid().into()),
    };
    let rules = AssertionRules {
        algorithms: &[],
        audiences: &[tenant.issuer.as_str()],
        issuer: &own_name,
        issuer_optional: false,
        leeway_seconds: LEEWAY_SECONDS,
        max_age_seconds: MAX_AGE_SECONDS,
        now: ctx.now,
        require_jti: true,
        subject: Some(&own_name),
        subject_optional: false,
        types: &[typ::CLIENT_AUTHENTICATION],
        untyped: true,
    };
    let Ok(verified) = assertion::verify(unverified, &keys, &rules) else {
        return Err(invalid().into());
    };
    let replay = Replay {
        issuer: credential.id.bytes(),
        key: verified.replay_key(),
        purpose: "client_auth".to_owned(),
        until: verified.expires_at() + Seconds(2 * LEEWAY_SECONDS),
    };
    Ok(Authenticated {
        identity,
        credential,
        method: "private_key_jwt",
        run: None,
        issuer_id: None,
        environments: None,
        replay: Some(replay),
        person: None,
        exchanged: None,
        certificate: None,
    })
}

/// The identity's key of this name; without a name, its only key.
fn key_of(
    ctx: &Ctx,
    tenant: &Tenant,
    identity: &Record,
    kid: Option<&str>,
    facts: &Facts,
) -> Result<Option<(Arc<Record>, KeySet)>, Stop> {
    let mut found = Vec::new();
    for credential in facts.children(tenant.id, Noun::Credential, identity.id)? {
        let Some(doc) = credential
            .credential()
            .filter(|doc| usable(&credential, doc, ctx.now))
        else {
            continue;
        };
        let CredentialSecret::PublicKey { jwk } = &doc.secret else {
            continue;
        };
        let Ok(key) = KeySet::parse_key(jwk.to_string().as_bytes(), KeyPurpose::Foreign) else {
            continue;
        };
        if kid.is_none_or(|kid| kid == key.kid()) {
            found.push((Arc::clone(&credential), KeySet::new(vec![key])));
        }
    }
    let only = if found.len() == 1 { found.pop() } else { None };
    match only {
        // Noted by id, so that recording compares its version.
        Some((credential, keys)) => Ok(facts
            .record(tenant.id, credential.id)?
            .map(|credential| (credential, keys))),
        None => Ok(None),
    }
}
