//! The terms under which a record is found: derived from its bytes, written in bulk by the sequencer.

use countersign_crypto::opaque::{self, Pepper};
use countersign_model::{
    Id,
    evidence::{Event, Evidence, Role, Text},
    id,
};
use countersign_store::evidence::EvidenceRow;

use super::seal;

/// A term of a record: the tenant, the term, the record.
pub type Term = (Id<id::Tenant>, String, Id<id::Evidence>);

/// The longest value in a term, in bytes; a longer one is found by its beginning.
const VALUE_BYTES: usize = 256;

/// The terms of a record. One that does not parse is found by time alone.
#[must_use]
pub fn of(row: &EvidenceRow, pepper: &Pepper) -> Vec<Term> {
    let Ok(record) = seal::read(&row.body, row.disclosed.as_deref()) else { return Vec::new() };
    let mut terms = vec![term("txn", &record.txn.to_string())];
    for reference in &record.refs {
        match reference.role {
            Role::Actor | Role::Approver | Role::Human => terms.push(term("person", &reference.id)),
            // Who answers is found from the identity: a token's record need not repeat it.
            Role::Audience | Role::Issuer | Role::Owner | Role::Project | Role::Reporter | Role::Source | Role::Sponsor => {}
            Role::Approval
            | Role::Commit
            | Role::Credential
            | Role::Digest
            | Role::Identity
            | Role::Resource
            | Role::Run
            | Role::Target
            | Role::Token => terms.push(term(reference.role.as_str(), &reference.id)),
        }
    }
    events(&record, &mut terms);
    if let Some(Text::Personal { personal }) = source(&record.event) {
        terms.push(source_term(pepper, personal));
    }
    if record.event.kind() != "token_issued" {
        // Most records are issues: their kind is no help in finding one.
        terms.push(term("kind", record.event.kind()));
        terms.push(term("outcome", record.event.outcome()));
    }
    terms.sort();
    terms.dedup();
    terms.into_iter().map(|text| (row.tenant_id, text, row.id)).collect()
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
            terms.extend(action.resource.as_deref().map(|resource| term("resource", resource)));
        }
        Event::Decision(decision) => terms.push(term("action", &decision.action)),
        Event::Refused(refused) => {
            terms.extend(refused.actions.iter().flat_map(|actions| actions.iter()).map(|action| term("action", action)));
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
            let actions = opened.request.get("actions").and_then(|actions| actions.as_array());
            terms.extend(actions.into_iter().flatten().filter_map(|action| action.as_str()).map(|action| term("action", action)));
        }
        _ => {}
    }
}

fn source(event: &Event) -> Option<&Text> {
    match event {
        Event::Refused(refused) => refused.source_address.as_ref(),
        Event::SignedIn(signed_in) => signed_in.source_address.as_ref(),
        Event::TokenIssued(issued) => issued.source_address.as_ref(),
        _ => None,
    }
}
