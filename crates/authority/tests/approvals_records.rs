//! What an approval leaves behind: evidence that can be checked, and messages without secrets.

use countersign_authority::evidence::seal;
use countersign_crypto::digest;
use countersign_model::{
    Id,
    approval::Approval,
    evidence::{Event, Evidence, Role},
    id,
    reason::Reason,
};
use countersign_store::{evidence, outbox};
use serde_json::Value;

use crate::approvals_world::{self, OCTOCAT, User, World, on_each, reason, release};

fn record(world: &World, id: Id<id::Evidence>) -> (Evidence, String) {
    let row = world
        .authority()
        .store()
        .read(move |tx| evidence::by_id(tx, id))
        .wait()
        .unwrap()
        .unwrap();
    (
        seal::read(&row.body, row.disclosed.as_deref()).unwrap(),
        row.body,
    )
}

fn referred(record: &Evidence, role: Role) -> Vec<&str> {
    let refs = record
        .refs
        .iter()
        .filter(|reference| reference.role == role);
    refs.map(|reference| reference.id.as_str()).collect()
}

fn messages(world: &World) -> Vec<Value> {
    let now = world.now();
    let due = world
        .authority()
        .store()
        .read(move |tx| outbox::due(tx, now, 100));
    let due = due.wait().unwrap();
    due.iter()
        .map(|message| serde_json::from_str(&message.payload).unwrap())
        .collect()
}

fn approved(world: &World, user: &User) -> (Approval, Id<id::Evidence>) {
    let approval = world.open_grant(&world.base_token(), release()).unwrap();
    let decision = world.decide(user, &approval, true).unwrap();
    (decision.approval, decision.evidence)
}

#[test]
fn one_story_leads_from_the_run_to_the_redeemed_token() {
    on_each(|world| {
        let scene = world.scene();
        world.link(&scene.dana, &scene.dana, OCTOCAT);
        let bearer = world.base_token();
        let approval = world.open_grant(&bearer, release()).unwrap();
        let decision = world.decide(&scene.lee, &approval, true).unwrap();
        let released = world.redeem(&approval, world.claims()).unwrap();

        let (opened, _) = record(world, approval.doc.opened_evidence);
        let (decided, _) = record(world, decision.evidence);
        let (issued, _) = record(world, released.claims.jti);
        assert_eq!(opened.parents, [bearer.token.claims().jti]);
        assert_eq!(decided.parents, [opened.id]);
        assert_eq!(issued.parents, [opened.id, decided.id]);
        for record in [&opened, &decided, &issued] {
            assert_eq!(record.txn, bearer.token.claims().txn);
            assert_eq!(referred(record, Role::Approval), [approval.id.to_string()]);
            assert_eq!(
                referred(record, Role::Identity),
                [scene.identity.id.to_string()]
            );
            assert_eq!(referred(record, Role::Commit), [approvals_world::SHA]);
        }
        assert_eq!(referred(&opened, Role::Human), [scene.dana.id.to_string()]);
        assert_eq!(
            referred(&decided, Role::Approver),
            [scene.lee.id.to_string()]
        );
        let Event::ApprovalDecided(event) = &decided.event else {
            panic!("{decided:?}")
        };
        assert_eq!(
            (event.approved, event.approvals, event.required),
            (true, 1, 1)
        );
        assert_eq!(event.digest, approval.doc.digest);
    });
}

#[test]
fn anybody_can_compute_the_digest_from_the_evidence() {
    on_each(|world| {
        let scene = world.scene();
        let (approval, _) = approved(world, &scene.lee);
        let (_, body) = record(world, approval.doc.opened_evidence);
        let body: Value = serde_json::from_str(&body).unwrap();
        // RFC 8785 by way of an ordered map: nothing of ours but the hash.
        let members: std::collections::BTreeMap<String, Value> =
            serde_json::from_value(body["request"].clone()).unwrap();
        let bytes = serde_json::to_vec(&members).unwrap();
        assert_eq!(body["digest"], hex::encode(digest::sha256(&bytes)));
        assert_eq!(body["digest"], approval.doc.digest);
    });
}

#[test]
fn names_of_people_stand_sealed_in_the_record() {
    on_each(|world| {
        let scene = world.scene();
        let (approval, decided) = approved(world, &scene.lee);
        for id in [approval.doc.opened_evidence, decided] {
            let (_, body) = record(world, id);
            for personal in ["octocat", "lee@example.com", "dana@example.com"] {
                assert!(!body.contains(personal), "{personal} in {body}");
            }
        }
        let (opened, _) = record(world, approval.doc.opened_evidence);
        assert_eq!(referred(&opened, Role::Human), ["unmapped:12"]);
    });
}

#[test]
fn people_are_told_when_one_opens_and_when_it_is_decided() {
    on_each(|world| {
        let scene = world.scene();
        let (approval, decided) = approved(world, &scene.lee);
        let messages = messages(world);
        let types: Vec<_> = messages.iter().map(|message| &message["type"]).collect();
        assert_eq!(types, ["approval.opened", "approval.decided"]);
        for message in &messages {
            assert_eq!(message["data"]["approval_id"], approval.id.to_string());
            assert_eq!(message["data"]["digest"], approval.doc.digest);
            assert!(
                message["timestamp"]
                    .as_str()
                    .is_some_and(|time| time.ends_with('Z'))
            );
            let text = message.to_string();
            for kept in [
                "octocat",
                "@example.com",
                "eyJ",
                approval.doc.nonce.as_str(),
            ] {
                assert!(!text.contains(kept), "{kept} in {text}");
            }
        }
        let data = &messages[1]["data"];
        assert_eq!(data["status"], "approved");
        assert_eq!(data["decision"]["by"], scene.lee.id.to_string());
        assert_eq!(data["decision"]["evidence_id"], decided.to_string());
    });
}

#[test]
fn a_refusal_is_on_record_too() {
    on_each(|world| {
        let scene = world.scene();
        world.link(&scene.dana, &scene.lee, OCTOCAT);
        let approval = world.open_grant(&world.base_token(), release()).unwrap();
        assert_eq!(
            reason(world.decide(&scene.lee, &approval, true)),
            Reason::SelfApproval
        );
        let tenant = world.tenant().id;
        let rows = world
            .authority()
            .store()
            .read(move |tx| evidence::tail(tx, tenant, Default::default(), 500))
            .wait()
            .unwrap();
        let last = &rows.last().unwrap().row;
        let record = seal::read(&last.body, last.disclosed.as_deref()).unwrap();
        let Event::Refused(refused) = &record.event else {
            panic!("{record:?}")
        };
        assert_eq!(
            (refused.asked.as_str(), refused.reason),
            ("approval decide", Reason::SelfApproval)
        );
    });
}
