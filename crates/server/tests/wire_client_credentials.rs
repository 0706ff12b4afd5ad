//! `client_credentials` to the letter of RFC 6749, and managed identities (S2) whole.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_model::time::Seconds;
use countersign_testkit::{
    Answer, ClientSecret, TestServer, claims, eventually, on_each_database, token_header,
};
use serde_json::{Value, json};

use crate::world::{AUDIENCE, project, service};

const FORM: &str = "application/x-www-form-urlencoded";

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_managed_identity_gets_exactly_the_answer_and_the_claims_of_seed_002() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let answer = service
            .owner
            .client_token(&service.client, &[("scope", "openid roles")])
            .await;
        let token = answer.access_token();
        let json = answer.json();
        let mut members: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        members.retain(|member| *member != "scope");
        members.sort_unstable();
        assert_eq!(members, ["access_token", "expires_in", "token_type"]);
        assert_eq!(
            (json["token_type"].as_str(), json["expires_in"].as_i64()),
            (Some("Bearer"), Some(3600))
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("pragma"), Some("no-cache"));
        let header = token_header(&token);
        assert_eq!(
            (header["alg"].as_str(), header["typ"].as_str()),
            (Some("ES256"), Some("at+jwt"))
        );
        let claims = claims(&token);
        assert_eq!(claims["iss"], server.issuer());
        assert_eq!(claims["aud"], AUDIENCE);
        assert_eq!(claims["sub"], service.client.client_id.as_str());
        assert_eq!(claims["client_id"], claims["sub"]);
        assert_eq!(claims["managed_identity_id"], service.identity["id"]);
        assert_eq!(claims["identity_id"], service.identity["id"]);
        assert_eq!(claims["is_service_account"], true);
        assert_eq!(claims["roles"], json!(["payroll-executor"]));
        assert_eq!(claims["scope"], "openid roles");
        assert_eq!(claims["actions"], json!(["case.read", "deploy.release"]));
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            3600
        );
        for member in [
            "tenant_id",
            "jti",
            "txn",
            "gen",
            "project_id",
            "credential_id",
        ] {
            assert!(!claims[member].is_null(), "{member} in {claims}");
        }
        // The path of the seed's own client is the same endpoint, and so are its errors.
        let fields = [
            ("grant_type", "client_credentials"),
            ("scope", "openid roles"),
        ];
        let basic = service.client.basic();
        let headers = [("authorization", basic.as_str())];
        let anyone = server.anyone();
        let again = anyone.form("/passport/token", &fields, &headers).await;
        assert_eq!(self::claims(&again.access_token())["sub"], claims["sub"]);
        anyone
            .form("/passport/token", &fields, &[])
            .await
            .refused(401, "invalid_client");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_comes_by_basic_or_post_and_never_twice() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (anyone, client) = (server.anyone(), &service.client);
        let grant = ("grant_type", "client_credentials");
        let (id, secret) = (
            ("client_id", client.client_id.as_str()),
            ("client_secret", client.client_secret.as_str()),
        );
        anyone
            .form("/oauth2/token", &[grant, id, secret], &[])
            .await
            .access_token();
        // The scheme's name is case-insensitive (RFC 9110 §11.1); the id may stand in both places if it is the same.
        let lower = client.basic().replacen("Basic", "basic", 1);
        anyone
            .form("/oauth2/token", &[grant, id], &[("authorization", &lower)])
            .await
            .access_token();
        let both = anyone
            .form(
                "/oauth2/token",
                &[grant, id, secret],
                &[("authorization", &client.basic())],
            )
            .await;
        both.refused(400, "invalid_request");
        let other = anyone
            .form(
                "/oauth2/token",
                &[grant, ("client_id", "other")],
                &[("authorization", &client.basic())],
            )
            .await;
        other.refused(400, "invalid_request");
        anyone
            .form("/oauth2/token", &[grant, secret], &[])
            .await
            .refused(400, "invalid_request");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn basic_credentials_are_form_decoded_after_base64() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let encode_all = |text: &str| {
            text.bytes()
                .map(|byte| format!("%{byte:02x}"))
                .collect::<String>()
        };
        let (id, secret) = (
            encode_all(&service.client.client_id),
            encode_all(&service.client.client_secret),
        );
        let token = |header: String| async move {
            let headers = [("authorization", header.as_str())];
            server
                .anyone()
                .form(
                    "/oauth2/token",
                    &[("grant_type", "client_credentials")],
                    &headers,
                )
                .await
        };
        token(basic(&format!("{id}:{secret}"))).await.access_token();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_to_prove_the_client_is_one_401_that_names_basic_when_basic_was_used() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let wrong = ClientSecret {
            client_secret: format!("{}x", service.client.client_secret),
            ..service.client.clone()
        };
        let by_basic = service.owner.client_token(&wrong, &[]).await;
        by_basic.refused(401, "invalid_client");
        assert!(
            by_basic
                .header("www-authenticate")
                .is_some_and(|value| value.starts_with("Basic"))
        );
        assert_eq!(by_basic.header("cache-control"), Some("no-store"));
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", &wrong.client_id),
            ("client_secret", &wrong.client_secret),
        ];
        let by_post = server.anyone().form("/oauth2/token", &fields, &[]).await;
        by_post.refused(401, "invalid_client");
        assert_eq!(by_post.header("www-authenticate"), None);
        server
            .anyone()
            .form(
                "/oauth2/token",
                &[("grant_type", "client_credentials")],
                &[],
            )
            .await
            .refused(401, "invalid_client");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_form_is_read_each_parameter_once_and_nothing_in_the_query() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let anyone = server.anyone();
        let header = service.client.basic();
        let headers = [("authorization", header.as_str())];
        for content_type in [
            Some("application/json"),
            Some("text/plain"),
            Some("multipart/form-data; boundary=x"),
            None,
        ] {
            let answer = anyone
                .raw_token(content_type, &headers, "grant_type=client_credentials")
                .await;
            answer.refused(415, "invalid_request");
        }
        anyone
            .raw_token(
                Some("application/x-www-form-urlencoded; charset=UTF-8"),
                &headers,
                "grant_type=client_credentials",
            )
            .await
            .access_token();
        for twice in [
            "grant_type=client_credentials&grant_type=client_credentials",
            "grant_type=client_credentials&scope=openid&scope=roles",
            "grant_type=client_credentials&audience=a&audience=b",
            "grant_type=client_credentials&resource=a&resource=b",
            "grant_type=client_credentials&grant%5ftype=client_credentials",
        ] {
            anyone
                .raw_token(Some(FORM), &headers, twice)
                .await
                .refused(400, "invalid_request");
        }
        anyone
            .raw_token(Some(FORM), &headers, "")
            .await
            .refused(400, "invalid_request");
        anyone
            .raw_token(Some(FORM), &headers, "grant_type=password")
            .await
            .refused(400, "unsupported_grant_type");
        anyone
            .raw_token(Some(FORM), &headers, "grant_type=%00")
            .await
            .done_or_400();
        let path = format!(
            "/oauth2/token?client_id={}&client_secret={}",
            service.client.client_id, service.client.client_secret
        );
        let in_query = anyone
            .form(&path, &[("grant_type", "client_credentials")], &[])
            .await;
        in_query.refused(401, "invalid_client");
        anyone
            .get("/oauth2/token")
            .await
            .refused(405, "invalid_request");
        server.stop().await;
    })
    .await;
}

trait Expected {
    fn done_or_400(&self);
}

impl Expected for Answer {
    fn done_or_400(&self) {
        assert_eq!(self.status, 400, "{}", self.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_has_one_audience_and_what_is_asked_for_narrows_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = project(&server).await;
        owner.audience("https://files.example.com/v1", &[]).await;
        let fields = json!({ "audiences": [AUDIENCE, "https://files.example.com/v1"], "allowed_actions": ["case.read", "deploy.release"], "denied_actions": ["secrets.read"] });
        let identity = owner.identity("oauth_client", "two-audiences", "release", fields).await;
        let client = owner.secret(identity["id"].as_str().unwrap()).await;
        let ask = async |fields: &[(&str, &str)]| owner.client_token(&client, fields).await;
        ask(&[]).await.refused(400, "invalid_target");
        ask(&[("audience", "nobody-knows")]).await.refused(400, "invalid_target");
        ask(&[("audience", "Deploy-Api")]).await.refused(400, "invalid_target");
        ask(&[("audience", AUDIENCE), ("resource", "https://files.example.com/v1")]).await.refused(400, "invalid_target");
        let by_uri = ask(&[("resource", "https://files.example.com/v1")]).await.access_token();
        assert_eq!(claims(&by_uri)["aud"], "https://files.example.com/v1");
        let narrowed = ask(&[("audience", AUDIENCE), ("scope", "case.read")]).await;
        // What was granted is said only where it is not what was asked for (RFC 6749 §5.1).
        assert!(narrowed.json().get("scope").is_none_or(|scope| scope == "case.read"));
        assert_eq!(claims(&narrowed.access_token())["actions"], json!(["case.read"]));
        for scope in ["case.write", "secrets.read", "admin", "CASE.READ", "case.*", "case.read."] {
            ask(&[("audience", AUDIENCE), ("scope", scope)]).await.refused(400, "invalid_scope");
        }
        let details = json!([{ "type": "action", "actions": ["deploy.release"], "resource": "web" }]).to_string();
        let detailed = ask(&[("audience", AUDIENCE), ("authorization_details", &details)]).await;
        let token_claims = claims(&detailed.access_token());
        assert_eq!(token_claims["actions"], json!(["deploy.release"]));
        assert_eq!(detailed.json()["authorization_details"], token_claims["authorization_details"]);
        for bad in [r#"[{"type":"payment","actions":["deploy.release"]}]"#, r#"[{"type":"action","actions":["deploy.release"],"more":1}]"#, "[]", "{}", "x"] {
            let answer = ask(&[("audience", AUDIENCE), ("authorization_details", bad)]).await;
            assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabling_refuses_the_next_call_and_kills_what_lives() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let token = service.token().await;
        assert!(service.owner.is_active(&service.target, &token).await);
        let path = format!("/api/identities/{}", service.id());
        service
            .owner
            .post(&format!("{path}/disable"), &json!({ "reason": "left" }))
            .await
            .done();
        service
            .owner
            .client_token(&service.client, &[])
            .await
            .refused(401, "invalid_client");
        assert!(!service.owner.is_active(&service.target, &token).await);
        assert_eq!(service.owner.get(&path).await.done()["status"], "disabled");
        service
            .owner
            .post(&format!("{path}/enable"), &json!({ "reason": "back" }))
            .await
            .done();
        let again = service.token().await;
        assert!(service.owner.is_active(&service.target, &again).await);
        assert!(
            !service.owner.is_active(&service.target, &token).await,
            "what was dead stays dead"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_use_moves_and_a_deleted_identity_is_unknown() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let path = format!("/api/identities/{}", service.id());
        let seen = async || service.owner.get(&path).await.done()["last_seen_at"].clone();
        service.token().await;
        let first = eventually("the first use is seen", async || Some(seen().await).filter(|at| !at.is_null())).await;
        server.clock().advance(Seconds(90));
        service.token().await;
        eventually("the last use moves", async || Some(seen().await).filter(|at| *at != first)).await;
        let token = service.token().await;
        service.owner.delete(&path).await.done();
        service.owner.client_token(&service.client, &[]).await.refused(401, "invalid_client");
        assert!(!service.owner.is_active(&service.target, &token).await);
        let fields: Value = json!({ "audiences": [AUDIENCE] });
        let body = json!({ "kind": "oauth_client", "name": "payroll", "project": "release", "audiences": fields["audiences"] });
        service.owner.post("/api/identities", &body).await.refused(409, "name_taken");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_secret_works_through_its_overlap_and_not_after() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let list = service
            .owner
            .get(&format!("/api/identities/{}/credentials", service.id()))
            .await
            .done();
        let old = list["items"][0]["id"].as_str().unwrap().to_owned();
        assert!(!list.to_string().contains(&service.client.client_secret));
        let path = format!("/api/credentials/{old}/rotate");
        let made = service
            .owner
            .post(&path, &json!({ "overlap_seconds": 60 }))
            .await
            .done();
        let new = ClientSecret {
            client_id: made["client_id"].as_str().unwrap().to_owned(),
            client_secret: made["client_secret"].as_str().unwrap().to_owned(),
        };
        assert_ne!(new.client_secret, service.client.client_secret);
        service
            .owner
            .client_token(&service.client, &[])
            .await
            .access_token();
        service.owner.client_token(&new, &[]).await.access_token();
        server.clock().advance(Seconds(61));
        service
            .owner
            .client_token(&service.client, &[])
            .await
            .refused(401, "invalid_client");
        service.owner.client_token(&new, &[]).await.access_token();
        server.stop().await;
    })
    .await;
}
