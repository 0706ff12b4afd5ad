//! Attacks that want more than was given: more actions (T17), a longer life (T9), another's place (T18, T19).

use std::collections::BTreeSet;

use countersign_model::time::Seconds;
use countersign_testkit::{
    Answer, Caller, ClientSecret, RunForm, TestServer, claims, on_each_database,
};
use serde_json::{Value, json};

use crate::world::{AUDIENCE, pipeline, service};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Actions of their own, which look like `case.read` or hold it.
const OTHERS: [&str; 4] = ["case.read.x", "case.readx", "xcase.read", "case.rea"];

/// What looks like `case.read` or holds it, and is no action.
const NEARLY: [&str; 19] = [
    "*",
    "case.*",
    "case.rea*",
    "case.read.*",
    "case",
    "case.",
    "case.read.",
    ".case.read",
    "case..read",
    "Case.Read",
    "CASE.READ",
    "case.r\u{435}ad",
    "case\u{ff0e}read",
    "case.read\u{200b}",
    "case.read\0",
    "case.read,identity.admin",
    "case.read/../identity.admin",
    "case%2eread",
    "^case",
];

fn actions_of(token: &str) -> BTreeSet<String> {
    let claims = claims(token);
    let actions = claims["actions"].as_array().unwrap();
    actions
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_what_only_looks_like_an_action_is_given_to_nobody() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        for name in OTHERS.iter().chain(&NEARLY).copied() {
            let details = json!([{ "type": "action", "actions": [name] }]).to_string();
            for ask in [("scope", name), ("authorization_details", details.as_str())] {
                let caller = &service.owner;
                let answer = caller.client_token(&service.client, &[ask]).await;
                assert_eq!(answer.status, 400, "{ask:?}: {}", answer.text());
            }
            for list in ["allowed_actions", "denied_actions"] {
                if OTHERS.contains(&name) {
                    continue;
                }
                let body = json!({
                    "kind": "bot", "name": "widener", "project": "release", "purpose": "a test", list: [name],
                });
                let answer = service.owner.post("/api/identities", &body).await;
                assert!(
                    matches!(answer.status, 400 | 403 | 422),
                    "{list} {name:?}: {} {}",
                    answer.status,
                    answer.text()
                );
            }
        }
        let good = service.owner.client_token(&service.client, &[("scope", "case.read")]);
        assert_eq!(actions_of(&good.await.access_token()), set(&["case.read"]));
        // The other way round: who has those has not this.
        let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": OTHERS });
        let near = service.owner.identity("bot", "near", "release", fields).await;
        let near = service.owner.secret(near["id"].as_str().unwrap()).await;
        let answer = service.owner.client_token(&near, &[("scope", "case.read")]).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        let whole = service.owner.client_token(&near, &[]).await.access_token();
        assert_eq!(actions_of(&whole), set(&OTHERS));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_no_combination_of_lists_yields_more_than_each_of_them() {
    const ALL: [&str; 6] = [
        "case.read",
        "case.comment.write",
        "deploy.release",
        "rollout.status.read",
        "artifact.read",
        "feature.flag.set",
    ];
    let choose = |bits: usize| -> Vec<&str> {
        let chosen = ALL.iter().enumerate();
        let chosen = chosen.filter(|(at, _)| bits >> at & 1 == 1);
        chosen.map(|(_, name)| *name).collect()
    };
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = crate::world::project(&server).await;
        let mut granted = 0;
        for round in 0..16_usize {
            // A step that is prime to 64 walks through all sets.
            let (allowed, denied, ceiling) = (
                choose(round * 37 + 45),
                choose(round * 11),
                choose(round * 23 + 63),
            );
            let project = format!("lattice-{round}");
            owner
                .make(
                    "projects",
                    &json!({ "name": project, "allowed_actions": ceiling }),
                )
                .await;
            let fields = json!({
                "audiences": [AUDIENCE], "allowed_actions": allowed, "denied_actions": denied,
            });
            let name = format!("program-{round}");
            let made = owner
                .identity("service_account", &name, &project, fields)
                .await;
            let client = owner.secret(made["id"].as_str().unwrap()).await;
            for asked in [
                None,
                Some(choose(round * 5 + 9)),
                Some(choose(round * 53 + 1)),
            ] {
                let scope = asked.as_ref().map(|asked| asked.join(" "));
                let fields: Vec<(&str, &str)> = scope
                    .iter()
                    .filter(|scope| !scope.is_empty())
                    .map(|scope| ("scope", scope.as_str()))
                    .collect();
                let answer = owner.client_token(&client, &fields).await;
                if answer.status != 200 {
                    assert!(
                        matches!(answer.status, 400 | 403),
                        "{}: {}",
                        answer.status,
                        answer.text()
                    );
                    continue;
                }
                let got = actions_of(&answer.access_token());
                let what = format!("{got:?} of {allowed:?} - {denied:?} in {ceiling:?}, {asked:?}");
                assert!(got.is_subset(&set(&allowed)), "{what}");
                assert!(got.is_disjoint(&set(&denied)), "{what}");
                assert!(got.is_subset(&set(&ceiling)), "{what}");
                if let Some(asked) = asked.filter(|asked| !asked.is_empty()) {
                    assert!(got.is_subset(&set(&asked)), "{what}");
                }
                granted += usize::from(!got.is_empty());
            }
        }
        assert!(granted >= 8, "{granted} tokens carried anything");
        server.stop().await;
    })
    .await;
}

/// Every way in which a token could be presented to get another one for it.
async fn every_renewal(caller: &Caller, client: &ClientSecret, token: &str) -> Vec<Answer> {
    let named = ("client_id", client.client_id.as_str());
    let secret = ("client_secret", client.client_secret.as_str());
    let forms: [&[(&str, &str)]; 6] = [
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            named,
            secret,
        ],
        &[
            ("grant_type", JWT_BEARER),
            ("assertion", token),
            named,
            secret,
        ],
        &[
            ("grant_type", EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", JWT),
            named,
            secret,
        ],
        &[
            ("grant_type", EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
            named,
            secret,
        ],
        &[
            ("grant_type", EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", JWT),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:refresh_token",
            ),
            named,
            secret,
        ],
        &[
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", token),
            named,
        ],
    ];
    let mut answers = Vec::new();
    for form in forms {
        answers.push(caller.form("/oauth2/token", form, &[]).await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t09_no_token_begets_another_and_none_outlives_its_identity() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let token = service.token().await;
        for answer in every_renewal(&service.owner, &service.client, &token).await {
            assert!(matches!(answer.status, 400 | 401), "{}", answer.text());
            assert!(answer.json()["access_token"].is_null());
        }
        for refreshable in [&token, service.owner.token()] {
            let answer = service.owner.anonymous().with_token(refreshable);
            let answer = answer.post("/api/sessions/current", &json!({})).await;
            assert!((400..500).contains(&answer.status), "{}", answer.text());
        }
        // A year, a token every month: the identity's end is the end of each, and then there are no more.
        let ends = server.clock().now() + Seconds::days(365);
        let fields = json!({ "audiences": [AUDIENCE], "expires_at": countersign_api::time::Time::from(ends) });
        let made = service.owner.identity("service_account", "mortal", "release", fields).await;
        let client = service.owner.secret(made["id"].as_str().unwrap()).await;
        let mut issued = 0;
        for _ in 0..14 {
            let answer = service.owner.anonymous().client_token(&client, &[]).await;
            if answer.status == 200 {
                let exp = claims(&answer.access_token())["exp"].as_i64().unwrap();
                assert!(exp <= ends.seconds(), "{exp} > {}", ends.seconds());
                assert!(server.clock().now() < ends);
                issued += 1;
            } else {
                assert!(server.clock().now() >= ends, "{}", answer.text());
            }
            server.clock().advance(Seconds::days(30));
        }
        assert_eq!(issued, 13);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t09_the_last_second_of_an_identity_gives_a_token_of_a_second() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = crate::world::project(&server).await;
        let ends = server.clock().now() + Seconds::days(1);
        let fields = json!({ "audiences": [AUDIENCE], "expires_at": countersign_api::time::Time::from(ends) });
        let made = owner.identity("service_account", "brief", "release", fields).await;
        let client = owner.secret(made["id"].as_str().unwrap()).await;
        server.clock().advance(Seconds(Seconds::days(1).0 - 1));
        let last = owner.anonymous().client_token(&client, &[]).await;
        assert_eq!(claims(&last.access_token())["exp"], ends.seconds());
        server.clock().advance(Seconds(1));
        let after = owner.anonymous().client_token(&client, &[]).await;
        assert!(matches!(after.status, 400 | 401), "{}", after.text());
        server.stop().await;
    })
    .await;
}

/// Asks to act for a subject with an actor's token beside its own.
async fn acting(caller: &Caller, identity: &str, subject: &str, actor: &str) -> Answer {
    let form = [
        ("grant_type", EXCHANGE),
        ("client_id", identity),
        ("subject_token", subject),
        ("subject_token_type", JWT),
        ("actor_token", actor),
        ("actor_token_type", ACCESS_TOKEN),
    ];
    caller.form("/oauth2/token", &form, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t18_a_chain_is_not_spliced_from_two() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read"] });
        let other = pipeline
            .owner
            .identity("bot", "triage", "release", fields)
            .await;
        let secret = pipeline.owner.secret(other["id"].as_str().unwrap()).await;
        let actor = pipeline
            .owner
            .client_token(&secret, &[])
            .await
            .access_token();
        let run = pipeline.run(&server, |claims| claims);
        let anyone = server.anyone();
        acting(&anyone, pipeline.id(), &run, &actor)
            .await
            .refused(400, "invalid_request");
        acting(&anyone, "triage", &actor, &run)
            .await
            .refused(400, "invalid_request");
        // It was not used up: alone it is what it was, and nobody acts for anybody in what it yields.
        let own = anyone
            .run_token(RunForm::TokenExchange, pipeline.id(), &run, &[])
            .await;
        let own = claims(&own.access_token());
        for absent in ["act", "principal_id", "may_act", "task_id"] {
            assert_eq!(own[absent], Value::Null, "{absent}");
        }
        assert_eq!(own["actions"], json!(["rollout.status.read"]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t19_nobody_takes_the_place_of_another_with_its_token() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let victims = [
            ("a person", service.owner.token().to_owned()),
            ("a program", service.token().await),
        ];
        let anyone = server.anyone();
        let own = service.owner.client_token(&service.target, &[]).await;
        let own = own.json()["access_token"].as_str().map(str::to_owned);
        for (who, token) in &victims {
            for answer in every_renewal(&anyone, &service.target, token).await {
                assert!(
                    matches!(answer.status, 400 | 401),
                    "{who}: {} {}",
                    answer.status,
                    answer.text()
                );
                assert!(answer.json()["access_token"].is_null(), "{who}");
            }
            let actor = own.as_deref().unwrap_or(token);
            let answer = acting(&anyone, &service.target.client_id, token, actor).await;
            answer.refused(400, "invalid_request");
        }
        server.stop().await;
    })
    .await;
}
