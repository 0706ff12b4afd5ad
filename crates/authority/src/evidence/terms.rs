//! The terms under which a record is found: derived from its bytes, indexed by the sequencer.

use countersign_crypto::opaque::{self, Pepper};
use countersign_model::{
    Id,
    evidence::{Event, Evidence, Role, Text},
    id,
};
use countersign_store::evidence::EvidenceRow;
use serde::{Deserialize, de::IgnoredAny};

use super::seal;

/// A term of a record, and whose it is.
pub type Term = (Id<id::Tenant>, String);

/// The longest value in a term, in bytes; a longer one is found by its beginning.
const VALUE_BYTES: usize = 256;

/// A change that loosened a guard with nobody else to ask.
pub const CHANGED_ALONE: &str = "alone";

const ISSUED: &str = "token_issued";

/// The terms of a record; that of its source address needs the pepper. One that does not parse is found by time alone.
#[must_use]
pub fn of(row: &EvidenceRow, pepper: Option<&Pepper>) -> Vec<Term> {
    let terms = if row.kind == ISSUED {
        issued(row, pepper)
    } else {
        any(row, pepper)
    };
    let mut terms = terms.unwrap_or_default();
    terms.sort();
    terms.dedup();
    terms
        .into_iter()
        .map(|text| (row.tenant_id, text))
        .collect()
}

/// What a record of an issued token is found by. Most records are: this reads no more of them than it needs.
#[derive(Deserialize)]
struct Issued {
    txn: String,
    refs: Vec<IssuedReference>,
    #[serde(default)]
    run: Option<IssuedRun>,
    #[serde(default)]
    approval_id: Option<IgnoredAny>,
    actions: Vec<String>,
    #[serde(default)]
    source_address: Option<Text>,
}

#[derive(Deserialize)]
struct IssuedReference {
    role: Role,
    id: String,
}

#[derive(Deserialize)]
struct IssuedRun {
    #[serde(default)]
    run_id: Option<String>,
}

fn issued(row: &EvidenceRow, pepper: Option<&Pepper>) -> Option<Vec<String>> {
    let record: Issued = serde_json::from_str(&row.body).ok()?;
    let mut terms = vec![term("txn", &record.txn)];
    terms.extend(
        record
            .refs
            .iter()
            .filter_map(|found| referred(found.role, &found.id)),
    );
    terms.extend(
        record
            .run
            .and_then(|run| run.run_id)
            .map(|id| term("run", &id)),
    );
    if record.approval_id.is_some() {
        terms.extend(record.actions.iter().map(|action| term("action", action)));
    }
    terms.extend(source_of(row, record.source_address.as_ref(), pepper));
    Some(terms)
}

fn any(row: &EvidenceRow, pepper: Option<&Pepper>) -> Option<Vec<String>> {
    let record: Evidence = serde_json::from_str(&row.body).ok()?;
    let mut terms = vec![term("txn", &record.txn.to_string())];
    terms.extend(
        record
            .refs
            .iter()
            .filter_map(|found| referred(found.role, &found.id)),
    );
    events(&record, &mut terms);
    terms.extend(source_of(row, source(&record.event), pepper));
    if record.event.kind() != ISSUED {
        // Most records are issues: their kind is no help in finding one.
        terms.push(term("kind", record.event.kind()));
        terms.push(term("outcome", record.event.outcome()));
    }
    Some(terms)
}

fn referred(role: Role, id: &str) -> Option<String> {
    match role {
        Role::Actor | Role::Approver | Role::Human => Some(term("person", id)),
        // Who answers is found from the identity: a token's record need not repeat it.
        Role::Audience
        | Role::Issuer
        | Role::Owner
        | Role::Project
        | Role::Reporter
        | Role::Source
        | Role::Sponsor => None,
        Role::Approval
        | Role::Chain
        | Role::Commit
        | Role::Credential
        | Role::Digest
        | Role::Event
        | Role::Execution
        | Role::Identity
        | Role::Resource
        | Role::Rule
        | Role::Run
        | Role::Target
        | Role::Token => Some(term(role.as_str(), id)),
    }
}

/// The term of the source address, while it is still disclosed.
fn source_of(row: &EvidenceRow, address: Option<&Text>, pepper: Option<&Pepper>) -> Option<String> {
    let pepper = pepper?;
    match address? {
        Text::Personal { personal } => Some(source_term(pepper, personal)),
        Text::Sealed { digest } => {
            let disclosed: Vec<seal::Disclosed> =
                serde_json::from_str(row.disclosed.as_deref()?).ok()?;
            let known = disclosed
                .iter()
                .find(|entry| entry.digest == *digest && entry.is_genuine())?;
            Some(source_term(pepper, &known.value))
        }
        Text::Plain(_) => None,
    }
}

/// A term of a kind and value.
#[must_use]
pub fn term(kind: &str, value: &str) -> String {
    let end = value.floor_char_boundary(VALUE_BYTES);
    format!("{kind}:{}", value.get(..end).unwrap_or(value))
}

/// The term of a source address: keyed, for an address is personal and the index is not erased.
#[must_use]
pub fn source_term(pepper: &Pepper, address: &str) -> String {
    let tag = opaque::hash(pepper, address);
    term("source", &hex::encode(tag.split_at(8).0))
}

fn events(record: &Evidence, terms: &mut Vec<String>) {
    match &record.event {
        Event::Action(action) => {
            terms.push(term("action", &action.action));
            terms.extend(
                action
                    .resource
                    .as_deref()
                    .map(|resource| term("resource", resource)),
            );
        }
        Event::Changed(change) if change.changed_alone => {
            terms.push(term("changed", CHANGED_ALONE));
        }
        Event::Decision(decision) => terms.push(term("action", &decision.action)),
        Event::Refused(refused) => {
            terms.extend(
                refused
                    .actions
                    .iter()
                    .flat_map(|actions| actions.iter())
                    .map(|action| term("action", action)),
            );
        }
        Event::TokenIssued(issued) => {
            if let Some(run) = &issued.run {
                terms.extend(run.run.run_id.as_deref().map(|id| term("run", id)));
            }
            if issued.approval_id.is_some() {
                terms.extend(issued.actions.iter().map(|action| term("action", action)));
            }
        }
        Event::ApprovalOpened(opened) => {
            let actions = opened
                .request
                .get("actions")
                .and_then(|actions| actions.as_array());
            terms.extend(
                actions
                    .into_iter()
                    .flatten()
                    .filter_map(|action| action.as_str())
                    .map(|action| term("action", action)),
            );
        }
        _ => {}
    }
}

/// The source address of what happened.
pub(crate) fn source(event: &Event) -> Option<&Text> {
    match event {
        Event::Refused(refused) => refused.source_address.as_ref(),
        Event::InvitationChanged(changed) => changed.source_address.as_ref(),
        Event::PasskeyChanged(changed) => changed.source_address.as_ref(),
        Event::SignInDecided(decided) => decided.source_address.as_ref(),
        Event::SignedIn(signed_in) => signed_in.source_address.as_ref(),
        Event::TokenIssued(issued) => issued.source_address.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_crypto::key_wrap::KeyFile;
    use countersign_model::{Timestamp, evidence::TokenIssued, identity::Kind};

    use super::*;
    use crate::{
        Ctx,
        evidence::seal::{Draft, refer},
    };

    #[test]
    fn the_short_way_to_the_terms_of_a_token_finds_what_the_long_way_finds() {
        let pepper = KeyFile::generate().unwrap().pepper().unwrap();
        let ctx = Ctx {
            now: Timestamp::from_seconds(1_795_000_000),
            source: Some("203.0.113.7".to_owned()),
            sender: countersign_crypto::Sender::NOBODY,
            certificate: None,
        };
        let event = |approved: bool| {
            Event::TokenIssued(Box::new(TokenIssued {
                grant: "client_credentials".to_owned(),
                client_auth: "client_secret_basic".to_owned(),
                subject: "bot://web/releaser".to_owned(),
                identity_kind: Some(Kind::Bot),
                client_id: "releaser".to_owned(),
                audience: "deploy-api".to_owned(),
                actions: ["deploy.release".parse().unwrap()].into_iter().collect(),
                withheld: Default::default(),
                environment: None,
                artifact_digest: None,
                cnf: None,
                expires_at: ctx.now,
                approval_id: approved.then(|| ctx.id()),
                policies: Vec::new(),
                run: None,
                source_address: ctx.source.as_deref().map(Text::personal),
            }))
        };
        for approved in [false, true] {
            let identity: Id<id::Identity> = ctx.id();
            let refs = [
                refer(Role::Identity, identity, Some("bot")),
                refer(Role::Run, "r-1", None),
                refer(Role::Project, "p", None),
            ];
            let row = Draft::new(ctx.id(), event(approved))
                .refs(refs)
                .seal(&ctx, ctx.id())
                .unwrap()
                .row;
            let short: BTreeSet<String> =
                issued(&row, Some(&pepper)).unwrap().into_iter().collect();
            assert_eq!(
                short,
                any(&row, Some(&pepper)).unwrap().into_iter().collect()
            );
            assert!(
                short.contains(&source_term(&pepper, "203.0.113.7")),
                "{short:?}"
            );
            assert_eq!(short.contains("action:deploy.release"), approved);
            let erased = EvidenceRow {
                disclosed: None,
                ..row
            };
            assert!(
                !of(&erased, Some(&pepper))
                    .iter()
                    .any(|(_, text)| text.starts_with("source:"))
            );
        }
    }
}
