//! Approvals and decisions.

use countersign_model::{
    approval::{Approval, ApprovalDoc, ApprovalRequest, ApprovalStatus, ChangeRequest},
    evidence::Separation,
    id::{self, Id},
    registry::{ApprovalRule, Noun},
};
use countersign_store::{
    WriteMode,
    approvals::{self, ApprovalDecision, ApprovalQuery},
};

use crate::support::{at, id, id_at, on_each, read, write};

fn approval(tenant_id: Id<id::Tenant>, identity_id: Id<id::Identity>, digest: &str) -> Approval {
    let request = ChangeRequest {
        tenant_id,
        noun: Noun::Identity,
        record_id: identity_id.cast(),
        version: 1,
        identity_id: Some(identity_id),
        summary: "allow more".to_owned(),
        change: serde_json::json!({"allowed_actions": ["deploy.release"]}),
    };
    Approval {
        id: id(),
        tenant_id,
        identity_id: Some(identity_id),
        status: ApprovalStatus::Pending,
        version: 1,
        opened_at: at(0),
        expires_at: at(100),
        doc: ApprovalDoc {
            held_before: Vec::new(),
            request: ApprovalRequest::Change(request),
            nonce: "n".to_owned(),
            digest: digest.to_owned(),
            requested_by: Some(id()),
            run: None,
            human: None,
            separation: Separation::Unproven,
            rule: ApprovalRule::default(),
            reason: None,
            txn: id(),
            opened_evidence: id(),
            decided_evidence: Vec::new(),
            voided_because: None,
        },
    }
}

#[test]
fn an_approval_moves_once_from_state_to_state() {
    on_each(|store| {
        let (tenant_id, identity_id) = (id(), id());
        let pending = approval(tenant_id, identity_id, "d1");
        let inserted = pending.clone();
        write(store, move |tx| approvals::insert(tx, &inserted));
        let id = pending.id;
        assert_eq!(
            read(store, move |tx| approvals::by_id(tx, id)),
            Some(pending.clone())
        );
        let mut approved = pending.clone();
        approved.status = ApprovalStatus::Approved;
        approved.expires_at = at(200);
        let moves: Vec<_> = (0..20)
            .map(|_| {
                let approved = approved.clone();
                store.write(WriteMode::Serializable, move |tx| {
                    approvals::transition(tx, ApprovalStatus::Pending, &approved)
                })
            })
            .collect();
        let won = moves
            .into_iter()
            .map(|one| one.wait().unwrap())
            .filter(|won| *won)
            .count();
        assert_eq!(won, 1);
        approved.version = 2;
        assert_eq!(
            read(store, move |tx| approvals::by_id(tx, id)),
            Some(approved.clone())
        );
        assert_eq!(write(store, approvals::void_all), 1);
        let voided = read(store, move |tx| approvals::by_id(tx, id)).unwrap();
        assert_eq!(voided.status, ApprovalStatus::Voided);
    });
}

#[test]
fn approvals_are_listed() {
    on_each(|store| {
        let (tenant_id, identity_id) = (id(), id());
        let all: Vec<_> = (0..5)
            .map(|index| approval(tenant_id, identity_id, &index.to_string()))
            .collect();
        let inserted = all.clone();
        write(store, move |tx| {
            inserted
                .iter()
                .try_for_each(|approval| approvals::insert(tx, approval))?;
            approvals::insert(tx, &approval(tenant_id, id(), "other"))?;
            let denied = Approval {
                status: ApprovalStatus::Denied,
                ..inserted[0].clone()
            };
            approvals::transition(tx, ApprovalStatus::Pending, &denied)
        });
        let list = |status, identity_id, before, limit| {
            let query = ApprovalQuery {
                tenant_id,
                status,
                identity_id,
                before,
                limit,
            };
            let found = read(store, move |tx| approvals::list(tx, &query));
            found
                .into_iter()
                .map(|approval| approval.doc.digest)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            list(None, None, None, 10),
            ["other", "4", "3", "2", "1", "0"]
        );
        assert_eq!(list(None, Some(identity_id), None, 2), ["4", "3"]);
        assert_eq!(
            list(None, Some(identity_id), Some(all[3].id), 2),
            ["2", "1"]
        );
        assert_eq!(list(Some(ApprovalStatus::Denied), None, None, 10), ["0"]);
        assert_eq!(
            list(Some(ApprovalStatus::Pending), Some(identity_id), None, 10),
            ["4", "3", "2", "1"]
        );
        assert_eq!(
            read(store, move |tx| approvals::open_of_identity(
                tx,
                identity_id,
                at(0),
                10
            ))
            .len(),
            4
        );
        assert_eq!(
            read(store, |tx| approvals::lapsed(
                tx,
                ApprovalStatus::Pending,
                at(100),
                3
            ))
            .len(),
            3
        );
        assert!(
            read(store, |tx| approvals::lapsed(
                tx,
                ApprovalStatus::Pending,
                at(99),
                3
            ))
            .is_empty()
        );
    });
}

#[test]
fn a_person_decides_once() {
    on_each(|store| {
        let decision = |user_id| ApprovalDecision {
            approval_id: id_at(5),
            user_id,
            decision: "approve".to_owned(),
            at: at(1),
            doc: "{}".to_owned(),
        };
        let first = decision(id());
        let second = ApprovalDecision {
            approval_id: first.approval_id,
            at: at(2),
            ..decision(id())
        };
        let both = [first.clone(), second.clone()];
        for one in both.clone() {
            assert!(write(store, move |tx| approvals::decide(tx, &one)));
        }
        let again = ApprovalDecision {
            decision: "deny".to_owned(),
            ..first.clone()
        };
        assert!(!write(store, move |tx| approvals::decide(tx, &again)));
        assert_eq!(
            read(store, move |tx| approvals::decisions(tx, first.approval_id)),
            both
        );
    });
}
