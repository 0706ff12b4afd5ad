//! Gather, decide: runs a decision until it needs nothing more. The only place where deciding and
//! the network meet.

use countersign_authority::{
    Fault, Rejection, Stop,
    facts::{Facts, Need},
};
use countersign_model::{
    Id, id,
    reason::{Reason, Refusal},
};

use crate::{app::App, metrics::OutcomeLabel};

/// How many things one decision may look up: an identity with ten credentials and as many issuers
/// needs some forty.
const LOOK_UPS: usize = 128;

/// Runs a decision again and again, each time with what it last needed.
///
/// # Errors
/// The decision's refusal, or a fault.
pub async fn gather<T>(
    app: &App,
    tenant: Id<id::Tenant>,
    facts: &mut Facts,
    mut decide: impl FnMut(&Facts) -> Result<T, Stop>,
) -> Result<T, Rejection> {
    for _ in 0..LOOK_UPS {
        facts.restart();
        let need = match decide(facts) {
            Ok(decided) => return Ok(decided),
            Err(Stop::Refused(refusal)) => return Err(refusal.into()),
            Err(Stop::Fault(fault)) => return Err(fault.into()),
            Err(Stop::Need(need)) => need,
        };
        match &need {
            Need::IssuerKeys(issuer, kid) => {
                let keys = fetch(app, tenant, *issuer, kid.as_deref(), facts).await?;
                facts.supply_keys(need, keys);
            }
            _ => {
                let found = facts
                    .look_up(app.authority().store(), &need)
                    .await
                    .map_err(Fault::from)?;
                facts.supply(need, found)?;
            }
        }
    }
    Err(Fault::Invariant("a decision needs more facts than it may".to_owned()).into())
}

async fn fetch(
    app: &App,
    tenant: Id<id::Tenant>,
    issuer: Id<id::Issuer>,
    kid: Option<&str>,
    facts: &mut Facts,
) -> Result<std::sync::Arc<countersign_crypto::jose::KeySet>, Rejection> {
    // The decision has looked at the issuer's record, so it is among the facts.
    let record = match facts.record(tenant, issuer) {
        Ok(Some(record)) => record,
        _ => {
            return Err(
                Refusal::new(Reason::IssuerUnknown, "the issuer is not registered here").into(),
            );
        }
    };
    let Some(doc) = record.issuer() else {
        return Err(
            Refusal::new(Reason::IssuerUnknown, "the issuer is not registered here").into(),
        );
    };
    let keys = app.fetcher().keys(issuer, doc, kid).await;
    let outcome = if keys.is_ok() { "success" } else { "failure" };
    app.metrics()
        .key_fetches
        .get_or_create(&OutcomeLabel::of(outcome))
        .inc();
    keys.map_err(|error| {
        Refusal::new(
            Reason::IssuerUnreachable,
            format!("the issuer's keys cannot be had: {error}"),
        )
        .into()
    })
}
