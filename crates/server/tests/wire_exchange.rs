//! A long-lived token is exchanged for a short one of another audience (RFC 8693): it carries no more than that, and dies
//! with it.

use countersign_guard::Request;
use countersign_model::time::Seconds;
use countersign_testkit::{
    Answer, Caller, TestServer, claims, eventually, guard, on_each_database,
};
use serde_json::{Value, json};

use crate::{
    long_lived_tokens::{holder, made, sensor, text, webhook},
    world::{AUDIENCE, project},
};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Exchanges a token, as who holds it.
pub async fn exchange(holder: &Caller, fields: &[(&str, &str)]) -> Answer {
    let form = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", holder.token()),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let anyone = holder.anonymous();
    anyone
        .form("/oauth2/token", &[&form, fields].concat(), &[])
        .await
}

/// Lets an identity call the resource server.
pub async fn calls(owner: &Caller, name: &str, further: Value) {
    let mut patch = json!({ "audiences": [AUDIENCE] });
    patch
        .as_object_mut()
        .unwrap()
        .extend(further.as_object().cloned().unwrap());
    owner
        .patch(&format!("/api/identities/{name}"), &patch)
        .await
        .done();
}

const SENSOR: &str = "sensor:core.timer";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_exchanges_its_token_for_a_short_one_of_a_resource_server() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, target) = project(&server).await;
        let first = made(&owner, &sensor(SENSOR)).await;
        calls(&owner, SENSOR, json!({ "allowed_actions": ["event.create", "rule.read", "case.read"] })).await;
        let own = holder(&server, &first);
        let answer = exchange(&own, &[("audience", AUDIENCE)]).await;
        let token = answer.access_token();
        assert_eq!(answer.json()["issued_token_type"], ACCESS_TOKEN);
        let (long, short) = (claims(own.token()), claims(&token));
        assert_eq!(short["aud"], AUDIENCE);
        assert_eq!(short["exp"].as_i64().unwrap() - short["iat"].as_i64().unwrap(), 600);
        for member in ["sub", "identity_id", "chain_id"] {
            assert_eq!(short[member], long[member], "{member}");
        }
        assert!(short.get("credential_id").is_none() && short.get("metadata").is_none());
        // The bundle of its scope and what it is allowed, on what it is bound to.
        assert_eq!(short["actions"], json!(["event.create", "rule.read"]));
        let bound = json!([{ "type": "action", "actions": ["event.create", "rule.read"], "resource": "core.timer" }]);
        assert_eq!(short["authorization_details"], bound);
        let guard = guard(&server, AUDIENCE, "sensor:", Some(&target)).await;
        let on = |resource: &str| {
            let mut request = Request::parse("event.create").unwrap();
            request.resource = Some(resource.to_owned());
            request
        };
        guard.authorize(&token, on("core.timer")).await.unwrap();
        let other = guard.authorize(&token, on("core.interval")).await.unwrap_err();
        assert_eq!(other.code(), "resource_mismatch");

        let path = format!("/api/evidence/{}", text(&short, "jti"));
        let record = owner.get(&path).await.done()["record"].clone();
        assert_eq!(record["parents"], json!([long["jti"]]));
        assert_eq!(record["client_auth"], "exchanged_token");
        let path = format!("/api/lineage?ref=token:{}", text(&short, "jti"));
        let sentence = owner.get(&path).await.done()["sentence"].clone();
        let sentence = sentence.as_str().unwrap();
        assert!(sentence.contains("the long-lived token that it exchanged"), "{sentence}");
        assert!(sentence.contains("dana@example.com must respond"), "{sentence}");

        // Whoever saw the short one ends that one alone; the end of the long one is the end of all.
        let header = format!("Bearer {token}");
        let bearer = [("authorization", header.as_str())];
        let anyone = server.anyone();
        anyone.form("/oauth2/revoke", &[("token", token.as_str())], &bearer).await.done();
        assert!(!owner.is_active(&target, &token).await);
        own.get("/api/sessions/current").await.done();
        let second = exchange(&own, &[("audience", AUDIENCE)]).await.access_token();
        assert!(owner.is_active(&target, &second).await);
        let end = json!({ "grain": "chain", "target": long["chain_id"], "reason": "stolen" });
        owner.post("/api/revocations", &end).await.done();
        assert!(!owner.is_active(&target, &second).await);
        exchange(&own, &[("audience", AUDIENCE)]).await.refused(400, "invalid_grant");
        eventually("the guard hears of it", async || {
            let answer = guard.authorize(&second, on("core.timer")).await;
            server.clock().advance(Seconds(1));
            answer.err().filter(|error| error.code() == "token_revoked")
        })
        .await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t18_an_exchange_widens_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = project(&server).await;
        owner.audience("elsewhere", &[]).await;
        let first = made(&owner, &sensor(SENSOR)).await;
        let own = holder(&server, &first);
        let here = ("audience", AUDIENCE);
        exchange(&own, &[here]).await.refused(400, "invalid_target");
        let wide = json!({ "allowed_actions": ["event.create", "case.read"], "environments": ["staging"] });
        calls(&owner, SENSOR, wide).await;
        for (field, code) in [
            (("audience", "elsewhere"), "invalid_target"),
            (("audience", server.issuer()), "invalid_target"),
        ] {
            exchange(&own, &[field]).await.refused(400, code);
        }
        // Allowed to the identity, and not in the bundle of the token; nor another place, identity or resource.
        let other = json!([{ "type": "action", "actions": [], "resource": "core.interval" }]).to_string();
        for (field, code) in [
            (("scope", "case.read"), "invalid_scope"),
            (("environment", "production"), "invalid_request"),
            (("client_id", "deploy-target"), "invalid_grant"),
            (("authorization_details", other.as_str()), "invalid_scope"),
            (("run", "42"), "invalid_request"),
        ] {
            exchange(&own, &[here, field]).await.refused(400, code);
        }
        let token = exchange(&own, &[here, ("client_id", SENSOR)]).await.access_token();
        assert_eq!(claims(&token)["environment"], "staging");
        // The short one begets nothing, and is no token of Countersign's own API.
        let short = server.anyone().with_token(token);
        exchange(&short, &[here]).await.refused(400, "invalid_grant");
        short.get("/api/sessions").await.refused(401, "token_invalid");
        short.post("/api/auth/refresh", &json!({})).await.refused(401, "token_invalid");
        // Its own questions are answered, within what it is bound to.
        let ask = async |id: &str| {
            let question = json!({ "action": { "name": "event.create" }, "resource": { "type": "trigger_type", "id": id } });
            short.post("/access/v1/evaluation", &question).await.done()["decision"] == true
        };
        assert!(ask("core.timer").await && !ask("core.interval").await);
        // Today counts: other resources, other trigger types, another guard.
        let path = format!("/api/identities/{SENSOR}");
        owner.patch(&path, &json!({ "resources": ["web"] })).await.done();
        exchange(&own, &[here]).await.refused(400, "invalid_scope");
        owner.patch(&path, &json!({ "resources": ["trigger_type:core.timer"] })).await.done();
        exchange(&own, &[here]).await.access_token();
        owner.patch(&path, &json!({ "requires_approval": true })).await.done();
        exchange(&own, &[here]).await.refused(400, "unauthorized_client");
        // A program's token of an hour is not exchanged at all.
        let secret = owner.secret("deploy-target").await;
        let hour = owner.client_token(&secret, &[("audience", server.issuer())]).await;
        let hour = server.anyone().with_token(hour.access_token());
        exchange(&hour, &[here]).await.refused(400, "invalid_grant");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_what_a_token_is_bound_to_is_not_lost_by_an_exchange() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, _) = project(&server).await;
        let here = ("audience", AUDIENCE);
        let of = async |name: &str, metadata: Value| {
            let answer = made(&owner, &webhook(name, metadata)).await;
            calls(&owner, name, json!({})).await;
            holder(&server, &answer)
        };
        let anywhere = json!({ "allowed_paths": ["/oauth2/token"] });
        exchange(&of("webhook:free", anywhere).await, &[here]).await.access_token();
        for (name, metadata) in [
            ("webhook:path", json!({ "allowed_paths": ["/webhooks/deploy"] })),
            ("webhook:far", json!({ "allowed_paths": ["/oauth2/token"], "ip_whitelist": ["203.0.113.0/24"] })),
            // Inside its network: no other server would look at where the short one comes from.
            ("webhook:near", json!({ "allowed_paths": ["/oauth2/token"], "ip_whitelist": ["127.0.0.0/8", "::1/128"] })),
            ("webhook:action", json!({ "allowed_paths": ["/oauth2/token"], "action_ref": "core.echo" })),
        ] {
            let refused = exchange(&of(name, metadata).await, &[here]).await;
            refused.refused(400, "unauthorized_client");
        }
        // Of several trigger types one is chosen; each exchange is for one of them.
        let mut many = sensor("sensor:many");
        many["metadata"]["trigger_types"] = json!(["core.timer", "core.interval"]);
        let many = made(&owner, &many).await;
        calls(&owner, "sensor:many", json!({})).await;
        let many = holder(&server, &many);
        let unchosen = exchange(&many, &[here]).await;
        unchosen.refused(400, "invalid_request");
        assert_eq!(unchosen.json()["reason_code"], "resource_unchosen");
        let one = json!([{ "type": "action", "actions": [], "resource": "core.interval" }]).to_string();
        let one = exchange(&many, &[here, ("authorization_details", &one)]).await;
        assert_eq!(one.json()["authorization_details"][0]["resource"], "core.interval");
        server.stop().await;
    })
    .await;
}
