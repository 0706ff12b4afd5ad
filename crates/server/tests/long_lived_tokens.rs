//! Service accounts and their long-lived tokens (seed 004): made, listed, rotated, deleted, each with its evidence.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{Caller, TestServer, claims, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

/// The request of seed 004, byte for byte but for its comment.
pub fn sensor(name: &str) -> Value {
    json!({
        "name": name, "scope": "sensor", "description": "Timer sensor service account", "ttl_days": 90,
        "metadata": { "trigger_types": ["core.timer"] },
    })
}

/// A webhook's, as seed 004 has it.
pub fn webhook(name: &str, metadata: Value) -> Value {
    json!({ "name": name, "scope": "webhook", "metadata": metadata })
}

/// Makes a service account; the answer.
pub async fn made(owner: &Caller, body: &Value) -> Value {
    owner.make("service-accounts", body).await
}

/// Somebody who calls with the token of an answer.
pub fn holder(server: &TestServer, answer: &Value) -> Caller {
    server
        .anyone()
        .with_token(answer["token"].as_str().unwrap())
}

pub fn text<'a>(json: &'a Value, member: &str) -> &'a str {
    json[member]
        .as_str()
        .unwrap_or_else(|| panic!("no `{member}` in {json}"))
}

async fn evidence(owner: &Caller, query: &str) -> Vec<Value> {
    let list = owner.get(&format!("/api/evidence?limit=500&{query}")).await;
    list.done()["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_a_sensor_is_made_with_the_claims_and_the_life_of_the_seed() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let answer = owner
            .post("/api/service-accounts", &sensor("sensor:core.timer"))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let answer = answer.json();
        assert_eq!(answer["name"], "sensor:core.timer");
        assert_eq!(answer["scope"], "sensor");
        assert_eq!(
            answer["expires_at"], "2027-02-20T09:00:00Z",
            "90 days later"
        );
        assert_eq!(answer["renew_at"], "2027-02-02T09:00:00Z", "day 72");
        let claims = claims(text(&answer, "token"));
        assert_eq!(claims["sub"], "sensor:core.timer");
        assert_eq!(claims["scope"], "sensor");
        assert_eq!(claims["identity_type"], "service_account");
        assert_eq!(claims["identity_id"], answer["identity_id"]);
        assert_eq!(
            claims["metadata"],
            json!({ "trigger_types": ["core.timer"] })
        );
        assert_eq!(
            claims["actions"],
            json!(["event.create", "rule.read", "trigger.read"])
        );
        assert_eq!(
            (&claims["aud"], &claims["iss"]),
            (&json!(server.issuer()), &json!(server.issuer()))
        );
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            90 * 86_400
        );
        assert_eq!(claims["chain_id"], answer["chain_id"]);
        let session = holder(&server, &answer)
            .get("/api/sessions/current")
            .await
            .done();
        assert_eq!(session["subject"], "sensor:core.timer");
        assert_eq!(session["actions"], claims["actions"]);
        // Somebody answers for it, and it stands in every list.
        let id = text(&answer, "identity_id");
        let shown = owner.get(&format!("/api/identities/{id}")).await.done();
        assert_eq!(shown["sponsor"]["name"], "dana@example.com");
        assert_eq!(shown["managers"][0]["name"], "dana@example.com");
        assert_eq!(shown["purpose"], "Timer sensor service account");
        assert_eq!(
            shown["metadata"],
            json!({ "scope": "sensor", "trigger_types": ["core.timer"] })
        );
        let issued = owner
            .get(&format!("/api/evidence/{}", text(&claims, "jti")))
            .await
            .done();
        assert_eq!(issued["record"]["grant"], "service_account");
        for (role, name) in [
            ("identity", "sensor:core.timer"),
            ("sponsor", "dana@example.com"),
            ("actor", "dana@example.com"),
        ] {
            let refs = issued["record"]["refs"].as_array().unwrap();
            let found = refs
                .iter()
                .find(|one| one["role"] == role)
                .unwrap_or_else(|| panic!("no {role} in {issued}"));
            assert!(found["name"].to_string().contains(name), "{found}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_service_accounts_are_listed_without_their_tokens_and_deleted_with_a_reason() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("release").await;
        owner
            .identity("service_account", "plain", "release", json!({}))
            .await;
        let answer = made(&owner, &sensor("sensor:core.timer")).await;
        let other = made(
            &owner,
            &webhook(
                "webhook:deploy",
                json!({ "allowed_paths": ["/sessions/current"] }),
            ),
        )
        .await;
        let list = owner.get("/api/service-accounts").await;
        for token in [text(&answer, "token"), text(&other, "token")] {
            assert!(!list.text().contains(token), "a token is shown once");
        }
        let list = list.done();
        let data = list["data"].as_array().unwrap();
        assert_eq!(data.len(), 2, "those with long-lived tokens: {list}");
        let first = &data[0];
        for member in ["identity_id", "name", "scope", "expires_at"] {
            assert_eq!(first[member], answer[member], "{member}");
        }
        assert_eq!(first["created_at"], "2026-11-22T09:00:00Z");
        assert_eq!(
            first["metadata"],
            json!({ "trigger_types": ["core.timer"] })
        );
        let page = owner.get("/api/service-accounts?limit=1").await.done();
        let rest = owner
            .get(&format!(
                "/api/service-accounts?limit=1&after={}",
                text(&page, "next")
            ))
            .await
            .done();
        assert_eq!(rest["data"][0]["name"], "webhook:deploy");
        // The end: as the seed asks, with its answer.
        let sensor = holder(&server, &answer);
        sensor.get("/api/sessions/current").await.done();
        let id = text(&answer, "identity_id");
        let path = format!("/api/service-accounts/{id}");
        let long = json!({ "reason": "ä".repeat(501) });
        owner
            .send(Method::DELETE, &path, Some(&long), &[])
            .await
            .refused(422, "unprocessable");
        let reason = json!({ "reason": "Token compromised" });
        let deleted = owner
            .send(Method::DELETE, &path, Some(&reason), &[])
            .await
            .done();
        assert_eq!(
            deleted,
            json!({ "message": "Service account revoked", "identity_id": id })
        );
        sensor
            .get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        holder(&server, &other)
            .get("/api/sessions/current")
            .await
            .done();
        let record = &evidence(&owner, &format!("identity={id}&kind=changed")).await[0];
        let record = owner
            .get(&format!("/api/evidence/{}", text(record, "id")))
            .await
            .done();
        assert_eq!(
            (&record["record"]["verb"], &record["record"]["reason"]),
            (&json!("deleted"), &json!("Token compromised"))
        );
        // The name stays taken, and the refusal says why.
        let again = owner
            .post("/api/service-accounts", &self::sensor("sensor:core.timer"))
            .await;
        let again = again.refused(409, "name_taken");
        assert!(text(&again, "detail").contains("deleted"), "{again}");
        owner
            .send(Method::DELETE, &path, Some(&reason), &[])
            .await
            .refused(404, "not_found");
        let plain = "/api/service-accounts/plain";
        owner
            .send(Method::DELETE, plain, Some(&reason), &[])
            .await
            .refused(404, "not_found");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_token_needs_no_new_name_and_ends_the_others_when_asked_to() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let first = made(
            &owner,
            &webhook(
                "webhook:deploy",
                json!({ "allowed_paths": ["/sessions/current"] }),
            ),
        )
        .await;
        let path = format!(
            "/api/service-accounts/{}/tokens",
            text(&first, "identity_id")
        );
        let second = owner.post(&path, &json!({ "ttl_days": 365 })).await.done();
        assert_eq!(second["expires_at"], "2027-11-22T09:00:00Z");
        let (one, two) = (
            claims(text(&first, "token")),
            claims(text(&second, "token")),
        );
        assert_eq!(
            (&one["metadata"], &one["scope"]),
            (&two["metadata"], &two["scope"])
        );
        assert_ne!(one["chain_id"], two["chain_id"]);
        for answer in [&first, &second] {
            holder(&server, answer)
                .get("/api/sessions/current")
                .await
                .done();
        }
        let third = owner
            .post(
                &path,
                &json!({ "revoke_others": true, "reason": "seen in a log" }),
            )
            .await
            .done();
        for answer in [&first, &second] {
            holder(&server, answer)
                .get("/api/sessions/current")
                .await
                .refused(401, "token_revoked");
        }
        holder(&server, &third)
            .get("/api/sessions/current")
            .await
            .done();
        let revoked = evidence(&owner, "kind=revoked").await;
        assert_eq!(revoked.len(), 2, "{revoked:?}");
        assert!(
            text(&revoked[0], "summary").contains("seen in a log"),
            "{revoked:?}"
        );
        // Not more than a person can oversee.
        for _ in 0..9 {
            owner.post(&path, &json!({})).await.done();
        }
        owner
            .post(&path, &json!({}))
            .await
            .refused(422, "unprocessable");
        owner
            .post(&path, &json!({ "revoke_others": true }))
            .await
            .done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t34_a_long_lived_token_has_the_lifetimes_and_the_bounds_of_its_scope() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let bounds = || json!({ "trigger_types": ["core.timer"], "allowed_paths": ["/webhooks/deploy"] });
        let ask = |scope: &str, days: i64| json!({ "name": format!("{scope}-{days}"), "scope": scope, "ttl_days": days, "metadata": bounds() });
        for (scope, days) in [("sensor", 1), ("sensor", 90), ("webhook", 90), ("webhook", 365), ("readonly", 1)] {
            let answer = made(&owner, &ask(scope, days)).await;
            let claims = claims(text(&answer, "token"));
            assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), days * 86_400);
        }
        for (scope, days) in [
            ("sensor", 0), ("sensor", -1), ("sensor", 91), ("webhook", 89), ("webhook", 366), ("webhook", i64::MAX),
            ("readonly", 91), ("user", 7), ("admin", 1), ("action_execution", 1),
        ] {
            owner.post("/api/service-accounts", &ask(scope, days)).await.refused(422, "unprocessable");
        }
        for bad in [
            json!({ "name": "s", "scope": "sensor" }),
            json!({ "name": "s", "scope": "webhook" }),
            json!({ "name": "s", "scope": "root", "metadata": bounds() }),
            json!({ "name": "s", "scope": "sensor", "metadata": { "trigger_types": ["a".repeat(256)] } }),
            json!({ "name": "s", "scope": "webhook", "metadata": { "allowed_paths": ["/a/../b"] } }),
        ] {
            owner.post("/api/service-accounts", &bad).await.refused(422, "unprocessable");
        }
        // What is misspelt must not be taken for no bound at all.
        for bad in [
            json!({ "name": "s", "scope": "sensor", "metadata": { "trigger_type": ["core.timer"] } }),
            json!({ "name": "s", "scope": "Sensor", "metadata": bounds() }),
            json!({ "name": "s", "scope": "sensor", "metadata": { "ip_whitelist": ["everywhere"] } }),
        ] {
            owner.post("/api/service-accounts", &bad).await.refused(400, "bad_request");
        }
        assert_eq!(owner.get("/api/identities/s").await.status, 404, "nothing was made");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_a_long_lived_token_is_for_countersign_alone_and_under_a_key_that_nobody_sees() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = crate::world::service(&server).await;
        let answer = made(&service.owner, &sensor("sensor:core.timer")).await;
        let token = text(&answer, "token");
        let header = token.split('.').next().unwrap();
        let header: Value = {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(header)
                .unwrap();
            serde_json::from_slice(&bytes).unwrap()
        };
        assert_eq!(header["alg"], "ES256", "never a shared secret");
        let keys = server.anyone().get("/.well-known/jwks.json").await.done();
        let published = keys["keys"].as_array().unwrap();
        assert!(!published.is_empty());
        assert!(
            published.iter().all(|key| key["kid"] != header["kid"]),
            "{keys}"
        );
        assert!(
            !server.anyone().is_active(&service.target, token).await,
            "no resource server hears of it"
        );
        let guard = countersign_testkit::guard(&server, crate::world::AUDIENCE, "", None).await;
        let asked = countersign_guard::Request::parse("event.create").unwrap();
        assert!(guard.authorize(token, asked).await.is_err());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t33_only_who_owns_or_manages_hands_out_tokens_and_a_program_never_does() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("release").await;
        let mut body = sensor("sensor:core.timer");
        body["project"] = json!("release");
        let answer = made(&owner, &body).await;
        let id = text(&answer, "identity_id");
        let tokens = format!("/api/service-accounts/{id}/tokens");
        let mo = server.enrol("mo@example.com", TenantRole::Member).await;
        let ada = server.enrol("ada@example.com", TenantRole::Auditor).await;
        mo.post(&tokens, &json!({})).await.refused(404, "not_found");
        ada.post(&tokens, &json!({}))
            .await
            .refused(403, "forbidden");
        ada.post("/api/service-accounts", &sensor("sensor:ada"))
            .await
            .refused(403, "forbidden");
        body["name"] = json!("sensor:mo");
        mo.post("/api/service-accounts", &body)
            .await
            .refused(404, "not_found");
        assert_eq!(
            mo.get("/api/service-accounts").await.done()["data"],
            json!([])
        );
        assert_eq!(
            ada.get("/api/service-accounts").await.done()["data"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        let sensor = holder(&server, &answer);
        sensor
            .post(&tokens, &json!({}))
            .await
            .refused(403, "forbidden");
        sensor
            .post("/api/service-accounts", &self::sensor("sensor:child"))
            .await
            .refused(403, "forbidden");
        sensor
            .get("/api/service-accounts")
            .await
            .refused(403, "forbidden");
        sensor
            .send(
                Method::DELETE,
                &format!("/api/service-accounts/{id}"),
                Some(&json!({})),
                &[],
            )
            .await
            .refused(403, "forbidden");
        let refused = evidence(&owner, &format!("identity={id}&outcome=refused")).await;
        assert_eq!(refused.len(), 4, "{refused:?}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_8_a_repeated_request_does_not_show_its_token_again() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let key = [("idempotency-key", "the-same-request")];
        let body = sensor("sensor:core.timer");
        let send = async || {
            owner
                .send(Method::POST, "/api/service-accounts", Some(&body), &key)
                .await
        };
        let first = send().await.done();
        let again = send().await.refused(409, "conflict");
        assert!(
            text(&again, "detail").contains(text(&first, "identity_id")),
            "{again}"
        );
        let token = text(&first, "token");
        for path in [
            "/api/evidence?limit=500",
            "/api/log/entries?limit=500",
            "/api/service-accounts",
            "/api/identities",
        ] {
            let shown = owner.get(path).await.text();
            assert!(
                !shown.contains(token) && !shown.contains(token.rsplit('.').next().unwrap()),
                "{path}"
            );
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_identity_gets_no_token_that_lives_longer_than_an_hour() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let answer = made(&owner, &sensor("sensor:core.timer")).await;
        let id = text(&answer, "identity_id");
        let identity = format!("/api/identities/{id}");
        owner
            .patch(&identity, &json!({ "requires_approval": true }))
            .await
            .done();
        let path = format!("/api/service-accounts/{id}/tokens");
        owner
            .post(&path, &json!({}))
            .await
            .refused(403, "forbidden");
        holder(&server, &answer)
            .post("/api/auth/refresh", &json!({}))
            .await
            .refused(403, "forbidden");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_4_a_long_lived_token_carries_what_its_identity_is_allowed_of_its_scope() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let answer = made(&owner, &sensor("sensor:core.timer")).await;
        let id = text(&answer, "identity_id");
        let tokens = format!("/api/service-accounts/{id}/tokens");
        let identity = format!("/api/identities/{id}");
        let next = async || {
            let token = owner.post(&tokens, &json!({})).await.done();
            claims(text(&token, "token"))["actions"].clone()
        };
        let wide = json!({ "allowed_actions": ["event.create", "rule.read", "trigger.read", "deploy.release"] });
        owner.patch(&identity, &wide).await.done();
        assert_eq!(next().await, json!(["event.create", "rule.read", "trigger.read"]), "no more than its scope");
        owner.patch(&identity, &json!({ "denied_actions": ["rule.read"] })).await.done();
        assert_eq!(next().await, json!(["event.create", "trigger.read"]), "deny wins");
        let rail = json!({ "name": "no-triggers", "cedar": "forbid(principal, action == Action::\"trigger.read\", resource);" });
        owner.post("/api/policies", &rail).await.done();
        assert_eq!(next().await, json!(["event.create"]), "guard rails forbid");
        owner.patch(&identity, &json!({ "allowed_actions": ["deploy.release"] })).await.done();
        owner.post(&tokens, &json!({})).await.refused(403, "action_not_allowed");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_lived_token_ends_when_its_identity_would_get_none() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let sam = server.enrol("sam@example.com", TenantRole::Member).await;
        let answer = made(
            &sam,
            &webhook(
                "webhook:deploy",
                json!({ "allowed_paths": ["/sessions/current"] }),
            ),
        )
        .await;
        let hook = holder(&server, &answer);
        // Nothing that runs stops when the person who answers leaves; when the grace is over it does.
        owner
            .delete("/api/users/sam@example.com?reason=left")
            .await
            .done();
        hook.get("/api/sessions/current").await.done();
        server.clock().advance(Seconds::days(31));
        hook.get("/api/sessions/current")
            .await
            .refused(403, "identity_orphaned");
        server.stop().await;
    })
    .await;
}
