//! Where the server connects to, and what it takes from there.

use tokio::io::AsyncWriteExt as _;

use super::*;

async fn fetch(issuer: &IssuerDoc, outbound: Outbound) -> Result<Arc<KeySet>, FetchError> {
    KeyFetcher::new(outbound, Timing::default())
        .keys(issuer_id(), issuer, None)
        .await
}

#[tokio::test]
async fn keys_come_by_discovery_by_address_and_from_the_record() {
    let server = FixtureIssuer::start().await.unwrap();
    let by_discovery = fetch(&at(server.url()), loopback()).await.unwrap();
    assert_eq!(by_discovery.keys().len(), 2);
    let uri = format!("{}/openid/v1/jwks", server.url());
    let by_address = fetch(
        &IssuerDoc {
            keys: KeySource::Uri(uri),
            ..at("https://x.example")
        },
        loopback(),
    )
    .await
    .unwrap();
    assert_eq!(kids(&by_address), kids(&by_discovery));
    let requests = server.requests();
    // A record that carries its keys asks nobody.
    let record = server.record(IssuerProfile::Kubernetes, None);
    let pinned = fetch(&record, Outbound::new(AddressPolicy::default()))
        .await
        .unwrap();
    assert_eq!(kids(&pinned), kids(&by_discovery));
    assert_eq!(server.requests(), requests);
}

#[tokio::test]
async fn an_enterprise_issuer_has_a_path() {
    let server = FixtureIssuer::start_at("/acme").await.unwrap();
    assert!(fetch(&at(server.url()), loopback()).await.is_ok());
    let parent = server.url().strip_suffix("/acme").unwrap();
    assert!(fetch(&at(parent), loopback()).await.is_err());
}

#[tokio::test]
async fn t23_loopback_needs_its_flag() {
    let recorder = Recorder::start().await;
    for url in [
        format!("http://{}", recorder.address),
        format!("https://{}", recorder.address),
        format!("http://localhost:{}", recorder.address.port()),
        format!("https://localhost:{}", recorder.address.port()),
        format!("https://[::ffff:7f00:1]:{}", recorder.address.port()),
        format!("https://2130706433:{}", recorder.address.port()),
        format!("https://0x7f.1:{}", recorder.address.port()),
        format!("https://127.1:{}", recorder.address.port()),
    ] {
        let error = fetch(&at(&url), Outbound::new(AddressPolicy::default()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, FetchError::Blocked { .. } | FetchError::Url { .. }),
            "{url}: {error}"
        );
    }
    assert_eq!(recorder.connections(), 0);
}

#[tokio::test]
async fn t23_metadata_private_and_malformed_addresses_are_never_connected_to() {
    for url in [
        "https://169.254.169.254",
        "https://[fe80::1]",
        "https://10.0.0.1",
        "https://192.168.1.1",
        "https://100.64.0.1",
        "https://[fd00:ec2::254]",
        "https://[64:ff9b::7f00:1]",
        "https://[::ffff:a9fe:a9fe]",
        "https://0.0.0.0",
        "http://8.8.8.8",
        "http://issuer.example",
        "https://user:secret@issuer.example",
        "file:///etc/passwd",
        "gopher://issuer.example",
        "issuer.example",
        "",
    ] {
        for policy in [
            AddressPolicy::default(),
            AddressPolicy::new(true, Vec::new()),
        ] {
            let error = fetch(&at(url), Outbound::new(policy)).await.unwrap_err();
            assert!(
                matches!(error, FetchError::Blocked { .. } | FetchError::Url { .. }),
                "{url}: {error}"
            );
            assert!(!error.to_string().contains("secret"));
        }
    }
}

#[tokio::test]
async fn t23_a_name_is_checked_when_it_is_connected_to() {
    let recorder = Recorder::start().await;
    let url = format!("https://issuer.example:{}", recorder.address.port());
    for addresses in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["169.254.169.254"],
        &["64:ff9b::7f00:1"],
    ] {
        let outbound = Outbound::with_lookup(AddressPolicy::default(), Scripted::new(&[addresses]));
        let error = fetch(&at(&url), outbound).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Blocked { .. }),
            "{addresses:?}: {error}"
        );
    }
    assert_eq!(recorder.connections(), 0);
}

#[tokio::test]
async fn t23_a_name_that_changes_its_mind_is_not_asked_twice() {
    // Good when it is asked first, this machine ever after: each connection asks and checks anew,
    // and connects to what was checked.
    let recorder = Recorder::start().await;
    let url = format!("https://issuer.example:{}", recorder.address.port());
    let lookup = Scripted::new(&[&["10.20.0.1"], &["127.0.0.1"]]);
    let policy = AddressPolicy::new(false, vec!["10.20.0.0/16".parse().unwrap()]);
    let outbound = Outbound::with_lookup(policy, lookup);
    let first = tokio::time::timeout(
        Duration::from_millis(300),
        fetch(&at(&url), outbound.clone()),
    )
    .await;
    assert!(
        !matches!(first, Ok(Ok(_) | Err(FetchError::Blocked { .. }))),
        "the first answer was let out"
    );
    let second = fetch(&at(&url), outbound).await.unwrap_err();
    assert!(matches!(second, FetchError::Blocked { .. }), "{second}");
    assert_eq!(recorder.connections(), 0);
}

#[tokio::test]
async fn t23_localhost_is_this_machine_or_nothing() {
    let outbound = Outbound::with_lookup(
        AddressPolicy::new(true, Vec::new()),
        Scripted::new(&[&["8.8.8.8"]]),
    );
    let error = fetch(&at("http://localhost:9"), outbound)
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Blocked { .. }), "{error}");
}

#[tokio::test]
async fn t23_no_redirect_is_followed() {
    let (server, recorder) = (
        FixtureIssuer::start().await.unwrap(),
        Recorder::start().await,
    );
    server.set_fault(Some(Fault::Redirect(format!(
        "http://{}/keys",
        recorder.address
    ))));
    let error = fetch(&at(server.url()), loopback()).await.unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error}");
    assert_eq!(recorder.connections(), 0);
}

#[tokio::test]
async fn t23_a_key_set_elsewhere_is_checked_like_the_issuer() {
    let server = FixtureIssuer::start().await.unwrap();
    for address in [
        "http://169.254.169.254/keys",
        "https://10.0.0.1/keys",
        "http://issuer.example/keys",
        "file:///etc/passwd",
    ] {
        server.set_fault(Some(Fault::KeySetAt(address.to_owned())));
        let error = fetch(&at(server.url()), loopback()).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Blocked { .. } | FetchError::Url { .. }),
            "{address}: {error}"
        );
    }
}

#[tokio::test]
async fn the_document_must_be_of_this_very_issuer() {
    let server = FixtureIssuer::start().await.unwrap();
    let url = server.url().to_owned();
    for issuer in [
        format!("{url}/"),
        url.replace("127.0.0.1", "localhost"),
        url.to_uppercase(),
        String::new(),
    ] {
        server.set_fault(Some(Fault::Issuer(issuer.clone())));
        let error = fetch(&at(&url), loopback()).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Discovery { .. }),
            "{issuer}: {error}"
        );
    }
    // An issuer that is registered with a slash must say so.
    server.set_fault(None);
    assert!(fetch(&at(&format!("{url}/")), loopback()).await.is_err());
    server.set_fault(Some(Fault::Issuer(format!("{url}/"))));
    assert!(fetch(&at(&format!("{url}/")), loopback()).await.is_ok());
}

#[tokio::test]
async fn t24_an_endless_answer_ends_at_the_limit() {
    let server = FixtureIssuer::start().await.unwrap();
    server.set_fault(Some(Fault::Endless));
    let error = fetch(&at(server.url()), loopback()).await.unwrap_err();
    assert!(
        matches!(error, FetchError::TooLarge { limit: 262_144, .. }),
        "{error}"
    );
    let key = r#"{"kty":"RSA"},"#.repeat(20_000);
    server.set_fault(Some(Fault::KeySetText(format!(
        r#"{{"keys":[{key}{{}}]}}"#
    ))));
    let error = fetch(&at(server.url()), loopback()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn t24_what_is_no_key_set_is_none() {
    let server = FixtureIssuer::start().await.unwrap();
    let many = vec![r#"{"kty":"RSA"}"#; 65].join(",");
    for text in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        &format!(r#"{{"keys":[{many}]}}"#),
        &"[".repeat(10_000),
    ] {
        server.set_fault(Some(Fault::KeySetText(text.to_owned())));
        let error = fetch(&at(server.url()), loopback()).await.unwrap_err();
        assert!(matches!(error, FetchError::Keys { .. }), "{error}");
    }
    for status in [204, 404, 500] {
        server.set_fault(Some(Fault::Status(status)));
        let error = fetch(&at(server.url()), loopback()).await.unwrap_err();
        assert!(matches!(error, FetchError::Status { .. }), "{error}");
    }
}

#[tokio::test]
async fn t24_an_answer_that_stops_coming_is_given_up() {
    let server = FixtureIssuer::start().await.unwrap();
    server.set_fault(Some(Fault::Stalled));
    let started = Instant::now();
    let error = fetch(&at(server.url()), loopback()).await.unwrap_err();
    assert!(matches!(error, FetchError::Timeout { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(7));
}

#[tokio::test]
async fn the_keys_of_a_cluster_are_never_fetched() {
    let server = FixtureIssuer::start().await.unwrap();
    let cluster = IssuerDoc {
        profile: IssuerProfile::Kubernetes,
        ..at(server.url())
    };
    assert!(matches!(
        fetch(&cluster, loopback()).await,
        Err(FetchError::Record(_))
    ));
    assert_eq!(server.requests().discovery, 0);
}

#[tokio::test]
async fn a_ca_bundle_that_is_none_is_refused() {
    let broken = IssuerDoc {
        ca_bundle: Some(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        ),
        ..at("https://issuer.example")
    };
    assert!(fetch(&broken, loopback()).await.is_err());
}

#[tokio::test]
async fn t23_headers_without_end_are_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let line = format!("x-padding: {}\r\n", "x".repeat(8000));
            let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            while sent.is_ok() {
                sent = stream.write_all(line.as_bytes()).await;
            }
        }
    });
    let error = fetch(&at(&url), loopback()).await.unwrap_err();
    assert!(matches!(error, FetchError::Connection { .. }), "{error}");
    server.abort();
}
