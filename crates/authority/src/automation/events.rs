//! Events: what sensors, webhooks and people tell, and the rules that fire on it.

use countersign_crypto::digest;
use countersign_model::{
    Id,
    enforce::Work,
    evidence::{Event as Evidenced, EventCreated, Role, SignedWith, Text},
    execution::{Behind, Enforcement, Event, EventDoc},
    id,
    name::ActionName,
    pack::{BUILT_IN_TRIGGERS, Rule, WebhookSignature},
    reason::Reason,
    registry::{ProjectRole, Record},
    rule,
    token::AccessClaims,
};
use countersign_store::events;
use serde_json::{Map, Value, json};

use super::{
    behind, caller,
    schedule::{self, Scheduling, schedule},
    signatures::{self, Signed, WebhookCall},
};
use crate::{
    command::{Actor, Command, Verdict, WriteTx},
    evidence::seal::refer,
    registry::{packs, rights},
    rejection::{Rejection, refuse},
};

/// As many rules as one event may fire: each is a few rows, and one transaction takes a thousand.
const MOST_RULES: usize = 50;

/// The longest id that a sender recognises its event by.
const DEDUP_BYTES: usize = 255;

/// The trigger type whose events come by webhooks alone.
const WEBHOOK: &str = "core.webhook";

/// Creates an event, and starts what its rules say.
#[derive(Clone)]
pub struct CreateEvent {
    /// Who creates it.
    pub token: AccessClaims,
    /// Where, for a person: the personal project when absent.
    pub project: Option<String>,
    /// Its type.
    pub trigger_type: ActionName,
    /// What is known of it.
    pub payload: Map<String, Value>,
    /// The one rule that it is for.
    pub rule: Option<String>,
    /// Recognises the same event when it is sent again.
    pub dedup_id: Option<String>,
    /// The call of a webhook that it came by.
    pub webhook: Option<WebhookCall>,
}

/// An event and what came of it.
#[derive(Debug, Clone)]
pub struct CreatedEvent {
    /// The event.
    pub event: Event,
    /// Which rules fired.
    pub enforcements: Vec<Enforcement>,
    /// Whether it was there already.
    pub repeated: bool,
}

impl Command for CreateEvent {
    type Output = CreatedEvent;

    const NAME: &'static str = "event create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<CreatedEvent>, Rejection> {
        let project = caller::project_of(tx, &self.token, self.project.as_deref())?;
        let work = Work::TriggerType(&self.trigger_type);
        caller::must(
            tx,
            &self.token,
            &project,
            "event.create",
            work,
            ProjectRole::Editor,
        )?;
        schedule::size("payload", &self.payload)?;
        let Declared { rules, signatures } = self.declared(tx, &project)?;
        let signed = self.signed(tx, &project, &signatures)?;
        let dedup = self.dedup(signed.as_ref())?;
        if let Some(dedup) = &dedup
            && let Some(event) = events::by_dedup(tx.peek(), project.id.cast(), dedup)?
        {
            let enforcements = events::enforcements(tx.peek(), event.id)?;
            return Ok(Verdict::Done(CreatedEvent {
                event,
                enforcements,
                repeated: true,
            }));
        }
        let id: Id<id::Event> = tx.ctx().id();
        let txn: Id<id::Transaction> = tx.ctx().id();
        let seen = json!({
            "id": id, "trigger_type": self.trigger_type, "payload": self.payload,
            "created_at": tx.now(), "created_by": self.token.sub,
        });
        let firing: Vec<_> = rules
            .into_iter()
            .filter(|(_, rule)| rule.when.iter().all(|condition| condition.is_met(&seen)))
            .collect();
        if firing.len() > MOST_RULES {
            let detail = format!(
                "{} rules of project `{}` would fire on this event, and at most {MOST_RULES} may",
                firing.len(),
                project.name
            );
            return refuse(Reason::Unprocessable, detail);
        }
        let signed_with = signed.map(|signed| signed.with);
        let recorded = self.record(tx, id, txn, &firing, signed_with)?;
        let event = Event {
            id,
            tenant_id: tx.tenant_id(),
            project_id: project.id.cast(),
            trigger_type: self.trigger_type.to_string(),
            dedup,
            created_at: tx.now(),
            doc: EventDoc {
                payload: self.payload.clone(),
                created_by: self.token.sub.clone(),
                txn,
                recorded,
            },
        };
        events::insert(tx.rows(), &event)?;
        let behind = match firing.first() {
            Some(_) => behind::of(tx, &self.token, None)?,
            None => Behind::default(),
        };
        let mut enforcements = Vec::with_capacity(firing.len());
        for (reference, rule) in firing {
            let enforcement = fire(tx, &project, &event, &seen, &behind, reference, &rule)?;
            events::enforce(tx.rows(), &enforcement)?;
            enforcements.push(enforcement);
        }
        Ok(Verdict::Done(CreatedEvent {
            event,
            enforcements,
            repeated: false,
        }))
    }
}

/// What the packs of a project declare of an event.
struct Declared {
    /// The rules that look at it, by reference.
    rules: Vec<(String, Rule)>,
    /// The signatures that its webhook asks for.
    signatures: Vec<WebhookSignature>,
}

impl CreateEvent {
    /// What the packs of the project declare of it. Refuses a trigger type, a rule or a webhook that none does.
    fn declared(&self, tx: &mut WriteTx<'_, '_>, project: &Record) -> Result<Declared, Rejection> {
        if self.trigger_type.as_str() == WEBHOOK && self.webhook.is_none() {
            let detail = "events of `core.webhook` come by `POST /api/webhooks/{path}` alone: what they say of their path is true";
            return refuse(Reason::Forbidden, detail);
        }
        let mut declared = BUILT_IN_TRIGGERS
            .iter()
            .any(|(name, _)| *name == self.trigger_type.as_str());
        let mut listens = self.webhook.is_none();
        let (mut rules, mut signatures) = (Vec::new(), Vec::new());
        for pack in packs::of_project(tx, project.id.cast())? {
            let doc = rights::doc(pack.pack())?;
            let mut triggers = doc.triggers.iter();
            declared |= triggers.any(|one| doc.part(&one.name) == self.trigger_type.as_str());
            let path = self.webhook.as_ref().map(|call| call.path.as_str());
            for webhook in &doc.webhooks {
                if Some(webhook.path.as_str()) == path {
                    listens = true;
                    signatures.extend(webhook.signature.clone());
                }
            }
            let found = doc.rules.iter().map(|rule| (doc.part(&rule.name), rule));
            let mine = found.filter(|(reference, rule)| self.concerns(reference, rule));
            rules.extend(mine.map(|(reference, rule)| (reference, rule.clone())));
        }
        if !declared {
            let detail = format!(
                "there is no trigger type `{}` in project `{}`: a pack declares it, or it is core.interval, core.timer or core.webhook",
                self.trigger_type, project.name
            );
            return refuse(Reason::NotFound, detail);
        }
        if !listens {
            return refuse(
                Reason::NotFound,
                "no pack of the project has a webhook at this path",
            );
        }
        if let Some(rule) = &self.rule
            && rules.is_empty()
        {
            let shown: String = rule
                .chars()
                .take(128)
                .flat_map(char::escape_debug)
                .collect();
            let detail = format!(
                "there is no enabled rule `{shown}` for `{}` in project `{}`",
                self.trigger_type, project.name
            );
            return refuse(Reason::NotFound, detail);
        }
        Ok(Declared { rules, signatures })
    }

    /// Refuses a call that is not signed, where one of the packs at its path asks for it: with every one of their secrets.
    fn signed(
        &self,
        tx: &mut WriteTx<'_, '_>,
        project: &Record,
        asked: &[WebhookSignature],
    ) -> Result<Option<Signed>, Rejection> {
        let mut signed = None;
        for asked in asked {
            if let Some(call) = &self.webhook {
                signed = Some(signatures::check(tx, project, call, asked)?);
            }
        }
        Ok(signed)
    }

    fn concerns(&self, reference: &str, rule: &Rule) -> bool {
        let path = rule.with.get("path").and_then(Value::as_str);
        let at_its_path = match (&self.webhook, path) {
            (Some(call), path) => path == Some(call.path.as_str()),
            (None, _) => true,
        };
        rule.enabled
            && rule.trigger == self.trigger_type
            && self.rule.as_deref().is_none_or(|only| only == reference)
            && at_its_path
    }

    /// What recognises the event: its sender's own id for it, which means nothing to another sender, nor at another webhook. One
    /// that is for a single rule is the same whoever creates it, so that two sensors never fire one time of a rule twice.
    /// Of a signed message, only what is signed counts.
    fn dedup(&self, signed: Option<&Signed>) -> Result<Option<[u8; 32]>, Rejection> {
        let sent = self.webhook.as_ref().and_then(|call| call.id.as_ref());
        let message = signed.map(|signed| &signed.message);
        let Some(id) = message.or(sent).or(self.dedup_id.as_ref()) else {
            return Ok(None);
        };
        if id.is_empty() || id.len() > DEDUP_BYTES {
            let detail = format!("`dedup_id` has 1 to {DEDUP_BYTES} bytes");
            return refuse(Reason::Unprocessable, detail);
        }
        // Who sends it is not signed: whoever may call sends the same message once.
        let mut sender = match signed {
            Some(_) => String::new(),
            None => self.token.identity_id.to_string(),
        };
        if let Some(call) = &self.webhook {
            sender = format!("{sender}/{}", call.path);
        }
        let whose = self.rule.as_deref().unwrap_or(&sender);
        Ok(Some(digest::sha256_of(&[
            self.trigger_type.as_bytes(),
            &[0],
            whose.as_bytes(),
            &[0],
            id.as_bytes(),
        ])))
    }

    fn record(
        &self,
        tx: &mut WriteTx<'_, '_>,
        id: Id<id::Event>,
        txn: Id<id::Transaction>,
        firing: &[(String, Rule)],
        signed_with: Option<SignedWith>,
    ) -> Result<Id<id::Evidence>, Rejection> {
        let event = Evidenced::EventCreated(EventCreated {
            event_id: id,
            trigger_type: self.trigger_type.to_string(),
            rules: firing
                .iter()
                .map(|(reference, _)| reference.clone())
                .collect(),
            source_address: tx.ctx().source.as_deref().map(Text::personal),
            signed_with,
        });
        let mut refs = vec![refer(Role::Event, id, Some(&self.trigger_type))];
        if let Actor::Identity { id, .. } = tx.permit().actor() {
            let identity = *id;
            crate::approvals::references::of_identity(tx, identity, &mut refs)?;
        }
        let mut draft = tx.draft(event).refs(refs).parents([self.token.jti]);
        // A sensor's token lives for months: each event begins a story of its own.
        draft.txn = txn;
        tx.evidence(draft)
    }
}

/// Starts what a rule says. What cannot be started stays on record with the reason.
fn fire(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
    event: &Event,
    seen: &Value,
    behind: &Behind,
    reference: String,
    rule: &Rule,
) -> Result<Enforcement, Rejection> {
    let started = match rule::fill(&rule.parameters, seen) {
        Err(unfilled) => Err(unfilled.to_string()),
        Ok(parameters) => {
            let asked = Scheduling {
                project,
                action_ref: &rule.action,
                parameters,
                rule: Some(reference.clone()),
                event_id: Some(event.id),
                parent: None,
                behind: behind.clone(),
                requires_approval: rule.requires_approval,
                txn: event.doc.txn,
                parents: vec![event.doc.recorded],
            };
            match schedule(tx, asked) {
                Ok(execution) => Ok(execution.id),
                Err(Rejection::Refused(refusal)) => Err(refusal.detail),
                Err(other) => return Err(other),
            }
        }
    };
    let (execution_id, reason) = match started {
        Ok(id) => (Some(id), None),
        Err(reason) => (None, Some(reason)),
    };
    Ok(Enforcement {
        event_id: event.id,
        rule: reference,
        execution_id,
        reason,
    })
}
