//! Decisions as evidence: summed in memory for at most 100 ms and within a bound, then recorded
//!. They change nothing, so that a crash loses only what the next start records as a gap.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign_model::{
    Id,
    evidence::{Decision, Event, Role},
    id,
    reason::Reason,
    token::{AccessClaims, PrincipalType},
};

use super::{EvaluationAnswer, EvaluationRequest};
use crate::{
    ctx::Ctx,
    evidence::seal::{Draft, Sealed, refer},
    rejection::Fault,
};

/// How many different decisions are kept between two records; beyond it they fall into one per answer.
const SUMS: usize = 4096;

/// The longest text of a caller that is kept, in characters.
const TEXT: usize = 256;

/// Equal decisions are one record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: Id<id::Tenant>,
    /// Who asked.
    asker: Id<id::Identity>,
    asker_is_user: bool,
    /// The story and the token, when the bearer asked about itself.
    story: Option<(Id<id::Transaction>, Id<id::Evidence>)>,
    identity: Option<(Id<id::Identity>, String)>,
    project: Option<(Id<id::Project>, String)>,
    action: String,
    resource: Option<String>,
    allowed: bool,
    reason: Option<Reason>,
    policies: Vec<String>,
}

/// Decisions waiting to be recorded.
#[derive(Default)]
pub struct DecisionSums(Mutex<HashMap<Key, u64>>);

impl DecisionSums {
    /// Counts one. True when there are so many that they should be flushed now.
    pub fn note(
        &self,
        claims: &AccessClaims,
        request: &EvaluationRequest,
        answer: &EvaluationAnswer,
    ) -> bool {
        let own = answer.identity_id == Some(claims.identity_id);
        let mut key = Key {
            tenant: claims.tenant_id,
            asker: claims.identity_id,
            asker_is_user: claims.identity_type == PrincipalType::User,
            story: own.then_some((claims.txn, claims.jti)),
            identity: answer
                .identity_id
                .map(|id| (id, answer.subject.clone().unwrap_or_default())),
            project: answer.project.clone(),
            action: shorten(&request.action),
            resource: request
                .resource
                .as_ref()
                .map(|resource| shorten(&resource.id)),
            allowed: answer.decision,
            reason: answer.reason,
            policies: answer.policies.clone(),
        };
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sums.len() >= SUMS && !sums.contains_key(&key) {
            key.story = None;
            key.identity = None;
            key.project = None;
            key.action = "(others)".to_owned();
            key.resource = None;
            key.policies = Vec::new();
        }
        *sums.entry(key).or_default() += 1;
        sums.len() >= SUMS
    }

    /// Takes at most so many of the sums and seals a record of each.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn drain(&self, ctx: &Ctx, most: usize) -> Result<Vec<Sealed>, Fault> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sums: Vec<_> = waiting.extract_if(|_, _| true).take(most).collect();
        drop(waiting);
        sums.into_iter()
            .map(|(key, count)| key.seal(ctx, count))
            .collect()
    }
}

impl Key {
    fn seal(self, ctx: &Ctx, count: u64) -> Result<Sealed, Fault> {
        let reason = self.reason.map(|reason| reason.as_str().to_owned());
        let event = Event::Decision(Decision {
            allowed: self.allowed,
            action: self.action,
            resource: self.resource.clone(),
            reasons: reason.into_iter().chain(self.policies).collect(),
            count,
        });
        let txn = self.story.map_or_else(|| ctx.id(), |(txn, _)| txn);
        let asker = if self.asker_is_user {
            Role::Actor
        } else {
            Role::Reporter
        };
        let mut draft = Draft::new(txn, event).parents(self.story.map(|(_, token)| token));
        draft.refs.extend(
            self.identity
                .map(|(id, subject)| refer(Role::Identity, id, Some(&subject))),
        );
        draft.refs.extend(
            self.project
                .map(|(id, name)| refer(Role::Project, id, Some(&name))),
        );
        draft.refs.push(refer(asker, self.asker, None));
        draft.refs.extend(
            self.resource
                .map(|resource| refer(Role::Resource, resource, None)),
        );
        draft.seal(ctx, self.tenant)
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(TEXT).collect()
}
