//! Trust tests: why a run's token is or is not an identity, claim by claim; and what was refused lately.

use std::sync::Arc;

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::{
    paging::{self, ListQuery, Page},
    reference::Ref,
    trust_test::{RefusedAttempt, RuleVerdict, TokenCheck, TrustTest, TrustVerdict},
};
use countersign_authority::{
    federation::{
        self,
        explain::{
            Check, Explanation, KnownIssuer, Outcome, Presented, RuleExplanation, Trusted, explain,
        },
    },
    trust_test::{self, TrustCase},
};
use countersign_crypto::jose::{KeySet, Unverified};
use countersign_model::{
    Id, id,
    reason::{Reason, Refusal},
    registry::Record,
    trust::TrustRule,
};
use serde_json::Value;

use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::Caller,
        json::{Json, Query},
        problem::Failure,
    },
};

/// `POST /api/trust-tests`: explains a token, or a refused attempt. Nothing is issued and nothing is used up.
pub async fn test(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<TrustTest>,
) -> Result<JsonAnswer<TrustVerdict>, Failure> {
    if body.token.is_some() == body.attempt.is_some() {
        return Err(Refusal::new(
            Reason::BadRequest,
            "give either a token or the id of a refused attempt",
        )
        .into());
    }
    let (permit, named, attempt) = (caller.permit.clone(), body.identity, body.attempt);
    let reading = app.authority().store().read(move |tx| {
        trust_test::gather(
            tx,
            &permit,
            named.as_ref().map(|name| name.as_str()),
            attempt,
        )
    });
    let case = reading.await?;
    let keys = keys(&app, &case, body.token.as_deref()).await;
    let known: Vec<KnownIssuer<'_>> = case
        .issuers
        .iter()
        .zip(&keys)
        .filter_map(|(record, keys)| known(record, keys))
        .collect();
    let rules: Vec<(Id<id::Credential>, TrustRule)> = case
        .rules
        .iter()
        .map(|(credential, rule)| (credential.id.cast(), rule.clone()))
        .collect();
    let trusted = Trusted {
        rules: &rules,
        issuers: &known,
        tenant_issuer: &caller.tenant.issuer,
        now: caller.ctx.now,
    };
    let presented = match (&body.token, &case.attempt) {
        (Some(token), _) => Presented::Token(token),
        (None, Some((attempt, _))) => Presented::Claims(&attempt.claims),
        (None, None) => {
            return Err(Refusal::new(Reason::NotFound, "there is no such attempt").into());
        }
    };
    let explanation = explain(presented, &trusted);
    let claims = match presented {
        Presented::Claims(claims) => Some(Value::Object(claims.clone())),
        Presented::Token(token) => Unverified::parse(token.trim())
            .ok()
            .map(|token| Value::Object(token.claims_for_explanation().clone())),
    };
    Ok(JsonAnswer(verdict(&case, explanation, claims)))
}

/// `GET /api/identities/{id}/attempts`: what was refused lately, newest first.
pub async fn attempts(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    Query(query): Query<ListQuery>,
) -> Result<JsonAnswer<Page<RefusedAttempt>>, Failure> {
    let list = super::records::list_name("attempts", &caller, &identity)?;
    let before = query
        .after
        .as_deref()
        .map(|after| app.cursors().open(&list, after))
        .transpose()?;
    let (permit, limit) = (caller.permit.clone(), paging::limit(query.limit));
    let found = app
        .authority()
        .store()
        .read(move |tx| trust_test::refused(tx, &permit, &identity, before, limit))
        .await?;
    let full = found.len() >= limit as usize;
    let last = found.last().filter(|_| full).map(|one| one.id);
    let next = last
        .map(|last| app.cursors().seal(&list, &last))
        .transpose()?;
    let items = found.into_iter().map(|one| RefusedAttempt {
        id: one.id,
        at: one.at.into(),
        reason_code: one.attempt.reason,
        detail: one.attempt.detail,
        source: one.attempt.source,
        claims: Value::Object(one.attempt.claims),
    });
    Ok(JsonAnswer(Page {
        items: items.collect(),
        next,
    }))
}

/// The keys of each issuer, or why they cannot be had. Only those that the token may be signed with
/// are fetched: a test is no way to make the server call out.
async fn keys(
    app: &App,
    case: &TrustCase,
    token: Option<&str>,
) -> Vec<Result<Arc<KeySet>, String>> {
    let unverified = token.and_then(|token| Unverified::parse(token.trim()).ok());
    let docs = || {
        case.issuers
            .iter()
            .filter_map(|record| Some((record.id.cast(), record.issuer()?)))
    };
    let candidates = unverified
        .as_ref()
        .map(|token| federation::candidates(token, docs()))
        .unwrap_or_default();
    let mut found = Vec::with_capacity(case.issuers.len());
    for record in &case.issuers {
        let id = record.id.cast();
        found.push(match (record.issuer(), &unverified) {
            (Some(doc), Some(token)) if candidates.contains(&id) => app
                .fetcher()
                .keys(id, doc, token.kid())
                .await
                .map_err(|error| error.to_string()),
            _ => Err("its keys were not asked for".to_owned()),
        });
    }
    found
}

fn known<'a>(record: &'a Record, keys: &'a Result<Arc<KeySet>, String>) -> Option<KnownIssuer<'a>> {
    let keys = keys.as_ref().map(AsRef::as_ref).map_err(String::as_str);
    Some(KnownIssuer {
        id: record.id.cast(),
        doc: record.issuer()?,
        keys,
    })
}

fn verdict(case: &TrustCase, explanation: Explanation, claims: Option<Value>) -> TrustVerdict {
    let issuer = explanation
        .issuer_id
        .and_then(|id| case.issuers.iter().find(|record| record.id == id.cast()));
    TrustVerdict {
        accepted: explanation.accepted,
        identity: Ref {
            id: case.identity.id,
            name: case.identity.name.clone(),
        },
        issuer: issuer.map(|record| record.name.clone()),
        checks: explanation
            .checks
            .into_iter()
            .map(|one| check(one, case.attempt.is_some()))
            .collect(),
        rules: explanation
            .rules
            .into_iter()
            .filter_map(|rule| rule_verdict(case, rule))
            .collect(),
        claims,
        attempted_at: case.attempt.as_ref().map(|(_, at)| (*at).into()),
    }
}

/// What could not be checked holds only for an attempt, whose token is not kept.
fn check(check: Check, attempt: bool) -> TokenCheck {
    let passed = match check.outcome {
        Outcome::Failed => false,
        Outcome::NotChecked => attempt,
        Outcome::Passed => true,
    };
    let detail = match check.outcome {
        Outcome::Failed => format!("expected {}, came {}", check.expected, check.got),
        Outcome::NotChecked => format!("not checked: {}", check.got),
        Outcome::Passed => check.got,
    };
    TokenCheck {
        what: check.name,
        passed,
        detail,
    }
}

fn rule_verdict(case: &TrustCase, explained: RuleExplanation) -> Option<RuleVerdict> {
    let (credential, rule) = case
        .rules
        .iter()
        .find(|(credential, _)| credential.id == explained.credential_id.cast())?;
    let record = case
        .issuers
        .iter()
        .find(|record| record.id == explained.issuer_id.cast())?;
    let issuer = record.issuer()?;
    let also = federation::profile(issuer.profile).also_matching(issuer, rule);
    Some(RuleVerdict {
        credential: Ref {
            id: credential.id,
            name: credential.name.clone(),
        },
        issuer: record.name.clone(),
        matched: explained.matched,
        claims: explained.claims,
        environments: explained.environments,
        also_matches: also.join("; "),
        findings: federation::warnings(rule, issuer, &case.protected)
            .iter()
            .map(ToString::to_string)
            .collect(),
    })
}
