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
    let tls = ReloadingTls::load(cert.clone(), key.clone(), false)
        .await
        .unwrap();
    let routes = || -> Vec<Route<()>> { vec![Route::get("/hello", async || "hello")] };
    let metrics = Arc::new(Metrics::new());
    let settings = ShellSettings {
        issuer: "https://localhost".into(),
        client_certificates: crate::config::ClientCertificates::None,
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
        ReloadingTls::load(cert.clone(), key.clone(), false)
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

const FIRST_CERT: &str = include_str!("../test_keys/first.crt");
const FIRST_KEY: &str = include_str!("../test_keys/first.key");
const SECOND_CERT: &str = include_str!("../test_keys/second.crt");
const SECOND_KEY: &str = include_str!("../test_keys/second.key");
