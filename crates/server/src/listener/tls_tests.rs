//! TLS with a certificate that changes. The keys here belong to these tests alone.

use std::{net::SocketAddr, time::Duration};

use axum_server::Handle;

use super::*;
use crate::{
    http::{
        router::{Route, RouteCounters, build},
        shell::{Shell, ShellSettings},
    },
    listener::{ListenerSettings, bind, serve},
    metrics::Metrics,
};

async fn ask(address: SocketAddr, trusted: &str) -> Result<String, reqwest::Error> {
    let root = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .build()
        .unwrap();
    client
        .get(format!("https://127.0.0.1:{}/hello", address.port()))
        .send()
        .await?
        .text()
        .await
}

#[tokio::test]
async fn the_certificate_follows_its_files_and_a_broken_one_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (
        directory.path().join("tls.crt"),
        directory.path().join("tls.key"),
    );
    std::fs::write(&cert, FIRST_CERT).unwrap();
    std::fs::write(&key, FIRST_KEY).unwrap();
    let tls = ReloadingTls::load(cert.clone(), key.clone()).await.unwrap();
    let routes = || -> Vec<Route<()>> { vec![Route::get("/hello", async || "hello")] };
    let metrics = Arc::new(Metrics::new());
    let settings = ShellSettings {
        issuer: "https://localhost".into(),
        proxies: vec![],
        timeout: Duration::from_secs(5),
    };
    let shell = Shell::new(
        build(routes(), ()),
        RouteCounters::new(&routes(), &metrics),
        metrics,
        settings,
    );
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Handle::new();
    let settings = ListenerSettings {
        max_connections: 8,
        header_timeout: Duration::from_secs(5),
    };
    tokio::spawn(serve(
        listener,
        Some(tls.clone()),
        shell,
        settings,
        handle.clone(),
    ));
    assert_eq!(ask(address, FIRST_CERT).await.unwrap(), "hello");
    assert!(ask(address, SECOND_CERT).await.is_err());

    let known = tls.look(None).await;
    std::fs::write(&cert, SECOND_CERT).unwrap();
    let known = tls.look(Some(known)).await;
    assert_eq!(
        ask(address, FIRST_CERT).await.unwrap(),
        "hello",
        "the key does not fit yet"
    );
    std::fs::write(&key, SECOND_KEY).unwrap();
    let known = tls.look(Some(known)).await;
    assert_eq!(ask(address, SECOND_CERT).await.unwrap(), "hello");
    assert!(ask(address, FIRST_CERT).await.is_err());

    std::fs::write(&cert, "garbage").unwrap();
    tls.look(Some(known)).await;
    assert_eq!(ask(address, SECOND_CERT).await.unwrap(), "hello");
    handle.shutdown();
}

#[tokio::test]
async fn what_is_not_a_certificate_is_refused_with_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (
        directory.path().join("tls.crt"),
        directory.path().join("tls.key"),
    );
    let load = async || {
        ReloadingTls::load(cert.clone(), key.clone())
            .await
            .unwrap_err()
            .to_string()
    };
    assert!(load().await.starts_with("cannot read `"));
    std::fs::write(&cert, FIRST_CERT).unwrap();
    std::fs::write(&key, FIRST_CERT).unwrap();
    assert!(load().await.ends_with("holds no usable PEM private key"));
    std::fs::write(&key, SECOND_KEY).unwrap();
    assert!(
        load()
            .await
            .starts_with("certificate and private key cannot be used together")
    );
    std::fs::write(&cert, "").unwrap();
    assert!(load().await.ends_with("holds no usable PEM certificate"));
}

const FIRST_CERT: &str = "-----BEGIN CERTIFICATE-----
MIIBmDCCAT6gAwIBAgIUHMMnTJrH7NQN0ddOAweM8CZUuuAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjA3MjIzMFoYDzIxMjYxMDI5
MDcyMjMwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARm/usaa92xzq0zm/5jgu3xUn0owuaIGkEGWnxnYkUWZFC9ZZhG9TNo
CYGVnacFt25mIltxvZzXAxQw1rFiVvyco2wwajAdBgNVHQ4EFgQUsv3AmrstEGz/
BNp/NEU4sOXeghQwHwYDVR0jBBgwFoAUsv3AmrstEGz/BNp/NEU4sOXeghQwGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0E
AwIDSAAwRQIhAO3RLx/+D23qtBVHHXJQAzvAVojv+a0Nmec252kJIWXbAiAQkVPL
7vctN9ok9Kl6rv3at9qT5D9kaY2M4oORdh1K/w==
-----END CERTIFICATE-----
";
const FIRST_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkp7LAh9jar0Btg+2
NuO8ym8gSjG51XBBNjfcnt3O0+ihRANCAARm/usaa92xzq0zm/5jgu3xUn0owuaI
GkEGWnxnYkUWZFC9ZZhG9TNoCYGVnacFt25mIltxvZzXAxQw1rFiVvyc
-----END PRIVATE KEY-----
";
const SECOND_CERT: &str = "-----BEGIN CERTIFICATE-----
MIIBmDCCAT6gAwIBAgIUJoGXtSwjFu3Krs0IiMg2/CirsYUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjA3MjIzMFoYDzIxMjYxMDI5
MDcyMjMwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASmPOdS2TJHM/RWxj/XipmtedwD0mScc15sakosKJagP5c+QNSEW6ZN
xfRASDYLgadD5iCK9+8VWcXAWS+SRMBHo2wwajAdBgNVHQ4EFgQUN8RPCNxxntYI
e03F3LT8cUpgW28wHwYDVR0jBBgwFoAUN8RPCNxxntYIe03F3LT8cUpgW28wGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0E
AwIDSAAwRQIgOwPjzMYocPN8ku1ai0lA8sTKOmUS0OXJZ3NgIIMcX5QCIQCaUgnK
sj0R0gnz+KcnmtLcm8ut9ogK3ASCKSa9+SBFyg==
-----END CERTIFICATE-----
";
const SECOND_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmsyz/KS8CEQ+o036
cEbz6UXSBPZKAO1dGsnwWZPjULihRANCAASmPOdS2TJHM/RWxj/XipmtedwD0mSc
c15sakosKJagP5c+QNSEW6ZNxfRASDYLgadD5iCK9+8VWcXAWS+SRMBH
-----END PRIVATE KEY-----
";
