//! Executions that a person countersigns: they wait, begin with the decision that makes it whole, and end without it.

use countersign_crypto::Secret;
use countersign_crypto::digest::sha256;
use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{
    Caller, ClientSecret, RabbitMq, TestServer, claims, eventually, on_each_database,
};
use serde_json::{Value, json};

use crate::{
    automation_world::{apply, claim, finish, sensor, worker},
    long_lived_tokens::{holder, made, text},
};

/// An action that people countersign, one that a rule makes them countersign, and one that starts the first.
const WIPE: &str = r#"
pack:
  name: disks
  project: ops
  actions:
    - name: wipe
      command: [sh]
      script: echo wiped "$COUNTERSIGN_PARAM_DISK"
      timeout_seconds: 300
      requires_approval: true
      parameters: {disk: {required: true}}
    - {name: report, command: ["true"], timeout_seconds: 300, starts: [disks.wipe]}
  rules:
    - name: on_call
      trigger: core.webhook
      with: {path: wipe}
      action: disks.wipe
      parameters: {disk: "{{ event.payload.body.disk }}"}
    - {name: on_notice, trigger: disks.notice, action: disks.report, requires_approval: true}
  triggers: [{name: notice}]
  webhooks: [{path: wipe}]
"#;

struct World {
    dana: Caller,
    lee: Caller,
    kim: Caller,
    secret: ClientSecret,
}

/// Dana's project `ops` with the pack, a day old, and a worker; Lee and Kim own the tenant with her.
async fn world(server: &TestServer) -> World {
    let dana = server.owner().await;
    dana.project("ops").await;
    apply(&dana, WIPE).await.done();
    let fields = json!({ "allowed_actions": ["execution.claim"] });
    let identity = dana
        .identity("service_account", "worker:ops", "ops", fields)
        .await;
    let secret = dana.secret(text(&identity, "id")).await;
    // Who made the pack is behind what it starts for a day.
    server.clock().advance(Seconds(24 * 3600 + 60));
    World {
        dana: server.owner().await,
        lee: server.enrol("lee@example.com", TenantRole::Owner).await,
        kim: server.enrol("kim@example.com", TenantRole::Owner).await,
        secret,
    }
}

impl World {
    async fn start(&self, disk: &str) -> Value {
        let body = json!({ "action_ref": "disks.wipe", "parameters": { "disk": disk } });
        self.dana.post("/api/executions", &body).await.done()
    }

    async fn shown(&self, execution: &Value) -> Value {
        let path = format!("/api/executions/{}", text(execution, "id"));
        self.dana.get(&path).await.done()
    }

    /// What a worker gets that asks now.
    async fn claimed(&self, server: &TestServer) -> Vec<Value> {
        claim(&worker(server, &self.secret).await).await
    }
}

/// What a person answers to the approval of an execution, having read it.
async fn say(who: &Caller, execution: &Value, word: &str) -> countersign_testkit::Answer {
    let path = format!("/api/approvals/{}", text(execution, "approval_id"));
    let read = who.get(&path).await.done();
    let body = json!({ "digest": read["digest"], "reason": "looked at it" });
    who.post(&format!("{path}/{word}"), &body).await
}

/// The bodies of the records of an execution, oldest first.
async fn records(who: &Caller, execution: &Value) -> Vec<Value> {
    let path = format!("/api/evidence?limit=50&execution={}", text(execution, "id"));
    let mut records = Vec::new();
    for summary in who.get(&path).await.done()["items"].as_array().unwrap() {
        let path = format!("/api/evidence/{}", text(summary, "id"));
        records.push(who.get(&path).await.done()["record"].clone());
    }
    records.reverse();
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_that_people_countersign_waits_for_somebody_else_and_its_token_for_the_claim()
{
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = world(&server).await;
        let begun = ops.start("/dev/sdb").await;
        assert_eq!(begun["status"], "waiting");
        assert!(ops.claimed(&server).await.is_empty());
        let listed = ops.dana.get("/api/executions?status=waiting").await.done();
        assert_eq!(listed["items"][0]["approval_id"], begun["approval_id"]);

        // What is read is what is bound: both digests can be computed again.
        let path = format!("/api/approvals/{}", text(&begun, "approval_id"));
        let approval = ops.lee.get(&path).await.done();
        assert_eq!(
            (text(&approval, "type"), text(&approval, "summary")),
            ("execution", "execute disks.wipe")
        );
        assert_eq!(approval["requested_by"]["name"], "dana@example.com");
        let asked = &approval["execution"];
        assert_eq!(asked["parameters"], json!({ "disk": "/dev/sdb" }));
        assert_eq!(asked["script"], "echo wiped \"$COUNTERSIGN_PARAM_DISK\"");
        let salted = format!("{}{}", text(asked, "salt"), r#"{"disk":"/dev/sdb"}"#);
        let digest = |text: &str| hex::encode(sha256(text.as_bytes()));
        assert_eq!(asked["parameters_sha256"], digest(&salted).as_str());
        let executes = asked["executes"].to_string();
        assert_eq!(
            asked["action_sha256"],
            digest(&executes).as_str(),
            "{executes}"
        );
        // What it is given is in no record that stays.
        for record in records(&ops.dana, &begun).await {
            assert!(!record.to_string().contains("/dev/sdb"), "{record}");
        }

        say(&ops.dana, &begun, "approve")
            .await
            .refused(403, "self_approval");
        let other = json!({ "digest": "00".repeat(32) });
        ops.lee
            .post(&format!("{path}/approve"), &other)
            .await
            .refused(409, "digest_mismatch");
        let decided = say(&ops.lee, &begun, "approve").await.done();
        assert_eq!(decided["status"], "redeemed");
        assert_eq!(ops.shown(&begun).await["status"], "scheduled");
        say(&ops.kim, &begun, "deny")
            .await
            .refused(409, "already_decided");

        let claimed = ops.claimed(&server).await.remove(0);
        let own = claims(text(&claimed, "token"));
        assert_eq!(own["approval_id"], begun["approval_id"]);
        let worker = worker(&server, &ops.secret).await;
        finish(&worker, &claimed, "succeeded").await.done();
        let records = records(&ops.dana, &begun).await;
        let kinds: Vec<_> = records.iter().map(|record| text(record, "kind")).collect();
        let expected = [
            "execution_scheduled",
            "approval_opened",
            "approval_decided",
            "token_issued",
            "execution_ended",
        ];
        assert_eq!(kinds, expected);
        assert_eq!(records[0]["requires_approval"], true);
        assert_eq!(
            records[3]["parents"],
            json!([records[0]["id"], records[2]["id"]])
        );
        let reference = format!("/api/lineage?ref=execution:{}", text(&begun, "id"));
        let told = ops.dana.get(&reference).await.done();
        let sentence = text(&told, "sentence");
        assert!(
            sentence.contains(", approved by lee@example.com;"),
            "{sentence}"
        );
        assert!(told["gaps"].is_null(), "{told}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_denied_lapses_or_is_cancelled_never_begins_and_says_why() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = world(&server).await;
        let (denied, cancelled) = (ops.start("/dev/sdb").await, ops.start("/dev/sdc").await);
        let (voided, lapsed) = (ops.start("/dev/sdd").await, ops.start("/dev/sde").await);
        say(&ops.lee, &denied, "deny").await.done();
        let path = format!("/api/executions/{}/cancel", text(&cancelled, "id"));
        ops.dana.post(&path, &json!({})).await.done();
        say(&ops.lee, &cancelled, "approve")
            .await
            .refused(409, "already_decided");
        // An edit of the service account voids what waits about it, and the execution ends with that.
        let edit = json!({ "purpose": "wipes disks" });
        ops.dana
            .patch("/api/identities/action:disks.wipe", &edit)
            .await
            .done();
        assert_eq!(ops.shown(&voided).await["status"], "cancelled");
        assert_eq!(ops.shown(&lapsed).await["status"], "cancelled");
        let lapsed = ops.start("/dev/sde").await;
        server.clock().advance(Seconds(8 * 3600 + 1));
        say(&ops.lee, &lapsed, "approve")
            .await
            .refused(409, "approval_expired");
        server.run_job("lapse_approvals").await;
        for (execution, status, why) in [
            (&denied, "denied", "a person refused"),
            (&cancelled, "cancelled", "cancelled by a person"),
            (&voided, "cancelled", "its approval was voided"),
            (&lapsed, "expired", "nobody decided in time"),
        ] {
            let over = ops.shown(execution).await;
            assert_eq!(over["status"], status);
            assert!(text(&over, "reason").contains(why), "{over}");
            assert!(over["ended_at"].is_string());
            let records = records(&ops.dana, execution).await;
            let ended = records
                .iter()
                .find(|one| one["kind"] == "execution_ended")
                .unwrap();
            assert_eq!(
                (&ended["state"], &ended["attempt"]),
                (&json!(status), &json!(0))
            );
            assert!(!records.iter().any(|one| one["kind"] == "token_issued"));
        }
        let of_denied = records(&ops.dana, &denied).await;
        assert_eq!(
            of_denied[3]["parents"],
            json!([of_denied[2]["id"]]),
            "the end follows from the decision"
        );
        assert!(ops.claimed(&server).await.is_empty());
        // Where nobody closes the approval, nothing waits longer than it.
        let forgotten = ops.start("/dev/sdf").await;
        server.clock().advance(Seconds(8 * 3600 + 1));
        server.run_job("watch_executions").await;
        let path = format!("/api/executions/{}", text(&forgotten, "id"));
        let forgotten = server.owner().await.get(&path).await.done();
        assert_eq!(forgotten["status"], "expired");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_nobody_countersigns_what_they_may_have_caused_through_a_program_a_rule_or_a_script() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = world(&server).await;
        // Through the token of a webhook, which Lee was shown.
        let body = json!({
            "name": "webhook:wipe", "scope": "webhook", "project": "ops", "metadata": { "allowed_paths": ["/webhooks/wipe"] },
        });
        let hook = holder(&server, &made(&ops.lee, &body).await);
        let event = hook.post("/api/webhooks/wipe", &json!({ "disk": "/dev/sdb" })).await.done();
        let fired = ops.shown(&json!({ "id": event["enforcements"][0]["execution_id"] })).await;
        assert_eq!(fired["status"], "waiting");
        say(&ops.lee, &fired, "approve").await.refused(403, "self_approval");
        say(&ops.kim, &fired, "approve").await.done();

        // Through an execution: a rule asks for the first, and what that starts is asked for by its action.
        let sensor = sensor(&server, &ops.dana, &["disks.notice"]).await;
        let event = sensor.post("/api/events", &json!({ "trigger_type": "disks.notice" })).await.done();
        let report = ops.shown(&json!({ "id": event["enforcements"][0]["execution_id"] })).await;
        assert_eq!(report["status"], "waiting");
        say(&ops.dana, &report, "approve").await.refused(403, "self_approval");
        say(&ops.lee, &report, "approve").await.done();
        let claimed = ops.claimed(&server).await;
        let claimed = claimed.iter().find(|one| one["action_ref"] == "disks.report").unwrap();
        let action = server.anyone().with_token(text(claimed, "token"));
        let body = json!({ "action_ref": "disks.wipe", "parameters": { "disk": "/dev/sdb" } });
        let child = action.post("/api/executions", &body).await.done();
        assert_eq!((&child["status"], &child["workflow_id"]), (&json!("waiting"), &report["id"]));
        say(&ops.dana, &child, "approve").await.refused(403, "self_approval");
        // Without the rule it is its action's alone, which asks nobody.
        let body = json!({ "action_ref": "disks.report" });
        assert_eq!(ops.dana.post("/api/executions", &body).await.done()["status"], "scheduled");

        // Through the pack: whoever changed what is executed does not say that it may begin.
        let other = WIPE.replace("echo wiped", "echo gone");
        apply(&ops.lee, &other).await.done();
        let begun = ops.start("/dev/sdb").await;
        say(&ops.lee, &begun, "approve").await.refused(403, "self_approval");
        let mine = ops.lee.get("/api/approvals?mine=true&status=pending").await.done();
        assert!(!mine["items"].to_string().contains(text(&begun, "approval_id")), "{mine}");
        say(&ops.kim, &begun, "approve").await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t15_what_was_countersigned_is_executed_and_nothing_else() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = world(&server).await;
        let (before, after) = (ops.start("/dev/sdb").await, ops.start("/dev/sdc").await);
        say(&ops.lee, &after, "approve").await.done();
        let other = WIPE.replace("echo wiped", "echo gone");
        apply(&ops.dana, &other).await.done();
        say(&ops.lee, &before, "approve")
            .await
            .refused(409, "approval_voided");
        assert_eq!(ops.shown(&before).await["status"], "cancelled");
        assert!(
            ops.claimed(&server).await.is_empty(),
            "the other script was not countersigned"
        );
        let ended = ops.shown(&after).await;
        assert_eq!(ended["status"], "failed");
        assert!(
            text(&ended, "reason").contains("since it was countersigned"),
            "{ended}"
        );

        // That nobody countersigns any more is not for one person; that somebody does is.
        let off = other.replace("      requires_approval: true\n", "");
        let waits = apply(&ops.dana, &off).await.done();
        assert!(waits.to_string().contains("approval_id"), "{waits}");
        assert_eq!(ops.start("/dev/sdb").await["status"], "waiting");
        let off = other.replace(", requires_approval: true}", "}");
        let waits = apply(&ops.dana, &off).await.done();
        assert!(waits["changes"][0]["approval_id"].is_string(), "{waits}");
        // A sensor that tells too much tires nobody out.
        for disk in 0..4 {
            ops.start(&format!("/dev/sd{disk}")).await;
        }
        let body = json!({ "action_ref": "disks.wipe", "parameters": { "disk": "/dev/sdz" } });
        ops.dana
            .post("/api/executions", &body)
            .await
            .refused(429, "rate_limited");
        let exported = ops
            .dana
            .get("/api/manifests/export?project=ops")
            .await
            .text();
        assert_eq!(
            exported.matches("requires_approval: true").count(),
            2,
            "{exported}"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rule_could_not_start_is_not_on_record_as_scheduled() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = world(&server).await;
        for disk in 0..5 {
            ops.start(&format!("/dev/sd{disk}")).await;
        }
        let body = json!({
            "name": "webhook:wipe", "scope": "webhook", "project": "ops", "metadata": { "allowed_paths": ["/webhooks/wipe"] },
        });
        let hook = holder(&server, &made(&ops.dana, &body).await);
        let event = hook.post("/api/webhooks/wipe", &json!({ "disk": "/dev/sdz" })).await;
        let fired = event.done()["enforcements"][0].clone();
        assert!(fired["execution_id"].is_null(), "{fired}");
        assert!(text(&fired, "reason").starts_with("5 executions of this action already wait"));
        let path = "/api/evidence?kind=execution_scheduled&limit=50";
        let scheduled = ops.dana.get(path).await.done();
        assert_eq!(scheduled["items"].as_array().unwrap().len(), 5, "{scheduled}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_hears_of_an_execution_when_it_is_countersigned() {
    on_each_database(async |database| {
        let Some(rabbitmq) = RabbitMq::connect().await else {
            return;
        };
        let url = rabbitmq.url().to_owned();
        let server = TestServer::start_with(&database, |config| {
            config.automation.broker = Some(Secret::new(url));
        })
        .await;
        let ops = world(&server).await;
        let project = ops.dana.get("/api/projects/ops").await.done();
        let queue = format!("countersign.executions.{}", text(&project, "id"));
        let waits = ops.start("/dev/sdb").await;
        let told = ops
            .dana
            .post("/api/executions", &json!({ "action_ref": "disks.report" }))
            .await
            .done();
        let holds = |many: u32| {
            let (rabbitmq, queue) = (&rabbitmq, &queue);
            async move {
                eventually("messages", || async {
                    (rabbitmq.waiting(queue).await == Some(many)).then_some(())
                })
                .await;
            }
        };
        holds(1).await;
        let (message, _) = rabbitmq.look(&queue).await;
        assert_eq!(String::from_utf8(message).unwrap(), text(&told, "id"));
        rabbitmq.purge(&queue).await;
        say(&ops.lee, &waits, "approve").await.done();
        holds(1).await;
        let (message, _) = rabbitmq.look(&queue).await;
        assert_eq!(String::from_utf8(message).unwrap(), text(&waits, "id"));
        server.stop().await;
    })
    .await;
}
