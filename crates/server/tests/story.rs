//! The main story, end to end: a run, a refusal, a second person, a deploy, the sentence.

use countersign_crypto::log::{
    Hash, InclusionProof, NoteVerifier,
    leaf::{Commitment, leaf_hash},
};
use countersign_guard::{Outcome, Request};
use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{
    Answer, Caller, LogCopy, RunForm, TestServer, claims, eventually, guard, on_each_database,
    on_postgres,
};
use serde_json::{Value, json};

use crate::world::{AUDIENCE, Pipeline, pipeline};

const DIGEST: &str = "sha256:4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce";
const OTHER_DIGEST: &str =
    "sha256:4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a";

/// The pipeline, whose runs Dana triggers, and Lee, who may countersign.
pub async fn with_approver(server: &TestServer) -> (Pipeline, Caller) {
    let pipeline = pipeline(server).await;
    let account =
        json!({ "issuer": pipeline.issuer.url(), "subject": "12", "user": "dana@example.com" });
    pipeline.owner.make("linked-accounts", &account).await;
    let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
    (pipeline, lee)
}

/// The run's own token, which carries what needs nobody.
pub async fn base_token(server: &TestServer, pipeline: &Pipeline) -> Caller {
    let run = pipeline.run(server, |claims| claims);
    let answer = server
        .anyone()
        .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
        .await;
    server.anyone().with_token(answer.access_token())
}

/// Asks people for the deploy of this artifact.
pub async fn open(run: &Caller) -> Value {
    let ask = json!({ "actions": ["deploy.release"], "environment": "production", "artifact_digest": DIGEST, "reason": "release 4.2" });
    run.post("/api/approvals", &ask).await.done()
}

/// The run redeems the approval at a server, with a fresh token of its CI.
pub async fn redeem(server: &TestServer, pipeline: &Pipeline, approval: &str) -> Answer {
    let run = pipeline.run(server, |claims| claims);
    server
        .anyone()
        .run_token(
            RunForm::JwtBearer,
            pipeline.id(),
            &run,
            &[("approval_id", approval)],
        )
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_is_countersigned_done_and_told_in_one_sentence() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;

        let base = base_token(&server, &pipeline).await;
        assert_eq!(
            claims(base.token())["actions"],
            json!(["rollout.status.read"])
        );
        let run = pipeline.run(&server, |claims| claims);
        let refused = server
            .anyone()
            .run_token(
                RunForm::JwtBearer,
                pipeline.id(),
                &run,
                &[("scope", "deploy.release")],
            )
            .await;
        let needed = refused.refused(400, "approval_required")["approval"].clone();
        assert_eq!(needed["actions"], json!(["deploy.release"]));
        assert_eq!(
            needed["endpoint"],
            format!("{}/api/approvals", server.issuer())
        );

        let approval = open(&base).await;
        let id = approval["id"].as_str().unwrap();
        assert_eq!(
            (approval["status"].as_str(), approval["separation"].as_str()),
            (Some("pending"), Some("proven"))
        );
        assert_eq!(
            open(&base).await["id"],
            id,
            "the same request of the same run is the same approval"
        );
        redeem(&server, &pipeline, id)
            .await
            .refused(400, "authorization_pending");

        // Dana triggered the run; the run itself is no person; Lee decides on what she read.
        let path = format!("/api/approvals/{id}/approve");
        let yes = json!({ "digest": approval["digest"] });
        pipeline
            .owner
            .post(&path, &yes)
            .await
            .refused(403, "self_approval");
        assert!(matches!(base.post(&path, &yes).await.status, 401 | 403));
        lee.post(&path, &json!({ "digest": OTHER_DIGEST }))
            .await
            .refused(409, "digest_mismatch");
        assert_eq!(lee.approve(id).await["status"], "approved");

        let answer = redeem(&server, &pipeline, id).await;
        let token = answer.access_token();
        let granted = claims(&token);
        assert_eq!(answer.json()["expires_in"], 600);
        assert_eq!(
            (&granted["actions"], &granted["approval_id"]),
            (&json!(["deploy.release"]), &approval["id"])
        );
        assert_eq!(
            granted["authorization_details"][0]["artifact_digest"],
            DIGEST
        );
        assert_eq!(granted["txn"], approval["txn"], "one story");
        redeem(&server, &pipeline, id)
            .await
            .refused(400, "expired_token");

        let guard = guard(
            &server,
            AUDIENCE,
            "pipeline://release/",
            Some(&pipeline.target),
        )
        .await;
        let deploy = || {
            Request::parse("deploy.release")
                .unwrap()
                .on("web")
                .in_environment("production")
                .unwrap()
        };
        let denied = async |token: &str, request: Request| {
            guard.authorize(token, request).await.unwrap_err().code()
        };
        assert_eq!(denied(base.token(), deploy()).await, "action_not_allowed");
        assert_eq!(denied(&token, deploy()).await, "digest_mismatch");
        assert_eq!(
            denied(&token, deploy().with_artifact(OTHER_DIGEST).unwrap()).await,
            "digest_mismatch"
        );
        assert_eq!(
            denied(&token, Request::parse("secrets.read").unwrap()).await,
            "action_not_allowed"
        );
        let authorized = guard
            .authorize(&token, deploy().with_artifact(DIGEST).unwrap())
            .await
            .unwrap();
        authorized.report(Outcome::Done, None);
        guard.flush().await.unwrap();

        let story = told(
            &pipeline.owner,
            &format!("token:{}", granted["jti"].as_str().unwrap()),
        )
        .await;
        let sentence = story["sentence"].as_str().unwrap();
        for part in [
            "release-promoter-prod",
            "deploy.release",
            "9876543210",
            "9f3182061f1e",
            "lee@example.com",
            "dana@example.com",
        ] {
            assert!(sentence.contains(part), "`{part}` in: {sentence}");
        }
        assert!(!sentence.contains("[gap"), "{sentence}");
        verify_offline(&pipeline.owner, &story).await;
        for reference in [
            "commit:9f3182061f1e2cca4702c368cbc039b7dc9d4485".to_owned(),
            format!("digest:{DIGEST}"),
            format!("approval:{id}"),
            "resource:web".to_owned(),
            // What was done is told, not only that a token was given for it.
            "run:9876543210".to_owned(),
            format!("action:{}", granted["jti"].as_str().unwrap()),
        ] {
            let story = told(&pipeline.owner, &reference).await;
            assert!(
                story["sentence"]
                    .as_str()
                    .unwrap()
                    .contains("lee@example.com"),
                "{reference}: {story}"
            );
        }
        LogCopy::settled(&pipeline.owner)
            .await
            .verify(None)
            .unwrap();
        server.stop().await;
    })
    .await;
}

/// The lineage, once every record of it is in the signed log.
async fn told(caller: &Caller, reference: &str) -> Value {
    let encoded: String = url::form_urlencoded::byte_serialize(reference.as_bytes()).collect();
    eventually(&format!("the story of {reference}"), async || {
        let answer = caller.get(&format!("/api/lineage?ref={encoded}")).await;
        let json = answer.json();
        let recorded = |node: &&Value| !node["evidence_id"].is_null();
        let nodes = json["nodes"].as_array()?;
        let published = nodes
            .iter()
            .filter(recorded)
            .all(|node| !node["log"].is_null());
        let done = json["story"]["outcome"] == "done";
        (answer.status == 200 && published && done && nodes.iter().any(|node| recorded(&node)))
            .then_some(json)
    })
    .await
}

/// Checks each hop with nothing but its bytes and the log's key.
async fn verify_offline(caller: &Caller, story: &Value) {
    let key = caller.get("/api/log/key").await.done();
    let verifier: NoteVerifier = key["verifier_key"].as_str().unwrap().parse().unwrap();
    let origin = key["origin"].as_str().unwrap();
    let mut hops = 0;
    for node in story["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| !node["evidence_id"].is_null())
    {
        let id = node["evidence_id"].as_str().unwrap();
        let record = caller.get(&format!("/api/evidence/{id}")).await.done();
        let salt = hex::decode(record["salt"].as_str().unwrap())
            .unwrap()
            .try_into()
            .unwrap();
        let leaf =
            leaf_hash(Commitment::new(&salt, record["body"].as_str().unwrap().as_bytes()).entry());
        let hashes = node["log"]["proof"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hash| Hash::from_base64(hash.as_str().unwrap()).unwrap());
        let proof = InclusionProof {
            extra: None,
            index: node["log"]["index"].as_u64().unwrap(),
            hashes: hashes.collect(),
            checkpoint: node["log"]["checkpoint"].as_str().unwrap().to_owned(),
        };
        proof
            .verify(leaf, origin, std::slice::from_ref(&verifier))
            .unwrap();
        assert!(
            proof
                .verify(
                    leaf_hash(b"another"),
                    origin,
                    std::slice::from_ref(&verifier)
                )
                .is_err()
        );
        hops += 1;
    }
    assert!(hops >= 4, "issue, approval, decision and action: {story:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_after_forty_minutes_is_redeemed_with_a_fresh_token_of_the_ci() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let approval = open(&base_token(&server, &pipeline).await).await;
        let id = approval["id"].as_str().unwrap();
        server.clock().advance(Seconds(40 * 60));
        redeem(&server, &pipeline, id)
            .await
            .refused(400, "authorization_pending");
        lee.approve(id).await;
        let token = redeem(&server, &pipeline, id).await.access_token();
        assert_eq!(claims(&token)["approval_id"], approval["id"]);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_and_a_lapsed_request_yield_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let base = base_token(&server, &pipeline).await;
        let approval = open(&base).await;
        let id = approval["id"].as_str().unwrap();
        lee.post(
            &format!("/api/approvals/{id}/deny"),
            &json!({ "digest": approval["digest"], "reason": "freeze" }),
        )
        .await
        .done();
        redeem(&server, &pipeline, id)
            .await
            .refused(400, "access_denied");
        let again = open(&base).await;
        assert_ne!(again["id"], approval["id"]);
        lee.approve(again["id"].as_str().unwrap()).await;
        server.clock().advance(Seconds(9 * 3600));
        redeem(&server, &pipeline, again["id"].as_str().unwrap())
            .await
            .refused(400, "expired_token");
        server.stop().await;
    })
    .await;
}

/// Twenty redemptions at the same moment, in turn at each of the servers.
async fn twenty_at_once(servers: &[&TestServer], pipeline: &Pipeline, lee: &Caller) {
    let approval = open(&base_token(servers[0], pipeline).await).await;
    let id = approval["id"].as_str().unwrap().to_owned();
    lee.approve(&id).await;
    let tries = (0..20).map(|n| {
        let caller = servers[n % servers.len()].anyone();
        let run = pipeline.run(servers[0], |claims| claims);
        let (identity, id) = (pipeline.id().to_owned(), id.clone());
        tokio::spawn(async move {
            // Where all collide, one may be told to come again: nothing of it was kept, so it does, as any client.
            eventually("a final answer", async || {
                let fields = [("approval_id", id.as_str())];
                let answer = caller
                    .run_token(RunForm::JwtBearer, &identity, &run, &fields)
                    .await;
                if answer.status == 503 {
                    assert!(answer.header("retry-after").is_some(), "{}", answer.text());
                    return None;
                }
                Some(answer)
            })
            .await
        })
    });
    let mut answers = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        answers.push(one.await.unwrap());
    }
    let redeemed = answers.iter().filter(|answer| answer.status == 200).count();
    let said: Vec<String> = answers
        .iter()
        .map(|answer| format!("{} {}", answer.status, answer.json()["error"]))
        .collect();
    assert_eq!(redeemed, 1, "{said:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.refused(400, "expired_token");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_of_twenty_redemptions_at_once_exactly_one_succeeds() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        twenty_at_once(&[&server], &pipeline, &lee).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_of_twenty_redemptions_at_once_on_two_replicas_exactly_one_succeeds() {
    on_postgres(async |database| {
        let first = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&first).await;
        let second = first.replica().await;
        twenty_at_once(&[&first, &second], &pipeline, &lee).await;
        second.stop().await;
        first.stop().await;
    })
    .await;
}
