//! A certificate that is exchanged under a running server.

use std::{fs, path::Path};

use crate::world::{Server, eventually};

/// Asks over TLS, trusting this certificate alone.
async fn ask(url: &str, trusted: &str) -> Result<String, reqwest::Error> {
    let root = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]);
    let answer = client.build().unwrap().get(format!("{url}/healthz"));
    answer.send().await?.text().await
}

fn reaches(url: &str, trusted: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let answer = runtime.unwrap().block_on(ask(url, trusted));
    answer.is_ok_and(|text| text == "ok\n")
}

fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn a_changed_certificate_is_served_without_a_restart_and_a_broken_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (
        directory.path().join("tls.crt"),
        directory.path().join("tls.key"),
    );
    put(&cert, FIRST_CERT);
    put(&key, FIRST_KEY);
    let set = |name: &str, path: &Path| format!("server.tls.{name}={}", path.display());
    let server = Server::start_with(&["--set", &set("cert", &cert), "--set", &set("key", &key)]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    assert!(reaches(&server.url, FIRST_CERT) && !reaches(&server.url, SECOND_CERT));

    put(&key, SECOND_KEY);
    put(&cert, SECOND_CERT);
    eventually("the new certificate is served", || {
        reaches(&server.url, SECOND_CERT).then_some(())
    });
    assert!(!reaches(&server.url, FIRST_CERT));

    put(&cert, "garbage");
    eventually("a warning about the broken one", || {
        let said = server.messages();
        let warned = said.contains("the changed certificate is not used yet")
            && said.contains("tls.crt` holds no usable PEM certificate");
        warned.then_some(())
    });
    assert!(reaches(&server.url, SECOND_CERT), "the old one stays");
    put(&key, FIRST_KEY);
    put(&cert, FIRST_CERT);
    eventually("and a good one is taken again", || {
        reaches(&server.url, FIRST_CERT).then_some(())
    });
}

// The keys belong to tests alone.
const FIRST_CERT: &str = include_str!("../../../server/src/listener/test_keys/first.crt");
const FIRST_KEY: &str = include_str!("../../../server/src/listener/test_keys/first.key");
const SECOND_CERT: &str = include_str!("../../../server/src/listener/test_keys/second.crt");
const SECOND_KEY: &str = include_str!("../../../server/src/listener/test_keys/second.key");
