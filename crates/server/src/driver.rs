//! Gather, decide: runs a decision until it needs nothing more. The only place where deciding and
//! the network meet.

use std::sync::Arc;

use countersign_authority::{
    Fault, Rejection, Stop,
    facts::{Facts, Need},
};
use countersign_crypto::jose::KeySet;
use countersign_model::{
    Id, id,
    reason::{Reason, Refusal},
    registry::Record,
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
        let (need, record) = first(tenant, need, facts)?;
        if let Need::IssuerKeys(issuer, kid) = &need {
            let keys = fetch(app, *issuer, record, kid.as_deref()).await?;
            facts.supply_keys(need, keys);
        } else {
            let found = facts
                .look_up(app.authority().store(), &need)
                .await
                .map_err(Fault::from)?;
            facts.supply(need, found)?;
        }
    }
    Err(Fault::Invariant("a decision needs more facts than it may".to_owned()).into())
}

/// What comes first, and the issuer whose keys it is. Keys are fetched as the issuer's record says, and that may have
/// left the shared cache since the decision looked at it, because a change of it arrived: then it is looked up again.
fn first(
    tenant: Id<id::Tenant>,
    need: Need,
    facts: &Facts,
) -> Result<(Need, Option<Arc<Record>>), Rejection> {
    let Need::IssuerKeys(issuer, _) = &need else {
        return Ok((need, None));
    };
    match facts.record(tenant, *issuer) {
        Ok(record) => Ok((need, record)),
        Err(Stop::Fault(fault)) => Err(fault.into()),
        Err(Stop::Need(record)) => Ok((record, None)),
        Err(Stop::Refused(refusal)) => Err(refusal.into()),
    }
}

async fn fetch(
    app: &App,
    issuer: Id<id::Issuer>,
    record: Option<Arc<Record>>,
    kid: Option<&str>,
) -> Result<Arc<KeySet>, Rejection> {
    let Some(doc) = record.as_deref().and_then(Record::issuer) else {
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

#[cfg(test)]
mod tests {
    use countersign_authority::facts::FactCache;

    use super::*;

    #[test]
    fn an_issuer_that_left_the_cache_is_looked_up_again_not_called_unknown() {
        let (tenant, issuer) = (
            Id::from_bytes([1; 16]),
            Id::<id::Issuer>::from_bytes([2; 16]),
        );
        // Nothing is in this view: as after an invalidation, for a decision that had it from the cache.
        let facts = Facts::new(Arc::new(FactCache::default()));
        let keys = Need::IssuerKeys(issuer, None);
        let (need, record) = first(tenant, keys, &facts).unwrap();
        assert_eq!(need, Need::Record(tenant, issuer.cast()));
        assert!(record.is_none());
    }
}
