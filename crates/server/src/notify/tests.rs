//! Notifications against a receiver of the test's own.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::HeaderMap,
    routing::{MethodRouter, post},
};
use countersign_crypto::Secret;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{SmtpConfig, WebhookConfig},
    federation::AddressPolicy,
};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Taken>>>);

/// What the receiver took: headers and body.
struct Taken(HeaderMap, Vec<u8>);

async fn receiver(status: u16) -> (String, Seen) {
    let seen = Seen::default();
    let take = async move |State(seen): State<Seen>, headers: HeaderMap, body: Bytes| {
        seen.0.lock().unwrap().push(Taken(headers, body.to_vec()));
        http::StatusCode::from_u16(status).unwrap()
    };
    (serve(post(take).with_state(seen.clone())).await, seen)
}

/// Serves this at the URL that it returns.
async fn serve(hook: MethodRouter) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", hook);
    let server = axum_server::from_tcp(listener.into_std().unwrap()).unwrap();
    tokio::spawn(server.serve(router.into_make_service()));
    url
}

fn notifier(webhooks: Vec<(String, WebhookForm)>) -> Notifier {
    let webhooks = webhooks
        .into_iter()
        .map(|(url, form)| WebhookConfig {
            url: Secret::new(url),
            secret: Some(Secret::new(SECRET.to_owned())),
            form,
            name: None,
            tenants: Vec::new(),
        })
        .collect();
    Notifier::new(
        &NotifyConfig {
            webhooks,
            ..NotifyConfig::default()
        },
        &Outbound::new(AddressPolicy::new(true, vec![])),
    )
    .unwrap()
}

fn notification() -> Notification {
    let body = json!({
        "type": "approval.opened",
        "timestamp": "2026-11-22T09:00:00Z",
        "data": {"summary": "deploy <!channel> & more", "approval_id": "7", "reason": "a\nb"},
    });
    Notification {
        id: "msg-1".into(),
        body: body.to_string(),
        tenant: "acme".into(),
        issuer: "https://id.example.com/t/acme".into(),
    }
}

#[tokio::test]
async fn the_standard_form_is_signed_over_what_was_sent() {
    let (url, seen) = receiver(204).await;
    let now = Timestamp::from_seconds(1_800_000_001);
    let delivery = notifier(vec![(url, WebhookForm::Standard)])
        .deliver(
            &Address::Everybody,
            &notification(),
            0,
            now,
            &Metrics::new(),
        )
        .await;
    assert_eq!(delivery, Delivery::Delivered);
    let Taken(headers, body) = seen.0.lock().unwrap().pop().unwrap();
    assert_eq!(headers["webhook-id"], "msg-1");
    assert_eq!(headers["webhook-timestamp"], "1800000001");
    let expected = WebhookSecret::parse(SECRET)
        .unwrap()
        .sign("msg-1", now, &body);
    assert_eq!(headers["webhook-signature"], expected.as_str());
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["type"], "approval.opened");
    assert_eq!(body["data"]["approval_id"], "7");
}

#[tokio::test]
async fn a_name_does_not_become_slack_markup() {
    let (url, seen) = receiver(200).await;
    let now = Timestamp::from_seconds(1_800_000_001);
    notifier(vec![(url, WebhookForm::Slack)])
        .deliver(
            &Address::Everybody,
            &notification(),
            0,
            now,
            &Metrics::new(),
        )
        .await;
    let Taken(_, body) = seen.0.lock().unwrap().pop().unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let text = "*Waits for a countersignature*: deploy &lt;!channel&gt; &amp; more (`7`)\n> a b";
    assert_eq!(body["text"], text);
}

#[tokio::test]
async fn an_orphan_is_told_in_words_without_an_approval() {
    let (url, seen) = receiver(200).await;
    let now = Timestamp::from_seconds(1_800_000_001);
    let orphaned = json!({
        "type": "identity.orphaned",
        "timestamp": now.to_string(),
        "data": { "summary": "triage: who answered for it left" },
    });
    let told = Notification {
        body: orphaned.to_string(),
        ..notification()
    };
    notifier(vec![(url, WebhookForm::Slack)])
        .deliver(&Address::Everybody, &told, 0, now, &Metrics::new())
        .await;
    let Taken(_, body) = seen.0.lock().unwrap().pop().unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let text = "*Nobody answers any more*: triage: who answered for it left";
    assert_eq!(body["text"], text);
}

#[tokio::test]
async fn a_retry_reaches_only_those_who_do_not_know_yet() {
    let (good, seen) = receiver(200).await;
    let (bad, tried) = receiver(500).await;
    let notifier = notifier(vec![
        (good, WebhookForm::Standard),
        (bad, WebhookForm::Standard),
    ]);
    let now = Timestamp::from_seconds(1_800_000_001);
    let metrics = Metrics::new();
    assert_eq!(
        notifier
            .deliver(&Address::Everybody, &notification(), 0, now, &metrics)
            .await,
        Delivery::Retry(now + Seconds(5))
    );
    assert_eq!(
        notifier
            .deliver(&Address::Everybody, &notification(), 1, now, &metrics)
            .await,
        Delivery::Retry(now + Seconds(30))
    );
    assert_eq!(seen.0.lock().unwrap().len(), 1);
    assert_eq!(tried.0.lock().unwrap().len(), 2);
    assert_eq!(
        notifier
            .deliver(&Address::Everybody, &notification(), 9, now, &metrics)
            .await,
        Delivery::GivenUp
    );
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other() {
    // Each answers once both were asked: where one is asked after the other, the first never answers.
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let mut webhooks = Vec::new();
    for _ in 0..2 {
        let both = Arc::clone(&both);
        let take = async move || {
            both.wait().await;
            http::StatusCode::NO_CONTENT
        };
        webhooks.push((serve(post(take)).await, WebhookForm::Standard));
    }
    let now = Timestamp::from_seconds(1_800_000_001);
    let delivery = notifier(webhooks)
        .deliver(
            &Address::Everybody,
            &notification(),
            0,
            now,
            &Metrics::new(),
        )
        .await;
    assert_eq!(delivery, Delivery::Delivered);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_asked_again_and_takes_it_from_nobody() {
    let now = Timestamp::from_seconds(1_800_000_001);
    let metrics = Metrics::new();
    let (gone, asked) = receiver(410).await;
    let alone = notifier(vec![(gone.clone(), WebhookForm::Standard)]);
    let told = alone
        .deliver(&Address::Everybody, &notification(), 0, now, &metrics)
        .await;
    assert_eq!(told, Delivery::GivenUp);
    assert_eq!(asked.0.lock().unwrap().len(), 1);
    // Beside one that is slow and one that takes it: the message is not lost.
    let (good, _) = receiver(200).await;
    let answers = Arc::new(Mutex::new(vec![200, 503]));
    let later = Arc::clone(&answers);
    let slow = async move || {
        let code = later.lock().unwrap().pop().unwrap();
        http::StatusCode::from_u16(code).unwrap()
    };
    let slow = serve(post(slow)).await;
    let all = [gone, good, slow].map(|url| (url, WebhookForm::Standard));
    let notifier = notifier(all.into());
    for (attempts, expected) in [
        (0, Delivery::Retry(now + Seconds(5))),
        (1, Delivery::Delivered),
    ] {
        let told = notifier
            .deliver(
                &Address::Everybody,
                &notification(),
                attempts,
                now,
                &metrics,
            )
            .await;
        assert_eq!(told, expected);
    }
    assert_eq!(asked.0.lock().unwrap().len(), 2, "once for each message");
    assert!(answers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_goes_nowhere_is_tried_again_and_given_up_in_the_end() {
    let now = Timestamp::from_seconds(1_800_000_001);
    let metrics = Metrics::new();
    let notifier = notifier(vec![]);
    let somebody = Address::Mail("lee@example.com".parse().unwrap());
    for to in [
        Address::Everybody,
        Address::Named("ops".to_owned()),
        somebody,
    ] {
        for (attempts, expected) in [
            (0, Delivery::Retry(now + Seconds(5))),
            (9, Delivery::GivenUp),
        ] {
            let told = notifier
                .deliver(&to, &notification(), attempts, now, &metrics)
                .await;
            assert_eq!(told, expected, "{to:?}");
        }
    }
    let told = notifier
        .deliver(&Address::Nobody, &notification(), 0, now, &metrics)
        .await;
    assert_eq!(told, Delivery::Delivered, "who left is told nothing more");
}

#[test]
fn t23_a_webhook_is_not_sent_to_where_the_server_may_not_connect() {
    let strict = Outbound::new(AddressPolicy::new(false, vec![]));
    for url in [
        "https://169.254.169.254/latest",
        "http://example.com/",
        "https://[::ffff:7f00:1]/",
        "https://user@example.com/",
    ] {
        let webhook = WebhookConfig {
            url: Secret::new(url.to_owned()),
            secret: None,
            form: WebhookForm::Slack,
            name: None,
            tenants: Vec::new(),
        };
        let error = Notifier::new(
            &NotifyConfig {
                webhooks: vec![webhook],
                ..NotifyConfig::default()
            },
            &strict,
        )
        .err();
        assert_eq!(error, Some(NotifyError::Url), "{url}");
    }
}

#[tokio::test]
async fn a_cloud_event_is_signed_and_has_the_same_id_on_every_try() {
    let (url, seen) = receiver(200).await;
    let now = Timestamp::from_seconds(1_800_000_001);
    notifier(vec![(url, WebhookForm::CloudEvents)])
        .deliver(
            &Address::Everybody,
            &notification(),
            0,
            now,
            &Metrics::new(),
        )
        .await;
    let Taken(headers, body) = seen.0.lock().unwrap().pop().unwrap();
    let expected = WebhookSecret::parse(SECRET)
        .unwrap()
        .sign("msg-1", now, &body);
    assert_eq!(headers["webhook-signature"], expected.as_str());
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["specversion"], "1.0");
    assert_eq!(body["type"], "countersign.approval.opened");
    assert_eq!(body["id"], "msg-1");
    assert_eq!(body["source"], "https://id.example.com/t/acme");
    assert_eq!(body["time"], "2026-11-22T09:00:00Z");
    assert_eq!(body["data"]["approval_id"], "7");
}

#[test]
fn t29_nobodys_text_becomes_a_header_or_another_line_of_an_email() {
    let smtp = SmtpConfig {
        url: Some(Secret::new("smtps://mail.example.com".to_owned())),
        from: "Countersign <countersign@example.com>".to_owned(),
        ca_file: None,
    };
    let mailer = email::Mailer::new(&smtp).unwrap();
    let body = json!({
        "type": "approval.opened",
        "data": {
            "approval_id": "7", "summary": "deploy\r\nBcc: eve@example.com\r\n\r\n\u{202e}x",
            "reason": "a\r\n.\r\nMAIL FROM:<eve@example.com>",
        },
    });
    let mail = form::told(&body.to_string()).mail("https://id.example.com/t/acme");
    let to = "lee@example.com".parse().unwrap();
    let now = Timestamp::from_seconds(1_800_000_001);
    let message = mailer.message(&to, "7", mail, now).unwrap();
    assert_eq!(message.envelope().to().len(), 1);
    let text = String::from_utf8(message.formatted()).unwrap();
    assert!(text.contains("Subject: [Countersign] Waits for a countersignature: deploy"));
    for line in text.lines() {
        assert!(
            !line.starts_with("Bcc:") && !line.starts_with("MAIL") && line != ".",
            "{text}"
        );
    }
    assert!(
        text.contains("https://id.example.com/t/acme/#/approvals/7"),
        "{text}"
    );
}

#[test]
fn t29_nobodys_text_becomes_a_link_of_an_email() {
    let body = json!({
        "type": "approval.opened",
        "data": {
            "approval_id": "7", "summary": "https://evil.example/\u{130}WWW.evil.example",
            "reason": "See HTTPS://countersign-login.evil.example/approve and www.evil.example first, wwwww.x",
        },
    });
    let text = form::told(&body.to_string())
        .mail("https://id.example.com")
        .text;
    let expected = "Waits for a countersignature: https[:]//evil.example/\u{130}WWW[.]evil.example\r\n\r\n\
        > See HTTPS[:]//countersign-login.evil.example/approve and www[.]evil.example first, wwwww[.]x\r\n\r\n\
        https://id.example.com/#/approvals/7\r\n";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn t30_no_message_of_one_tenant_goes_to_the_webhook_of_another() {
    let (url, seen) = receiver(204).await;
    let webhook = |name: Option<&str>| WebhookConfig {
        url: Secret::new(url.clone()),
        secret: Some(Secret::new(SECRET.to_owned())),
        form: WebhookForm::Standard,
        name: name.map(|name| name.parse().unwrap()),
        tenants: vec!["other".parse().unwrap()],
    };
    let config = NotifyConfig {
        webhooks: vec![webhook(Some("ops")), webhook(None)],
        ..NotifyConfig::default()
    };
    let outbound = Outbound::new(AddressPolicy::new(true, vec![]));
    let notifier = Notifier::new(&config, &outbound).unwrap();
    let its = |tenant: &str| {
        (
            notifier.reach(tenant).everybody,
            notifier.reach(tenant).named.len(),
        )
    };
    assert_eq!((its("acme"), its("other")), ((false, 0), (true, 1)));
    let (now, metrics) = (Timestamp::from_seconds(1_800_000_001), Metrics::new());
    for (tenant, count) in [("acme", 0), ("other", 2)] {
        let told = Notification {
            tenant: tenant.to_owned(),
            ..notification()
        };
        for to in [Address::Everybody, Address::Named("ops".to_owned())] {
            notifier.deliver(&to, &told, 0, now, &metrics).await;
        }
        assert_eq!(seen.0.lock().unwrap().len(), count, "{tenant}");
    }
}

#[test]
fn a_relay_that_cannot_be_used_is_said_without_its_password() {
    for (url, from, expected) in [
        (
            "http://mail.example.com",
            "a@example.com",
            NotifyError::Smtp,
        ),
        (
            "smtp://user@mail.example.com",
            "a@example.com",
            NotifyError::Smtp,
        ),
        (
            "smtp://u:a%0d%0ab@mail.example.com",
            "a@example.com",
            NotifyError::Smtp,
        ),
        ("smtps://", "a@example.com", NotifyError::Smtp),
        (
            "smtps://u:hunter2@mail.example.com",
            "nobody",
            NotifyError::From,
        ),
        (
            "smtps://u:hunter2@mail.example.com",
            "a@example.com\r\nBcc: b@example.com",
            NotifyError::From,
        ),
    ] {
        let smtp = SmtpConfig {
            url: Some(Secret::new(url.to_owned())),
            from: from.to_owned(),
            ca_file: None,
        };
        let error = email::Mailer::new(&smtp).err();
        assert_eq!(error, Some(expected), "{url} {from}");
        assert!(!expected.to_string().contains("hunter2"));
    }
    for (host, own) in [
        ("127.0.0.1", true),
        ("::1", true),
        ("localhost", true),
        ("10.0.0.1", false),
        ("localhost.example.com", false),
    ] {
        assert_eq!(email::is_loopback(host), own, "{host}");
    }
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
