//! Webhooks that are signed, beside the token in their header.

use countersign_crypto::{digest::hmac_sha256, webhook::WebhookSecret};
use countersign_model::time::Seconds;
use countersign_testkit::{Answer, Caller, TestServer, on_each_database};
use http::Method;
use serde_json::{Value, json};

use crate::{
    automation_world::{Automation, apply, automation},
    keys::put,
    long_lived_tokens::{holder, made, text},
};

/// A pack that is called at a signed path in each form, and at one without.
const PACK: &str = "
pack:
  name: releases
  project: ops
  actions: [{name: announce, command: ['true'], timeout_seconds: 60}]
  rules:
    - {name: signed, trigger: core.webhook, with: {path: signed}, action: releases.announce}
    - {name: pushed, trigger: core.webhook, with: {path: pushed}, action: releases.announce}
  webhooks:
    - {path: signed, signature: {key: releases.signing}}
    - {path: pushed, signature: {key: releases.pushing, form: hub}}
    - {path: plain}
";

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &str = r#"{"test":2432232314}"#;

struct World {
    ops: Automation,
    hook: Caller,
}

impl World {
    async fn new(server: &TestServer) -> Self {
        let ops = automation(server).await;
        apply(&ops.owner, PACK).await.done();
        let hook = json!({
            "name": "webhook:releases", "scope": "webhook", "project": "ops",
            "metadata": { "allowed_paths": ["/webhooks/signed", "/webhooks/pushed", "/webhooks/plain"] },
        });
        let hook = holder(server, &made(&ops.owner, &hook).await);
        Self { ops, hook }
    }

    async fn key(&self, name: &str, value: &str) {
        let body = json!({ "project": "ops", "value": value });
        put(&self.ops.owner, name, &body).await.done();
    }

    async fn call(&self, path: &str, headers: &[(&str, String)]) -> Answer {
        let path = format!("/api/webhooks/{path}");
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let body: Value = serde_json::from_str(BODY).unwrap();
        self.hook
            .send(Method::POST, &path, Some(&body), &headers)
            .await
    }

    async fn refused(&self, path: &str, headers: &[(&str, String)], said: &str) {
        let answer = self.call(path, headers).await;
        let problem = answer.refused(403, "signature_invalid");
        assert!(text(&problem, "detail").contains(said), "{problem}");
    }
}

/// The headers of a message, signed with these secrets, so many seconds from now.
fn headers(
    server: &TestServer,
    secrets: &[&str],
    id: &str,
    ahead: i64,
) -> Vec<(&'static str, String)> {
    let at = server.clock().now() + Seconds(ahead);
    let signatures = secrets.iter().map(|secret| {
        let secret = WebhookSecret::parse(secret).unwrap();
        secret.sign(id, at, BODY.as_bytes())
    });
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.seconds().to_string()),
        (
            "webhook-signature",
            signatures.collect::<Vec<_>>().join(" "),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_a_webhook_that_asks_for_a_signature_takes_nothing_else() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let world = World::new(&server).await;
        let good = |id: &str| headers(&server, &[OLD], id, 0);
        // As long as the key is not set, nothing is let in.
        world
            .refused(
                "signed",
                &good("msg_0"),
                "there is no key `releases.signing`",
            )
            .await;
        world.key("releases.signing", OLD).await;
        world
            .refused("signed", &[], "takes signed messages alone")
            .await;
        world
            .refused("signed", &good("msg_1")[..2], "takes signed messages alone")
            .await;
        world
            .refused(
                "signed",
                &headers(&server, &[NEW], "msg_1", 0),
                "another secret",
            )
            .await;
        let mut renamed = good("msg_1");
        renamed[0].1 = "msg_2".to_owned();
        world.refused("signed", &renamed, "another secret").await;
        world.refused("signed", &good("msg.1"), "full stop").await;
        let mut never = good("msg_1");
        never[1].1 = "soon".to_owned();
        world.refused("signed", &never, "no time").await;
        for ahead in [-301, 301] {
            let headers = headers(&server, &[OLD], "msg_1", ahead);
            world.refused("signed", &headers, "five minutes").await;
        }
        let mut twice = good("msg_1");
        twice.push(("webhook-id", "msg_2".to_owned()));
        world
            .call("signed", &twice)
            .await
            .refused(400, "bad_request");
        assert!(world.ops.claim().await.is_empty(), "nothing began");
        // Each refusal is on record, and none with the secret.
        let found = world
            .ops
            .owner
            .get("/api/evidence?limit=50&kind=refused")
            .await;
        let found = found.done();
        let refused = found["items"].as_array().unwrap().iter();
        let mine = "event create refused to webhook:releases";
        let refused = refused.filter(|record| text(record, "summary").starts_with(mine));
        assert_eq!(refused.count(), 9, "{found}");
        assert!(!found.to_string().contains("MfKQ9r8G"), "{found}");

        for (id, ahead) in [("msg_3", 0), ("msg_4", -300), ("msg_5", 300)] {
            let headers = headers(&server, &[OLD], id, ahead);
            assert_eq!(world.call("signed", &headers).await.status, 201, "{ahead}");
        }
        assert_eq!(world.ops.claim().await.len(), 3);
        // Where no signature is asked for, the token is enough.
        assert_eq!(world.call("plain", &[]).await.status, 201);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_message_counts_once_and_its_secret_is_changed_without_a_gap() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let world = World::new(&server).await;
        world.key("releases.signing", OLD).await;
        let first = world
            .call("signed", &headers(&server, &[OLD], "msg_1", 0))
            .await;
        assert_eq!(first.status, 201);
        let event = first.done();
        // Signed anew a minute later, as senders do, it is the same message.
        server.clock().advance(Seconds(60));
        let again = world
            .call("signed", &headers(&server, &[OLD], "msg_1", 0))
            .await;
        assert_eq!((again.status, &again.done()["id"]), (200, &event["id"]));
        // The same message to another path is another.
        world
            .key("releases.pushing", "It's a Secret to Everybody")
            .await;

        // Both secrets, then the new one alone; the sender signs with one or both.
        world
            .key("releases.signing", &format!("{OLD}\n{NEW}\n"))
            .await;
        for (id, secrets) in [
            ("msg_2", &[OLD][..]),
            ("msg_3", &[NEW]),
            ("msg_4", &[NEW, OLD]),
        ] {
            let headers = headers(&server, secrets, id, 0);
            assert_eq!(world.call("signed", &headers).await.status, 201, "{id}");
        }
        world.key("releases.signing", NEW).await;
        world
            .refused(
                "signed",
                &headers(&server, &[OLD], "msg_5", 0),
                "another secret",
            )
            .await;
        let last = headers(&server, &[OLD, NEW], "msg_6", 0);
        assert_eq!(world.call("signed", &last).await.status, 201);
        assert_eq!(world.ops.claim().await.len(), 5);
        // With which key and version stands in the evidence of the event.
        let found = world
            .ops
            .owner
            .get("/api/evidence?kind=event_created")
            .await;
        let newest: Value = found.done()["items"][0].clone();
        let record = format!("/api/evidence/{}", text(&newest, "id"));
        let record = world.ops.owner.get(&record).await.done();
        let body = record.to_string();
        assert!(body.contains("releases.signing"), "{body}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_signed_over_its_body_alone_and_recognised_by_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let world = World::new(&server).await;
        let secret = "It's a Secret to Everybody";
        world.key("releases.pushing", secret).await;
        let sign = |secret: &str| {
            let tag = hmac_sha256(secret.as_bytes(), BODY.as_bytes());
            (
                "x-hub-signature-256",
                format!("sha256={}", hex::encode(tag)),
            )
        };
        world.refused("pushed", &[], "X-Hub-Signature-256").await;
        world
            .refused("pushed", &[sign("another secret of it")], "another secret")
            .await;
        let first = world.call("pushed", &[sign(secret)]).await;
        assert_eq!(first.status, 201);
        // What is not signed does not make it another message.
        let named = [sign(secret), ("webhook-id", "msg_other".to_owned())];
        let again = world.call("pushed", &named).await;
        assert_eq!(
            (again.status, &again.done()["id"]),
            (200, &first.done()["id"])
        );
        // A value that is no secret lets nothing in.
        world.key("releases.pushing", "short").await;
        world
            .refused("pushed", &[sign("short")], "holds no secret")
            .await;
        assert_eq!(world.ops.claim().await.len(), 1);
        // The pack says by which key, and is exported so.
        let pack = world.ops.owner.get("/api/packs/releases").await.done();
        let hooks = json!([
            { "path": "signed", "signature_key": "releases.signing", "signature_form": "standard" },
            { "path": "pushed", "signature_key": "releases.pushing", "signature_form": "hub" },
            { "path": "plain" },
        ]);
        assert_eq!(pack["webhooks"], hooks);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_a_signed_message_counts_once_whoever_sends_it_and_no_rule_hears_of_every_path() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let world = World::new(&server).await;
        world.key("releases.signing", OLD).await;
        let message = headers(&server, &[OLD], "msg_1", 0);
        let first = world.call("signed", &message).await;
        assert_eq!(first.status, 201, "{}", first.text());
        let other = json!({
            "name": "webhook:other", "scope": "webhook", "project": "ops",
            "metadata": { "allowed_paths": ["/webhooks/signed"] },
        });
        let hook = holder(&server, &made(&world.ops.owner, &other).await);
        let world = World { hook, ..world };
        let again = world.call("signed", &message).await;
        assert_eq!(again.status, 200, "{}", again.text());
        assert_eq!(again.json()["id"], first.json()["id"]);
        for with in ["{}", "{path: 7}"] {
            let loose = PACK.replace("{path: pushed}, action", &format!("{with}, action"));
            let told = apply(&world.ops.owner, &loose).await;
            assert_eq!(told.status, 422, "{}", told.text());
            assert!(told.text().contains("at which path"), "{}", told.text());
        }
        server.stop().await;
    })
    .await;
}
