//! Token exchange by a person who acts as an identity (RFC 8693): both are named, in the token and on record.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{Answer, Caller, TestServer, claims, on_each_database};
use serde_json::json;

use crate::world::service;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Asks to act as an identity with one's own sign-in.
async fn act(person: &Caller, identity: &str, further: &[(&str, &str)]) -> Answer {
    let fields = [
        ("grant_type", EXCHANGE),
        ("client_id", identity),
        ("subject_token", person.token()),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let fields = [&fields, further].concat();
    person.anonymous().form("/oauth2/token", &fields, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_acts_as_a_program_and_everybody_who_asks_hears_of_both() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let path = format!("/api/identities/{}", service.id());
        let until = (server.clock().now() + Seconds(7200)).to_string();
        let rights = json!({ "impersonators": [{ "who": "lee@example.com", "until": until }] });
        let shown = service.owner.patch(&path, &rights).await.done();
        assert_eq!(
            shown["impersonators"][0]["party"]["name"],
            "lee@example.com"
        );

        let answer = act(&lee, "payroll", &[]).await;
        let token = answer.access_token();
        assert_eq!(answer.json()["issued_token_type"], ACCESS_TOKEN);
        assert!(answer.json()["expires_in"].as_i64().unwrap() <= 900);
        let said = claims(&token);
        assert_eq!(
            said["sub"],
            format!("user:{}", said["principal_id"].as_str().unwrap())
        );
        assert_eq!(said["act"]["sub"], service.client.client_id.as_str());
        assert_eq!(said["identity_id"], service.id());

        let seen = lee.introspect(&service.target, &token).await.done();
        assert_eq!(seen["active"], true);
        assert_eq!(seen["act"]["sub"], said["act"]["sub"]);
        assert_eq!(seen["principal_id"], said["principal_id"]);

        let reference = format!("/api/lineage?ref=token:{}", said["jti"].as_str().unwrap());
        let story = service.owner.get(&reference).await.done();
        let sentence = story["sentence"].as_str().unwrap();
        for part in [
            "payroll",
            "under the authority of lee@example.com, who acted as it",
            "from their own sign-in",
            "dana@example.com must respond",
        ] {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
        assert!(!sentence.contains("[gap"), "{sentence}");

        // It is no way to Countersign itself, nor to what people countersign.
        let ask = json!({ "actions": ["deploy.release"] });
        let opens = lee.with_token(&token).post("/api/approvals", &ask).await;
        opens.refused(403, "impersonation_not_allowed");
        let own_api = act(&lee, "payroll", &[("audience", server.issuer())]).await;
        own_api.refused(400, "unauthorized_client");
        lee.with_token(&token)
            .get("/api/identities")
            .await
            .refused(401, "token_invalid");

        let header = format!("Bearer {token}");
        let ends = [("authorization", header.as_str())];
        let anyone = lee.anonymous();
        let form = [("token", token.as_str())];
        anyone.form("/oauth2/revoke", &form, &ends).await.done();
        assert!(!lee.is_active(&service.target, &token).await);
        let second = act(&lee, "payroll", &[]).await.access_token();
        assert!(lee.is_active(&service.target, &second).await);
        let disable = format!(
            "/api/users/{}/disable",
            said["principal_id"].as_str().unwrap()
        );
        service.owner.post(&disable, &json!({})).await.done();
        assert!(!lee.is_active(&service.target, &second).await);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t19_who_has_no_right_to_act_is_refused_and_on_record() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        // Dana owns, sponsors and manages it. That is not the right to act as it.
        for (person, email) in [
            (&service.owner, "dana@example.com"),
            (&kim, "kim@example.com"),
        ] {
            let refused = act(person, "payroll", &[]).await;
            let said = refused.refused(400, "unauthorized_client");
            assert_eq!(said["reason_code"], "impersonation_not_allowed");
            let nobody = act(person, "no-such-program", &[]).await;
            assert_eq!(nobody.refused(400, "unauthorized_client"), said);

            let found = service
                .owner
                .get("/api/evidence?kind=refused&limit=1")
                .await
                .done();
            let id = found["items"][0]["id"].as_str().unwrap();
            let record = service
                .owner
                .get(&format!("/api/evidence/{id}"))
                .await
                .done();
            let text = record.to_string();
            for part in ["impersonation_not_allowed", service.id(), email] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
        server.stop().await;
    })
    .await;
}
