//! Another key file: everything stays as it was, wherever the rotation is cut off.

use std::thread;

use countersign_server::{
    admin::{self, Rotated},
    clock::Clock,
    config::{Config, KeysConfig},
    key_file::rotation::{self, Rotation},
    serve::{ServeOptions, Server},
};
use countersign_testkit::{Caller, TestServer, on_each_database};
use serde_json::json;
use tokio::{runtime::Handle, task::block_in_place};

use crate::{
    keys::put,
    world::{Service, service},
};

/// Waits within what is done while a server is stopped.
fn wait<T>(work: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(work))
}

/// Starts on the data of a server that was stopped, and says why that does not work.
fn refused(config: &Config, clock: &Clock) -> String {
    let (mut config, clock) = (config.clone(), clock.clone());
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    match wait(Server::start(ServeOptions { config, clock })) {
        Ok(server) => {
            wait(server.stop()).unwrap();
            panic!("it started");
        }
        Err(error) => format!("{error:#}"),
    }
}

/// What the key file holds up: secrets, signing keys, data keys, and the terms of evidence.
async fn everything_works(server: &TestServer, service: &Service, token: &str) {
    let owner = service.owner.at(server.anyone().base());
    let known = owner.introspect(&service.target, token).await.done();
    assert_eq!(known["active"], true, "an earlier token: {known}");
    owner
        .client_token(&service.client, &[])
        .await
        .access_token();
    let set = json!({ "project": "release", "value": "hunter2" });
    put(&owner, "release.password", &set).await.done();
    found_by_address(&owner).await;
}

async fn found_by_address(owner: &Caller) {
    let page = owner
        .get("/api/evidence?source=127.0.0.1&limit=500")
        .await
        .done();
    let first = page["items"].as_array().unwrap().last().unwrap();
    assert_eq!(
        first["kind"], "signed_in",
        "the first that there was: {first}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t35_a_key_file_is_rotated_and_may_be_cut_off_between_any_two_steps() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (config, clock) = (server.config().clone(), server.clock().for_server());
        let token = service.token().await;
        everything_works(&server, &service, &token).await;
        let log_key = server.anyone().get("/api/log/key").await.done();
        assert!(
            admin::rotate_key_file(&config, &clock).await.is_err(),
            "it runs"
        );

        // Cut off when the new file is written: the old one is still good.
        let server = server
            .restart_with(|_| drop(Rotation::prepare(&config).unwrap()))
            .await;
        everything_works(&server, &service, &token).await;

        // Cut off when everything is under the new one: no server starts until the rotation goes on.
        let server = server
            .restart_with(|_| {
                let rotation = Rotation::prepare(&config).unwrap();
                // On a thread of its own, as it blocks.
                let rewrap = || admin::rewrap(&config, &clock, &rotation).unwrap();
                let rotated = thread::scope(|scope| scope.spawn(rewrap).join().unwrap());
                // Two that sign tokens, that of the log, and a data key.
                assert_eq!(rotated, Rotated::Now(4));
                let said = refused(&config, &clock);
                assert!(
                    said.contains("`countersign admin key-file rotate` goes on with it"),
                    "{said}"
                );
                let done = wait(admin::rotate_key_file(&config, &clock)).unwrap();
                assert_eq!(done.rotated, Rotated::Before);
            })
            .await;
        everything_works(&server, &service, &token).await;

        // A whole one, after an earlier one.
        let mut kept = None;
        let server = server
            .restart_with(|_| {
                let done = wait(admin::rotate_key_file(&config, &clock)).unwrap();
                assert_eq!(done.rotated, Rotated::Now(4));
                assert!(!rotation::was_cut_off(&config));
                let old = Config {
                    keys: KeysConfig {
                        file: Some(done.kept.clone()),
                        env: None,
                    },
                    ..config.clone()
                };
                let said = refused(&old, &clock);
                assert!(
                    said.contains("is not the one that this database was written with"),
                    "{said}"
                );
                kept = Some(done);
            })
            .await;
        everything_works(&server, &service, &token).await;
        assert_eq!(server.anyone().get("/api/log/key").await.done(), log_key);
        let owner = service.owner.at(server.anyone().base());
        let told = owner
            .get("/api/evidence?kind=key_file_rotated")
            .await
            .done();
        let told = told["items"].as_array().unwrap();
        let to = kept.unwrap().id;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0]["summary"]
                .as_str()
                .unwrap()
                .starts_with(&format!("key file {to}")),
            "{told:?}"
        );
        server.stop().await;
    })
    .await;
}
