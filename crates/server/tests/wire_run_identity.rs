//! Run identities: three wire forms, five platforms, and the choice of the environment.

use countersign_testkit::{
    Answer, Claims, FixtureIssuer, RunForm, TestServer, Trust, claims, github_match, new_jti,
    on_each_database,
};
use serde_json::{Value, json};

use crate::world::{AUDIENCE, Pipeline, pipeline};

pub async fn present(server: &TestServer, identity: &str, token: &str) -> Answer {
    server
        .anyone()
        .run_token(RunForm::JwtBearer, identity, token, &[])
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trust_rule_is_not_rotated_and_the_answer_says_what_to_do() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let path = format!("/api/identities/{}/credentials", pipeline.id());
        let rules = pipeline.owner.get(&path).await.done();
        let rule = rules["items"][0]["id"].as_str().unwrap();
        let rotate = format!("/api/credentials/{rule}/rotate");
        let no = pipeline.owner.post(&rotate, &json!({})).await;
        let no = no.refused(422, "unprocessable");
        let why = no["detail"].as_str().unwrap();
        assert!(why.contains("make another and revoke this one"), "{no}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_comes_in_by_three_wire_forms_and_gets_the_same_token() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let mut answers = Vec::new();
        for form in RunForm::ALL {
            for name in [
                pipeline.id(),
                "release-promoter-prod",
                pipeline.identity["client_id"].as_str().unwrap(),
            ] {
                let run = pipeline.run(&server, |claims| claims);
                let answer = server.anyone().run_token(form, name, &run, &[]).await;
                let mut claims = claims(&answer.access_token());
                assert_eq!(answer.json()["expires_in"], 600);
                let exchanged = answer.json()["issued_token_type"]
                    == "urn:ietf:params:oauth:token-type:access_token";
                assert_eq!(exchanged, form == RunForm::TokenExchange);
                for unique in ["jti", "txn"] {
                    claims.as_object_mut().unwrap().remove(unique).unwrap();
                }
                answers.push(claims);
            }
        }
        assert!(
            answers.windows(2).all(|pair| pair[0] == pair[1]),
            "{answers:#?}"
        );
        let claims = &answers[0];
        assert_eq!(claims["sub"], "pipeline://release/release-promoter-prod");
        assert_eq!(
            (claims["aud"].as_str(), claims["environment"].as_str()),
            (Some(AUDIENCE), Some("production"))
        );
        assert_eq!(
            claims["actions"],
            json!(["rollout.status.read"]),
            "what needs a person is not in it"
        );
        assert_eq!(
            (
                claims["run"]["provider"].as_str(),
                claims["run"]["assurance"].as_str()
            ),
            (Some("github"), Some("verified"))
        );
        assert_eq!(
            (
                claims["run"]["id"].as_str(),
                claims["run"]["attempt"].as_str()
            ),
            (Some("9876543210"), Some("1"))
        );
        assert!(!claims["issuer_id"].is_null() && !claims["credential_id"].is_null());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_github_run_counts_once_and_in_both_subject_forms() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let run = pipeline.run(&server, |claims| claims);
        present(&server, pipeline.id(), &run).await.access_token();
        for form in RunForm::ALL {
            server
                .anyone()
                .run_token(form, pipeline.id(), &run, &[])
                .await
                .refused(400, "invalid_grant");
        }
        let classic =
            |claims: Claims| claims.with("sub", "repo:octo-org/octo-repo:environment:production");
        present(&server, pipeline.id(), &pipeline.run(&server, classic))
            .await
            .access_token();
        // A run without an id counts once too, by what was signed.
        let unnamed = pipeline.run(&server, |claims| claims.without("jti"));
        present(&server, pipeline.id(), &unnamed)
            .await
            .access_token();
        present(&server, pipeline.id(), &unnamed)
            .await
            .refused(400, "invalid_grant");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_trusted_run_hears_one_sentence_and_nothing_else() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let mut answers: Vec<(String, Answer)> = Vec::new();
        let issuer = server.issuer().to_owned();
        let long = "x".repeat(300);
        let edits: Vec<(&str, Value)> = vec![
            ("repository_id", json!("4567891")),
            ("repository_id", json!("45678")),
            ("repository_id", json!(456_789)),
            ("repository_owner_id", json!("999")),
            ("ref", json!("refs/heads/mainx")),
            ("ref", json!("refs/heads/Main")),
            ("environment", json!("staging")),
            ("event_name", json!("pull_request_target")),
            ("event_name", json!("workflow_run")),
            ("event_name", json!("issue_comment")),
            (
                "sub",
                json!("repo:octo-org@123456/octo-repo@999:environment:production"),
            ),
            ("aud", json!("https://github.com/octo-org")),
            ("aud", json!([issuer.as_str(), "https://other.example.com"])),
            ("aud", json!(format!("{issuer}/"))),
            ("aud", json!(issuer.to_uppercase())),
            ("aud", json!(long)),
            (
                "iss",
                json!("https://token.actions.githubusercontent.com.evil.tld"),
            ),
            ("iss", json!(format!("{}/", pipeline.issuer.url()))),
            ("iat", json!(server.clock().now().seconds() + 61)),
            ("exp", json!(server.clock().now().seconds() - 61)),
            ("exp", json!(server.clock().now().seconds() + 86_400)),
            ("exp", json!("1e400")),
        ];
        for (name, value) in edits {
            let run = pipeline.run(&server, |claims| claims.with(name, value.clone()));
            answers.push((
                format!("{name}={value}"),
                present(&server, pipeline.id(), &run).await,
            ));
        }
        for name in [
            "repository_id",
            "repository_owner_id",
            "ref",
            "environment",
            "event_name",
            "aud",
            "exp",
            "iss",
            "run_id",
            "run_attempt",
        ] {
            let run = pipeline.run(&server, |claims| claims.without(name));
            answers.push((
                format!("without {name}"),
                present(&server, pipeline.id(), &run).await,
            ));
        }
        let stranger = FixtureIssuer::start().await.unwrap();
        let claims = stranger
            .github(server.clock().now(), server.issuer())
            .with("iss", pipeline.issuer.url())
            .with("jti", new_jti());
        answers.push((
            "another key".to_owned(),
            present(&server, pipeline.id(), &stranger.mint(&claims).unwrap()).await,
        ));
        let unregistered = stranger
            .github(server.clock().now(), server.issuer())
            .with("jti", new_jti());
        answers.push((
            "another issuer".to_owned(),
            present(
                &server,
                pipeline.id(),
                &stranger.mint(&unregistered).unwrap(),
            )
            .await,
        ));
        let wrong_type = pipeline.issuer.mint_as(
            countersign_crypto::SigningAlg::Rs256,
            "at+jwt",
            &pipeline
                .issuer
                .github(server.clock().now(), server.issuer()),
        );
        answers.push((
            "at+jwt".to_owned(),
            present(&server, pipeline.id(), &wrong_type.unwrap()).await,
        ));
        let first = answers[0].1.text();
        for (what, answer) in &answers {
            assert_eq!(
                (answer.status, answer.json()["error"].as_str()),
                (400, Some("invalid_grant")),
                "{what}: {}",
                answer.text()
            );
            assert_eq!(answer.text(), first, "{what} tells more than the others");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_caller_names_its_identity_and_only_its_rules_count() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let run = || pipeline.run(&server, |claims| claims);
        let other = pipeline
            .owner
            .identity(
                "pipeline",
                "other",
                "release",
                json!({ "audiences": [AUDIENCE] }),
            )
            .await;
        present(&server, other["id"].as_str().unwrap(), &run())
            .await
            .refused(400, "invalid_grant");
        let nameless = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &run()),
        ];
        server
            .anyone()
            .form("/oauth2/token", &nameless, &[])
            .await
            .refused(400, "invalid_request");
        let unknown = present(&server, "nobody", &run()).await;
        assert!(matches!(unknown.status, 400 | 401), "{}", unknown.text());
        server.stop().await;
    })
    .await;
}

/// A pipeline of two environments: main yields production, and any run of the repository staging.
async fn two_environments(server: &TestServer) -> Pipeline {
    let pipeline = pipeline(server).await;
    let fields = json!({ "audiences": [AUDIENCE], "environments": ["production", "staging", "preview"], "allowed_actions": ["case.read"] });
    pipeline.owner.environment("preview", false).await;
    let identity = pipeline
        .owner
        .identity("pipeline", "two-stages", "release", fields)
        .await;
    let id = identity["id"].as_str().unwrap();
    let production = Trust {
        issuer: pipeline.issuer.url(),
        environments: &["production"],
        matches: github_match(),
    };
    pipeline.owner.trust(id, &production).await;
    let ids = json!({ "repository_id": "456789", "repository_owner_id": "123456", "environment": "staging" });
    pipeline
        .owner
        .trust(
            id,
            &Trust {
                issuer: pipeline.issuer.url(),
                environments: &["staging"],
                matches: ids,
            },
        )
        .await;
    let ids = json!({ "repository_id": "456789", "repository_owner_id": "123456", "environment": "either" });
    pipeline
        .owner
        .trust(
            id,
            &Trust {
                issuer: pipeline.issuer.url(),
                environments: &["staging", "preview"],
                matches: ids,
            },
        )
        .await;
    Pipeline {
        identity,
        ..pipeline
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_staging_run_never_yields_production() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = two_environments(&server).await;
        let ask = async |environment: &str, fields: &[(&str, &str)]| {
            let run = pipeline.run(&server, |claims| claims.with("environment", environment));
            server
                .anyone()
                .run_token(RunForm::JwtBearer, pipeline.id(), &run, fields)
                .await
        };
        let of = |answer: Answer| {
            claims(&answer.access_token())["environment"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(of(ask("production", &[]).await), "production");
        assert_eq!(of(ask("staging", &[]).await), "staging");
        assert_eq!(
            of(ask("staging", &[("environment", "staging")]).await),
            "staging"
        );
        let details =
            json!([{ "type": "action", "actions": ["case.read"], "environment": "production" }])
                .to_string();
        for fields in [
            [("environment", "production")],
            [("authorization_details", details.as_str())],
        ] {
            for run in ["staging", "either"] {
                let answer = ask(run, &fields).await;
                assert_eq!(answer.status, 400, "{run} {fields:?}: {}", answer.text());
            }
        }
        ask("either", &[]).await.refused(400, "invalid_request");
        assert_eq!(
            of(ask("either", &[("environment", "preview")]).await),
            "preview"
        );
        server.stop().await;
    })
    .await;
}
