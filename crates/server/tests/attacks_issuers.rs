//! Attacks through what the server connects to (T23): from the registration to the token request.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign_server::fixture_issuer::Fault;
use countersign_testkit::{
    FixtureIssuer, RunForm, TestServer, Trust, github_match, on_each_database,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::world::{AUDIENCE, pipeline, project};

/// A port of this machine that counts who connects.
struct Recorder {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Recorder {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            address,
            connections,
            task,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t23_no_registered_issuer_makes_the_server_connect_where_it_should_not() {
    on_each_database(async |database| {
        let server = TestServer::start_with(&database, |config| {
            config.federation.allow_loopback_issuers = false;
        })
        .await;
        let (owner, _) = project(&server).await;
        let recorder = Recorder::start().await;
        // Signs for whatever issuer it is told to be.
        let ci = FixtureIssuer::start().await.unwrap();
        let port = recorder.address.port();
        let urls = [
            format!("http://127.0.0.1:{port}"),
            format!("https://127.0.0.1:{port}"),
            format!("https://localhost:{port}"),
            format!("https://[::ffff:7f00:1]:{port}"),
            format!("https://2130706433:{port}"),
            format!("https://0x7f.1:{port}"),
            format!("https://127.1:{port}"),
            format!("https://user@127.0.0.1:{port}"),
            format!("https://issuer.example@127.0.0.1:{port}"),
            "https://169.254.169.254".to_owned(),
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "https://[fe80::1]".to_owned(),
            "https://10.0.0.1".to_owned(),
            "https://100.64.0.1".to_owned(),
            "https://[64:ff9b::7f00:1]".to_owned(),
            "file:///etc/passwd".to_owned(),
        ];
        let mut saved = 0;
        for (number, url) in urls.iter().enumerate() {
            for keys in [None, Some(json!({ "uri": format!("{url}/keys") }))] {
                let (name, identifier) = match &keys {
                    None => (format!("p-{number}-a"), url.clone()),
                    // Its name is innocent, its keys are not.
                    Some(_) => (
                        format!("p-{number}-b"),
                        format!("https://ci-{number}.example"),
                    ),
                };
                let mut body = json!({ "url": identifier, "profile": "github" });
                if let Some(keys) = keys {
                    body["keys"] = keys;
                }
                let made = owner.post("/api/issuers", &body).await;
                if made.status != 201 {
                    assert!(
                        matches!(made.status, 400 | 422),
                        "{url}: {} {}",
                        made.status,
                        made.text()
                    );
                    continue;
                }
                saved += 1;
                let fields = json!({ "audiences": [AUDIENCE], "environments": ["production"] });
                let identity = owner.identity("pipeline", &name, "release", fields).await;
                let id = identity["id"].as_str().unwrap();
                let trust = Trust {
                    issuer: &identifier,
                    environments: &["production"],
                    matches: github_match(),
                };
                owner.trust(id, &trust).await;
                let claims = ci.github(server.clock().now(), server.issuer());
                let run = ci.mint(&claims.with("iss", identifier.as_str())).unwrap();
                for form in RunForm::ALL {
                    let answer = server.anyone().run_token(form, id, &run, &[]).await;
                    assert!(
                        matches!(answer.status, 400 | 429 | 503),
                        "{url}: {} {}",
                        answer.status,
                        answer.text()
                    );
                    assert!(!answer.text().contains("root:"), "{}", answer.text());
                }
            }
        }
        assert!(saved > 0, "no address got as far as the connection");
        assert_eq!(recorder.connections(), 0);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t23_an_issuer_that_turned_bad_leads_the_server_nowhere() {
    on_each_database(async |database| {
        let recorder = Recorder::start().await;
        for fault in [
            Fault::Redirect(format!("http://{}/keys", recorder.address)),
            Fault::Redirect("http://169.254.169.254/latest/meta-data".to_owned()),
            Fault::KeySetAt("http://169.254.169.254/keys".to_owned()),
            Fault::KeySetAt("file:///etc/passwd".to_owned()),
            Fault::KeySetAt(format!("http://user:secret@{}/keys", recorder.address)),
            Fault::Issuer("https://other.example".to_owned()),
            Fault::Endless,
        ] {
            let fresh = if database.url().is_some() {
                countersign_testkit::Database::postgres().unwrap()
            } else {
                database.clone()
            };
            let server = TestServer::start(&fresh).await;
            let pipeline = pipeline(&server).await;
            let what = format!("{fault:?}");
            pipeline.issuer.set_fault(Some(fault));
            let run = pipeline.run(&server, |claims| claims);
            let present = || {
                let (caller, id, run) = (server.anyone(), pipeline.id().to_owned(), run.clone());
                async move { caller.run_token(RunForm::JwtBearer, &id, &run, &[]).await }
            };
            let answer = present().await;
            assert_eq!(answer.status, 503, "{what}: {}", answer.text());
            assert!(!answer.text().contains("secret"), "{}", answer.text());
            assert_eq!(recorder.connections(), 0, "{what}");
            server.stop().await;
        }
    })
    .await;
}
