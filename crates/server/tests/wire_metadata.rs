//! What the server says of itself: metadata and key set.

use countersign_testkit::{TestServer, on_each_database, token_header};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audience_chooses_rs256_and_its_key_is_in_the_key_set() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("payroll").await;
        owner
            .make(
                "audiences",
                &json!({ "name": "bizfirstgo-api", "signing_alg": "RS256" }),
            )
            .await;
        let identity = owner
            .identity(
                "oauth_client",
                "payroll",
                "payroll",
                json!({ "audiences": ["bizfirstgo-api"] }),
            )
            .await;
        let client = owner.secret(identity["id"].as_str().unwrap()).await;
        let token = owner.client_token(&client, &[]).await.access_token();
        let header = token_header(&token);
        assert_eq!(header["alg"], "RS256");
        let keys = owner.anonymous().get("/.well-known/jwks.json").await.done();
        let key = keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["kid"] == header["kid"])
            .expect("the key is published");
        assert_eq!(
            (key["kty"].as_str(), key["use"].as_str()),
            (Some("RSA"), Some("sig"))
        );
        for key in keys["keys"].as_array().unwrap() {
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(key.get(private).is_none(), "{private} in {key}");
            }
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_advertises_only_what_runs() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let anyone = server.anyone();
        let oauth = anyone
            .get("/.well-known/oauth-authorization-server")
            .await
            .done();
        assert_eq!(
            oauth,
            anyone.get("/.well-known/openid-configuration").await.done()
        );
        assert_eq!(oauth["issuer"], server.issuer());
        for member in [
            "token_endpoint",
            "introspection_endpoint",
            "revocation_endpoint",
            "jwks_uri",
        ] {
            let url = oauth[member].as_str().unwrap();
            let path = url.strip_prefix(server.issuer()).expect("below the issuer");
            assert!(
                matches!(anyone.get(path).await.status, 200 | 405),
                "{member}"
            );
        }
        for member in oauth
            .as_object()
            .unwrap()
            .keys()
            .filter(|member| member.ends_with("_endpoint"))
        {
            let path = oauth[member]
                .as_str()
                .unwrap()
                .strip_prefix(server.issuer())
                .unwrap()
                .to_owned();
            assert_ne!(anyone.get(&path).await.status, 404, "{member}");
        }
        let resource = anyone
            .get("/.well-known/oauth-protected-resource")
            .await
            .done();
        assert_eq!(resource["resource"], server.issuer());
        server.stop().await;
    })
    .await;
}
