//! Run identities: a foreign issuer vouches for the run, and a trust rule of the identity that was
//! named says that this run is it. Only that identity's rules are looked at.

use std::sync::Arc;

use countersign_crypto::{Secret, jose::Unverified};
use countersign_model::{
    Id,
    confirmation::{Confirmation, Thumbprint},
    id,
    name::EnvironmentName,
    reason::Reason,
    registry::{CredentialSecret, IssuerDoc, Noun, Record, Status},
    trust::TrustRule,
};
use serde_json::Value;

use super::{Authenticated, Replay, Wanted, usable};
use crate::{
    ctx::Ctx,
    facts::Facts,
    federation::{self, Discipline, EnvironmentChoice, VerifiedRun},
    rejection::{Stop, refuse},
    signing_keys::Tenant,
};

pub(super) fn authenticate(
    ctx: &Ctx,
    tenant: &Tenant,
    identity: Arc<Record>,
    token: &Secret<String>,
    form: &'static str,
    wanted: &Wanted<'_>,
    facts: &Facts,
) -> Result<Authenticated, Stop> {
    let Ok(unverified) = Unverified::parse(token.expose()) else {
        return refuse(
            Reason::RunNotTrusted,
            "the run identity is not a signed JWT that can be accepted",
        );
    };
    let rules = rules_of(ctx, tenant, &identity, facts)?;
    let issuers = issuers_of(tenant, &rules, facts)?;
    let candidates = federation::candidates(
        &unverified,
        issuers
            .iter()
            .filter_map(|record| Some((record.id.cast(), record.issuer()?))),
    );
    if candidates.is_empty() {
        let issuer = unverified
            .issuer_hint()
            .unwrap_or("(none)")
            .chars()
            .take(128)
            .flat_map(char::escape_debug)
            .collect::<String>();
        return refuse(
            Reason::RunNotTrusted,
            format!("no trust rule of this identity names the issuer `{issuer}`"),
        );
    }
    let mut last = None;
    for candidate in candidates {
        let Some(issuer) = issuers
            .iter()
            .find(|record| record.id == candidate.cast())
            .and_then(|record| record.issuer())
        else {
            continue;
        };
        match verify(ctx, tenant, token, candidate, issuer, facts)? {
            Ok(run) => {
                return accept(
                    ctx, tenant, identity, &rules, issuer, &run, form, wanted, facts,
                );
            }
            Err(refusal) => last = Some(refusal),
        }
    }
    match last {
        Some(refusal) => Err(refusal.into_refusal().into()),
        None => refuse(Reason::RunNotTrusted, federation::RUN_NOT_ACCEPTED),
    }
}

/// Nobody has the name. The bearer hears what it would hear of an identity that does not trust it (T2).
pub(super) fn nobody<T>(name: &str) -> Result<T, Stop> {
    let name: String = name
        .chars()
        .take(128)
        .flat_map(char::escape_debug)
        .collect();
    refuse(
        Reason::RunNotTrusted,
        format!("no identity is called `{name}`"),
    )
}

fn verify(
    ctx: &Ctx,
    tenant: &Tenant,
    token: &Secret<String>,
    issuer_id: Id<id::Issuer>,
    issuer: &IssuerDoc,
    facts: &Facts,
) -> Result<Result<VerifiedRun, federation::RunRefusal>, Stop> {
    let Ok(unverified) = Unverified::parse(token.expose()) else {
        return refuse(Reason::RunNotTrusted, federation::RUN_NOT_ACCEPTED);
    };
    let keys = match federation::inline_keys(issuer) {
        Ok(Some(keys)) => Arc::new(keys),
        Ok(None) => facts.issuer_keys(issuer_id, unverified.kid())?,
        Err(error) => {
            return refuse(
                Reason::IssuerUnreachable,
                format!("the issuer's pinned keys cannot be read: {error}"),
            );
        }
    };
    Ok(federation::verify_run(
        unverified,
        issuer_id,
        issuer,
        &keys,
        &tenant.issuer,
        ctx.now,
    ))
}

#[expect(
    clippy::too_many_arguments,
    reason = "the facts of one decision, each used once"
)]
fn accept(
    ctx: &Ctx,
    tenant: &Tenant,
    identity: Arc<Record>,
    rules: &[(Id<id::Credential>, TrustRule)],
    issuer: &IssuerDoc,
    run: &VerifiedRun,
    form: &'static str,
    wanted: &Wanted<'_>,
    facts: &Facts,
) -> Result<Authenticated, Stop> {
    let certificate = match run.claims().get("cnf") {
        Some(cnf) => held(ctx, cnf)?,
        None => None,
    };
    let matched = federation::matching_rules(rules, run, issuer);
    if matched.is_empty() {
        return refuse(
            Reason::RunNotTrusted,
            "the run matches none of the identity's trust rules; `countersign trust test` explains it",
        );
    }
    let protected: Vec<EnvironmentName> = facts
        .all(tenant.id, Noun::Environment)?
        .iter()
        .filter_map(|record| {
            record
                .environment()
                .filter(|doc| doc.protected)
                .map(|doc| doc.name.clone())
        })
        .collect();
    let chosen = match federation::choose_environment(&matched, run, wanted.environment, &protected)
    {
        Ok(chosen) => chosen,
        Err(choice @ EnvironmentChoice::Unchosen(_)) => {
            return refuse(Reason::EnvironmentUnchosen, choice.to_string());
        }
        Err(choice @ EnvironmentChoice::NotYielded) => {
            return refuse(Reason::EnvironmentNotAllowed, choice.to_string());
        }
    };
    let Some(credential) = facts.record(tenant.id, chosen.credential_id)? else {
        return refuse(Reason::RunNotTrusted, "the trust rule is gone");
    };
    let rule = run.replay();
    let replay = match rule.discipline {
        Discipline::Bound => None,
        Discipline::Once => Some("token".to_owned()),
        Discipline::OncePerPurpose => Some(wanted.purpose.to_owned()),
    };
    Ok(Authenticated {
        identity,
        credential,
        method: form,
        run: Some(run.run().clone()),
        issuer_id: Some(run.issuer_id()),
        environments: Some(vec![chosen.environment]),
        replay: replay.map(|purpose| Replay {
            issuer: run.issuer_id().bytes(),
            key: rule.key,
            purpose,
            until: rule.until,
        }),
        person: None,
        exchanged: None,
        certificate,
    })
}

/// The certificate that a run identity is bound to, when its sender holds that and whatever else it is bound to
/// (RFC 7800 §3.1): what is made of it is bound to that certificate too.
fn held(ctx: &Ctx, cnf: &Value) -> Result<Option<Thumbprint>, Stop> {
    match serde_json::from_value::<Confirmation>(cnf.clone()) {
        Ok(bound) if ctx.sender.holds(Some(&bound)).is_ok() => Ok(bound.certificate),
        _ => refuse(
            Reason::RunNotTrusted,
            "the run identity is bound to a key or a certificate that its sender did not prove to hold",
        ),
    }
}

/// The identity's trust rules that count now.
pub(crate) fn rules_of(
    ctx: &Ctx,
    tenant: &Tenant,
    identity: &Record,
    facts: &Facts,
) -> Result<Vec<(Id<id::Credential>, TrustRule)>, Stop> {
    let credentials = facts.children(tenant.id, Noun::Credential, identity.id)?;
    let rules = credentials.iter().filter_map(|record| {
        let doc = record
            .credential()
            .filter(|doc| usable(record, doc, ctx.now))?;
        match &doc.secret {
            CredentialSecret::TrustRule(rule) => Some((record.id.cast(), rule.clone())),
            CredentialSecret::ApiKey { .. }
            | CredentialSecret::ClientSecret { .. }
            | CredentialSecret::PublicKey { .. }
            | CredentialSecret::SelfSignedTlsClientAuth { .. }
            | CredentialSecret::TlsClientAuth { .. } => None,
        }
    });
    Ok(rules.collect())
}

/// The issuers that the rules name and that are active.
pub(crate) fn issuers_of(
    tenant: &Tenant,
    rules: &[(Id<id::Credential>, TrustRule)],
    facts: &Facts,
) -> Result<Vec<Arc<Record>>, Stop> {
    let mut issuers: Vec<Arc<Record>> = Vec::new();
    for (_, rule) in rules {
        if issuers
            .iter()
            .any(|known| known.id == rule.issuer_id.cast())
        {
            continue;
        }
        let record = facts.record(tenant.id, rule.issuer_id)?;
        issuers.extend(record.filter(|record| record.status == Status::Active));
    }
    Ok(issuers)
}
