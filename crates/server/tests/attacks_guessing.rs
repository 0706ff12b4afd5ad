//! Attacks by guessing (T1 and T2): how often, and what is learnt from words and time.

use std::time::Instant;

use countersign_testkit::{
    Answer, Caller, ClientSecret, Database, RunForm, TestServer, on_each_database,
};
use serde_json::json;

use crate::world::{AUDIENCE, Service, pipeline, service};

/// So many guesses (T1).
const GUESSES: usize = 10_000;

/// So many guess at the same time.
const GUESSERS: usize = 8;

/// So many pairs are compared (T2).
const PAIRS: usize = 2000;

/// Beyond it two series of times differ (T2).
const TELLING: f64 = 4.5;

/// A machine that is busy with something else for a moment disturbs one comparison, not all. What leaks shows in each.
const COMPARISONS: usize = 5;

async fn ask(caller: &Caller, client: &ClientSecret, from: &str) -> Answer {
    let headers = [
        ("authorization", client.basic()),
        ("x-forwarded-for", from.to_owned()),
    ];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let form = [("grant_type", "client_credentials")];
    caller.form("/oauth2/token", &form, &headers).await
}

/// The client with a well-formed secret that was never given out: the checksum fits, the rest is made up.
fn made_up(client_id: &str) -> ClientSecret {
    let (_, secret) = countersign_crypto::opaque::OpaqueSecret::generate(
        countersign_crypto::opaque::SecretKind::ClientSecret,
    );
    ClientSecret {
        client_id: client_id.to_owned(),
        client_secret: secret.expose().clone(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t01_ten_thousand_guesses_are_stopped_and_nobody_else_is() {
    // The limits are counted in memory: one database is enough.
    let server = TestServer::start_with(&Database::sqlite(), |config| {
        let limits = countersign_server::config::Config::default().limits;
        config.limits.failures_per_client_per_minute = limits.failures_per_client_per_minute;
        config.limits.failures_per_address_per_minute = limits.failures_per_address_per_minute;
        config.server.behind_proxy = true;
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let service = service(&server).await;
    let other = service
        .owner
        .identity(
            "bot",
            "triage",
            "release",
            json!({ "audiences": [AUDIENCE] }),
        )
        .await;
    let other = service.owner.secret(other["id"].as_str().unwrap()).await;
    let started = Instant::now();
    let guesser = |number: usize| {
        let (caller, client) = (server.anyone(), service.client.client_id.clone());
        tokio::spawn(async move {
            let (mut heard, mut stopped) = (0_usize, 0_usize);
            for guess in 0..GUESSES / GUESSERS {
                // Every second guess spells the client in another way, or names one that does not exist.
                let name = match guess % 4 {
                    0 => client.to_uppercase(),
                    1 => format!("{client} "),
                    2 => format!("made-up-{number}-{guess}"),
                    _ => client.clone(),
                };
                let answer = ask(&caller, &made_up(&name), "203.0.113.9").await;
                match answer.status {
                    401 => heard += 1,
                    429 => {
                        let again: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                        assert!((1..=60).contains(&again), "{again}");
                        stopped += 1;
                    }
                    other => panic!("{other}: {}", answer.text()),
                }
            }
            (heard, stopped)
        })
    };
    let guessers: Vec<_> = (0..GUESSERS).map(guesser).collect();
    let (mut heard, mut stopped) = (0, 0);
    for one in guessers {
        // Meanwhile the same client, from where it works, and another one are served.
        ask(&server.anyone(), &service.client, "198.51.100.7")
            .await
            .access_token();
        ask(&server.anyone(), &other, "198.51.100.8")
            .await
            .access_token();
        let (one_heard, one_stopped) = one.await.unwrap();
        heard += one_heard;
        stopped += one_stopped;
    }
    assert_eq!(heard + stopped, GUESSES);
    // All at once, then evenly; and as many more as can be on their way while the last one is counted.
    let minutes = usize::try_from(started.elapsed().as_secs() / 60 + 1).unwrap();
    let limits = &server.config().limits;
    let most = usize::try_from(limits.failures_per_address_per_minute).unwrap() * (minutes + 1);
    assert!(heard <= most + GUESSERS, "{heard} of {GUESSES} were heard");
    // A guess is free again every second or so: only what is asked right after a refusal tells.
    let mut waits = false;
    for _ in 0..10 {
        while ask(&server.anyone(), &made_up("made-up"), "203.0.113.9")
            .await
            .status
            != 429
        {}
        let answer = ask(&server.anyone(), &service.client, "203.0.113.9").await;
        waits = answer.status == 429;
        if waits {
            break;
        }
    }
    assert!(waits, "who guessed waits, also with the right secret");
    server.run_job("flush_refusals").await;
    let refused = service
        .owner
        .get("/api/evidence?kind=refused&limit=200")
        .await;
    let records = refused.done()["items"].as_array().unwrap().len();
    // The thirty and more of the client in its three spellings are three records every ten seconds.
    assert!(
        records + 10 <= heard,
        "{records} records of {heard} guesses that were heard"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t01_runs_that_prove_nothing_are_stopped_too() {
    on_each_database(async |database| {
        let server = TestServer::start_with(&database, |config| {
            config.limits.failures_per_client_per_minute = 5;
        })
        .await;
        let pipeline = pipeline(&server).await;
        let mut statuses = Vec::new();
        for _ in 0..7 {
            let fork = pipeline.run(&server, |claims| claims.with("repository_id", "1"));
            let caller = server.anyone();
            let answer = caller.run_token(RunForm::JwtBearer, pipeline.id(), &fork, &[]);
            statuses.push(answer.await.status);
        }
        assert_eq!(statuses, [400, 400, 400, 400, 400, 429, 429]);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t02_a_run_that_is_not_trusted_does_not_learn_which_identities_exist() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let strange = pipeline.run(&server, |claims| claims.with("repository_id", "1"));
        let unsigned = strange.rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
        for form in RunForm::ALL {
            let mut seen = std::collections::BTreeSet::new();
            for name in [
                "release-promoter-prod",
                pipeline.id(),
                "nobody",
                "0198c0de-0000-7000-8000-000000000000",
                "deploy-target",
            ] {
                for run in [&strange, &unsigned] {
                    let answer = server.anyone().run_token(form, name, run, &[]).await;
                    answer.refused(400, "invalid_grant");
                    seen.insert(answer.text());
                }
            }
            assert_eq!(seen.len(), 1, "{form:?}: {seen:#?}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t02_the_time_of_an_answer_does_not_tell_which_clients_exist() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let mut all = Vec::new();
        for _ in 0..COMPARISONS {
            let told = compare(&server, &service).await;
            all.push(told);
            if told.abs() < TELLING {
                server.stop().await;
                return;
            }
        }
        panic!("the times of a client that exists and of one that does not differ: t = {all:?}");
    })
    .await;
}

/// Welch's t of the times of wrong secrets: for a client that exists, and for one that does not.
async fn compare(server: &TestServer, service: &Service) -> f64 {
    let caller = server.anyone();
    let exists = service.client.client_id.clone();
    // Of the same length: a longer request takes longer.
    let last = if exists.ends_with('0') { '1' } else { '0' };
    let strange = format!("{}{last}", &exists[..exists.len() - 1]);
    let mut times = [Vec::with_capacity(PAIRS), Vec::with_capacity(PAIRS)];
    for pair in 0..PAIRS + PAIRS / 10 {
        // Which one goes first changes, so that nothing periodic falls on one of them.
        for turn in 0..2 {
            let which = (pair + turn + usize::from(pair % 3 == 0)) % 2;
            let client = made_up(if which == 0 { &exists } else { &strange });
            let begun = Instant::now();
            let answer = ask(&caller, &client, "127.0.0.1").await;
            let took = begun.elapsed().as_secs_f64();
            assert_eq!(answer.status, 401, "{}", answer.text());
            // The first tenth warms connections and caches.
            if pair >= PAIRS / 10 {
                times[which].push(took);
            }
        }
    }
    let mut pooled: Vec<f64> = times.iter().flatten().copied().collect();
    pooled.sort_by(f64::total_cmp);
    // What took longest was disturbed by something else: the same bound cuts it off on both sides.
    let bound = pooled[pooled.len() * 9 / 10];
    let [one, other] = times.map(|times| {
        times
            .into_iter()
            .filter(|took| *took < bound)
            .collect::<Vec<_>>()
    });
    welch(&one, &other)
}

/// Welch's t of two samples.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let count = |sample: &[f64]| f64::from(u32::try_from(sample.len()).unwrap());
    let mean = |sample: &[f64]| sample.iter().sum::<f64>() / count(sample);
    let spread = |sample: &[f64]| {
        let middle = mean(sample);
        let squares = sample.iter().map(|value| (value - middle).powi(2));
        squares.sum::<f64>() / (count(sample) - 1.0) / count(sample)
    };
    (mean(one) - mean(other)) / (spread(one) + spread(other)).sqrt()
}

#[test]
fn welchs_t_tells_a_difference_from_noise() {
    // Worked by hand: means 3 and 5, variances 2.5 and 2.5, five of each.
    let t = welch(&[1.0, 2.0, 3.0, 4.0, 5.0], &[3.0, 4.0, 5.0, 6.0, 7.0]);
    assert!((t + 2.0).abs() < 1e-12, "{t}");
    let noise = |shift: f64| {
        (0..1000_u32)
            .map(|n| f64::from(n * 7919 % 1000) + shift)
            .collect::<Vec<_>>()
    };
    assert!(welch(&noise(0.0), &noise(1.0)).abs() < TELLING);
    assert!(welch(&noise(0.0), &noise(100.0)).abs() > TELLING);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t01_a_code_of_a_person_is_not_guessed_either() {
    on_each_database(async |database| {
        let server = TestServer::start_with(&database, |config| {
            config.limits.failures_per_client_per_minute = 5;
        })
        .await;
        let mut statuses = Vec::new();
        for guess in 0..7 {
            let body = json!({ "code": format!("{}{guess}", "A".repeat(40)) });
            statuses.push(server.anyone().post("/api/sessions", &body).await.status);
        }
        assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
        server.stop().await;
    })
    .await;
}
