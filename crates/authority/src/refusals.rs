//! Refusals as evidence: at once for who proved something, summed for who proved nothing, so that
//! nobody can fill the log from outside.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use countersign_crypto::opaque::ParsedSecret;
use countersign_model::{
    Id,
    action::ActionSet,
    evidence::{Event, Refused, Role, RunEvidence, Text},
    id,
    reason::{Reason, Refusal},
    registry::{IdentityDoc, Record},
    run::Run,
    scope,
};

use crate::{
    ctx::Ctx,
    evidence::seal::{Draft, Sealed, refer, refer_person},
    rejection::Fault,
};

/// How many different sums are kept between two records; beyond it they fall into one.
const SUMS: usize = 4096;

/// The longest claimed name that is kept, in characters.
const CLAIMED: usize = 128;

/// What a refusal was about, when the caller had proved something.
#[derive(Debug, Clone, Default)]
pub struct About<'a> {
    /// What was asked for.
    pub asked: &'a str,
    /// Who the caller said it is.
    pub claimed: Option<&'a str>,
    /// The identity.
    pub identity: Option<&'a Record>,
    /// The person who wanted to act as it.
    pub person: Option<&'a Record>,
    /// The run.
    pub run: Option<&'a Run>,
    /// The actions.
    pub actions: Option<ActionSet>,
    /// The story; a new one when absent.
    pub txn: Option<Id<id::Transaction>>,
}

/// The sentence without what people paste by mistake: a secret of ours, or a token. What was wrong with it stays.
fn without_secrets(detail: &str) -> String {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    let mut told = String::with_capacity(detail.len());
    for word in detail.split_inclusive(|letter| !is_word(letter)) {
        let bare = word.trim_end_matches(|letter| !is_word(letter));
        let (_, jwt) = scope::split_prefix(bare);
        let is_token = jwt.starts_with("eyJ") && jwt.matches('.').count() >= 2;
        if is_token || ParsedSecret::parse(bare).is_ok() {
            told.push_str("(a secret)");
            told.push_str(word.strip_prefix(bare).unwrap_or_default());
        } else {
            told.push_str(word);
        }
    }
    told
}

/// What a record says of refusals of somebody who proved something. The sentence may repeat what they
/// wrote, an address of a person among it: so it can be erased.
pub(crate) fn event(ctx: &Ctx, asked: &str, refusal: &Refusal, count: u64) -> Refused {
    Refused {
        asked: asked.to_owned(),
        reason: refusal.reason,
        detail: Text::personal(without_secrets(&refusal.detail)),
        claimed: None,
        source_address: ctx.source.as_deref().map(Text::personal),
        actions: None,
        count,
        run: None,
    }
}

/// Seals the evidence of one refusal.
///
/// # Errors
/// A fault of ours.
pub fn seal(
    ctx: &Ctx,
    tenant: Id<id::Tenant>,
    about: &About<'_>,
    refusal: &Refusal,
) -> Result<Sealed, Fault> {
    let event = Event::Refused(Box::new(Refused {
        claimed: about.claimed.map(shorten),
        actions: about.actions.clone(),
        run: about.run.map(RunEvidence::from),
        ..event(ctx, about.asked, refusal, 1)
    }));
    let mut draft = Draft::new(about.txn.unwrap_or_else(|| ctx.id()), event);
    if let Some(record) = about.identity {
        let name = record.identity().map(IdentityDoc::attribution);
        draft
            .refs
            .push(refer(Role::Identity, record.id, name.as_deref()));
    }
    if let Some(person) = about.person {
        let person = refer_person(Role::Actor, person.id, &person.name);
        draft.refs.push(person);
    }
    if let Some(run) = about.run {
        draft
            .refs
            .push(refer(Role::Run, &run.key, run.run_id.as_deref()));
    }
    draft.seal(ctx, tenant)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: Id<id::Tenant>,
    asked: &'static str,
    reason: Reason,
    claimed: Option<String>,
    prefix: Option<String>,
}

/// Refusals of callers who proved nothing, waiting to be recorded as sums.
#[derive(Default)]
pub struct RefusalSums(Mutex<HashMap<Key, u64>>);

impl RefusalSums {
    /// Counts one.
    pub fn note(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        asked: &'static str,
        claimed: Option<&str>,
        reason: Reason,
    ) {
        let mut key = Key {
            tenant,
            asked,
            reason,
            claimed: claimed.map(shorten),
            prefix: ctx
                .source
                .as_deref()
                .map(|address| address_prefix(address).unwrap_or_else(|| "unknown".to_owned())),
        };
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sums.len() >= SUMS && !sums.contains_key(&key) {
            key.claimed = Some("(others)".to_owned());
            key.prefix = None;
        }
        *sums.entry(key).or_default() += 1;
    }

    /// Takes at most so many of the sums and seals a record of each.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn drain(&self, ctx: &Ctx, most: usize) -> Result<Vec<Sealed>, Fault> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sums: Vec<_> = waiting.extract_if(|_, _| true).take(most).collect();
        drop(waiting);
        let mut sealed = Vec::with_capacity(sums.len());
        for (key, count) in sums {
            let event = Event::Refused(Box::new(Refused {
                asked: key.asked.to_owned(),
                reason: key.reason,
                detail: Text::Plain("summed: the callers had proved nothing".to_owned()),
                claimed: key.claimed,
                source_address: key.prefix.map(Text::personal),
                actions: None,
                count,
                run: None,
            }));
            sealed.push(Draft::new(ctx.id(), event).seal(ctx, key.tenant)?);
        }
        Ok(sealed)
    }
}

fn shorten(claimed: &str) -> String {
    claimed.chars().take(CLAIMED).collect()
}

/// The network of an address: /24 of IPv4, /48 of IPv6; nothing when it is no address.
pub(crate) fn address_prefix(address: &str) -> Option<String> {
    Some(match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    })
}

#[cfg(test)]
mod tests {
    use countersign_crypto::opaque::{OpaqueSecret, SecretKind};

    use super::*;

    #[test]
    fn a_secret_that_somebody_pasted_is_not_kept() {
        let (_, secret) = OpaqueSecret::generate(SecretKind::ClientSecret);
        let secret = secret.expose();
        for pasted in [
            secret.as_str(),
            "eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
            "sensor_eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
        ] {
            let told = without_secrets(&format!("there is no token `{pasted}`, said 1.2.3"));
            assert_eq!(told, "there is no token `(a secret)`, said 1.2.3");
        }
        let plain = "there is no token `cs_not_a_secret`";
        assert_eq!(without_secrets(plain), plain);
    }
}
