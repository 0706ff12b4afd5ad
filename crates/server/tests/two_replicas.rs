//! Two servers over one PostgreSQL database: what one revokes the other refuses within a
//! second, and a database that is gone makes a replica refuse, and come back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_model::time::Seconds;
use countersign_testkit::{Database, RunForm, TestServer, claims, on_postgres, within};
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    story::{base_token, open, redeem, with_approver},
    world::service,
};

/// One second, with a moment for the request itself.
const WITHIN: Duration = Duration::from_millis(1_200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t10_what_one_replica_revokes_the_other_refuses_within_a_second() {
    on_postgres(async |database| {
        let first = TestServer::start(&database).await;
        let service = service(&first).await;
        let second = first.replica().await;
        let path = format!("/api/identities/{}", service.id());
        let why = json!({ "reason": "a test" });
        let there = second.anyone();
        for what in ["token", "credential", "identity", "disable"] {
            let client = service.owner.secret(service.id()).await;
            let issued = within(WITHIN, "the new secret", async || {
                Some(there.client_token(&client, &[]).await).filter(|answer| answer.status == 200)
            })
            .await;
            let token = issued.access_token();
            assert!(there.is_active(&service.target, &token).await);
            let started = Instant::now();
            match what {
                "token" => service
                    .owner
                    .form(
                        "/oauth2/revoke",
                        &[("token", &token)],
                        &[("authorization", &client.basic())],
                    )
                    .await
                    .done(),
                "credential" => {
                    let id = claims(&token)["credential_id"].as_str().unwrap().to_owned();
                    service
                        .owner
                        .post(&format!("/api/credentials/{id}/revoke"), &why)
                        .await
                        .done()
                }
                "identity" => {
                    let body =
                        json!({ "grain": "identity", "target": service.id(), "reason": "a test" });
                    service.owner.post("/api/revocations", &body).await.done()
                }
                _ => service
                    .owner
                    .post(&format!("{path}/disable"), &why)
                    .await
                    .done(),
            };
            within(WITHIN, what, async || {
                (!there.is_active(&service.target, &token).await).then_some(())
            })
            .await;
            eprintln!("{what}: refused after {:?}", started.elapsed());
            if what != "token" && what != "identity" {
                within(WITHIN, what, async || {
                    (there.client_token(&client, &[]).await.status == 401).then_some(())
                })
                .await;
            }
        }
        second.stop().await;
        first.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_story_goes_on_at_another_replica() {
    on_postgres(async |database| {
        let first = TestServer::start(&database).await;
        let (pipeline, lee) = with_approver(&first).await;
        let second = first.replica().await;
        let base = base_token(&first, &pipeline).await;
        let approval = open(&base.at(second.anyone().base())).await;
        let id = approval["id"].as_str().unwrap();
        lee.at(second.anyone().base()).approve(id).await;
        redeem(&first, &pipeline, id).await.access_token();
        let run = pipeline.run(&second, |claims| claims);
        second
            .anyone()
            .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
            .await
            .access_token();
        first
            .anyone()
            .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
            .await
            .refused(400, "invalid_grant");
        let keys = first.anyone().get("/.well-known/jwks.json").await.done();
        assert_eq!(
            keys,
            second.anyone().get("/.well-known/jwks.json").await.done()
        );
        second.stop().await;
        first.stop().await;
    })
    .await;
}

/// A way to a database that can be cut.
struct Cable {
    url: String,
    cut: Arc<AtomicBool>,
}

impl Cable {
    async fn to(database: &Database) -> Self {
        let url = url::Url::parse(database.url().unwrap()).unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut through = url;
        through.set_host(Some("127.0.0.1")).unwrap();
        through
            .set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        let is_cut = Arc::clone(&cut);
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((mut near, _)) = accepted else { return };
                        if is_cut.load(Ordering::SeqCst) {
                            continue;
                        }
                        let target = target.clone();
                        connections.spawn(async move {
                            if let Ok(mut far) = TcpStream::connect(&target).await {
                                let _ = copy_bidirectional(&mut near, &mut far).await;
                            }
                        });
                    }
                    () = tokio::time::sleep(Duration::from_millis(10)) => {
                        if is_cut.load(Ordering::SeqCst) {
                            connections.abort_all();
                        }
                    }
                }
            }
        });
        Self {
            url: through.to_string(),
            cut,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t10_a_replica_without_its_database_refuses_and_comes_back() {
    on_postgres(async |database| {
        let cable = Cable::to(&database).await;
        let through = cable.url.clone();
        let server = TestServer::start_with(&database, |config| {
            config.data.database = Some(countersign_crypto::Secret::new(through));
            config.limits.request_timeout_seconds = 5;
        })
        .await;
        let service = service(&server).await;
        let token = service.token().await;
        assert!(service.owner.is_active(&service.target, &token).await);
        cable.cut.store(true, Ordering::SeqCst);
        within(Duration::from_secs(5), "not ready", async || {
            (server.anyone().get("/readyz").await.status == 503).then_some(())
        })
        .await;
        // Where nothing can be written it is not ready at once; what it knows counts for a second more.
        within(Duration::from_secs(5), "stale", async || {
            let answer = service.owner.introspect(&service.target, &token).await;
            (answer.status == 503).then_some(())
        })
        .await;
        // Never active, never a token: 503 until it has heard from its database again.
        for _ in 0..10 {
            let answer = service.owner.introspect(&service.target, &token).await;
            assert_eq!(answer.status, 503, "{}", answer.text());
            let answer = service.owner.client_token(&service.client, &[]).await;
            assert_eq!(answer.status, 503, "{}", answer.text());
            let answer = service.owner.get("/api/identities").await;
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!(server.anyone().get("/healthz").await.status, 200);
        cable.cut.store(false, Ordering::SeqCst);
        within(Duration::from_secs(20), "ready again", async || {
            (server.anyone().get("/readyz").await.status == 200).then_some(())
        })
        .await;
        service.token().await;
        assert!(service.owner.is_active(&service.target, &token).await);
        server.clock().advance(Seconds(1));
        server.stop().await;
    })
    .await;
}
