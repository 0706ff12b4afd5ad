//! The wall itself: groups, savepoints, retries, limits, and what happens when the database is not there.

mod support;

use std::{
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
    time::{Duration, Instant},
};

use countersign_store::{
    Location, Outcome, Pending, Store, StoreConfig, StoreError, WriteMode, installation, leases, testing,
};
use support::{Database, at, databases, on_each, read, write};

fn put(store: &Store, name: &'static str) -> Pending<Result<(), StoreError>> {
    store.write(WriteMode::Append, move |tx| installation::replace(tx, name, "x"))
}

fn has(store: &Store, name: &'static str) -> bool {
    read(store, move |tx| installation::read(tx, name)).is_some()
}

/// Occupies the writers until the sender is dropped, so that what is queued meanwhile is run together.
fn hold(store: &Store, writers: usize) -> impl FnOnce() {
    let (started, is_started) = sync_channel(64);
    let gates: Vec<_> = (0..writers)
        .map(|_| {
            let (open, gate) = sync_channel::<()>(1);
            let (gate, started) = (Mutex::new(gate), started.clone());
            let held = store.write(WriteMode::Housekeeping, move |_| {
                started.send(()).unwrap();
                let _ = gate.lock().unwrap().recv();
                Ok::<_, StoreError>(())
            });
            is_started.recv_timeout(Duration::from_secs(5)).unwrap();
            (open, held)
        })
        .collect();
    move || {
        for (open, held) in gates {
            drop(open);
            // It shares the fate of its group, which a test may spoil.
            let _ = held.wait();
        }
    }
}

#[test]
fn every_statement_is_accepted() {
    on_each(|store| assert!(testing::prepare_all(store).unwrap() > 80));
}

#[test]
fn a_failing_closure_in_a_group_rolls_back_alone() {
    on_each(|store| {
        let release = hold(store, 4.min(if store.reads_inline() { 1 } else { 4 }));
        let good = put(store, "good");
        let bad = store.write(WriteMode::Append, |tx| {
            installation::replace(tx, "bad", "x")?;
            Err::<(), _>(StoreError::Fault("no".to_owned()))
        });
        let swallowed = store.write(WriteMode::Append, |tx| {
            installation::replace(tx, "swallowed", "x")?;
            let _ = testing::batch(tx, "INSERT INTO nowhere VALUES (1)");
            Ok::<_, StoreError>(())
        });
        let panicking = store.write(WriteMode::Append, |tx| -> Result<(), StoreError> {
            installation::replace(tx, "panicking", "x")?;
            panic!("on purpose");
        });
        let last = put(store, "last");
        release();
        good.wait().unwrap();
        last.wait().unwrap();
        assert_eq!(bad.wait(), Err(StoreError::Fault("no".to_owned())));
        assert!(matches!(swallowed.wait(), Err(StoreError::Fault(_))));
        assert!(matches!(panicking.wait(), Err(StoreError::Fault(_))));
        assert!(has(store, "good") && has(store, "last"));
        assert!(!has(store, "bad") && !has(store, "swallowed") && !has(store, "panicking"));
    });
}

#[test]
fn what_waits_together_is_committed_together() {
    on_each(|store| {
        let writers = if store.reads_inline() { 1 } else { 4 };
        let release = hold(store, writers);
        let before = store.statistics();
        let queued: Vec<_> = (0..40).map(|_| put(store, "same")).collect();
        assert_eq!(store.statistics().queued_writes, 40);
        release();
        queued.into_iter().for_each(|one| one.wait().unwrap());
        let after = store.statistics();
        assert!(after.commits - before.commits < 20, "{before:?} {after:?}");
        assert!(after.last_commit_micros > 0);
    });
}

#[test]
fn a_savepoint_is_undone_alone() {
    on_each(|store| {
        let outcome = write(store, |tx| {
            installation::replace(tx, "outer", "x")?;
            let refused: Result<&str, StoreError> = tx.savepoint(|tx| {
                installation::replace(tx, "inner", "x")?;
                Ok(Outcome::Undo("refused"))
            });
            let failed: Result<(), StoreError> = tx.savepoint(|tx| {
                testing::batch(tx, "INSERT INTO lease (name, holder, until_at) VALUES ('l', 'a', 1)")?;
                testing::batch(tx, "INSERT INTO lease (name, holder, until_at) VALUES ('l', 'b', 1)")?;
                Ok(Outcome::Keep(()))
            });
            let nested: Result<(), StoreError> = tx.savepoint(|tx| {
                installation::replace(tx, "kept", "x")?;
                let _: Result<(), StoreError> = tx.savepoint(|tx| {
                    installation::replace(tx, "deep", "x")?;
                    Err(StoreError::Fault("no".to_owned()))
                });
                Ok(Outcome::Keep(()))
            });
            nested?;
            Ok((refused?, matches!(failed, Err(StoreError::Conflict { .. }))))
        });
        assert_eq!(outcome, ("refused", true));
        assert!(has(store, "outer") && has(store, "kept"));
        assert!(!has(store, "inner") && !has(store, "deep"));
        assert_eq!(read(store, |tx| leases::by_name(tx, "l")), None);
    });
}

#[test]
fn a_failed_statement_refuses_the_next_ones_on_both_databases() {
    on_each(|store| {
        let result = store
            .write(WriteMode::Serializable, |tx| {
                let _ = testing::batch(tx, "INSERT INTO nowhere VALUES (1)");
                installation::replace(tx, "after", "x")
            })
            .wait();
        assert!(matches!(result, Err(StoreError::Fault(_))), "{result:?}");
        assert!(!has(store, "after"));
    });
}

#[test]
fn text_with_nul_is_refused_by_both() {
    on_each(|store| {
        let result = store.write(WriteMode::Append, |tx| installation::fix(tx, "nul", "a\0b")).wait();
        assert!(matches!(result, Err(StoreError::Fault(_))));
    });
}

#[test]
fn a_reader_cannot_write_and_sees_one_snapshot() {
    on_each(|store| {
        let result = store.read(|tx| installation::replace(tx, "read", "x")).wait();
        assert!(matches!(result, Err(StoreError::ReadOnly(_) | StoreError::Fault(_))), "{result:?}");
        let writer = store.clone();
        let seen = read(store, move |tx| {
            let before = installation::read(tx, "snapshot")?;
            put(&writer, "snapshot").wait()?;
            Ok((before, installation::read(tx, "snapshot")?))
        });
        assert_eq!(seen, (None, None));
        assert!(has(store, "snapshot"));
        assert_eq!(store.read_inline(|tx| installation::read(tx, "snapshot")).unwrap(), Some("x".to_owned()));
    });
}

#[test]
fn a_full_queue_answers_busy_at_once() {
    for mut database in databases() {
        database.config.queue = 2;
        let store = database.open();
        let release = hold(&store, if store.reads_inline() { 1 } else { 4 });
        let accepted = [put(&store, "a"), put(&store, "b")];
        let started = Instant::now();
        assert!(matches!(put(&store, "c").wait(), Err(StoreError::Busy { .. })));
        assert!(started.elapsed() < Duration::from_millis(100));
        release();
        accepted.into_iter().for_each(|one| one.wait().unwrap());
        put(&store, "c").wait().unwrap();
    }
}

#[test]
fn commands_that_collide_are_run_again() {
    on_each(|store| {
        write(store, |tx| installation::replace(tx, "counter", "0"));
        let runs = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (store, runs) = (store.clone(), Arc::clone(&runs));
                thread::spawn(move || {
                    for _ in 0..10 {
                        let runs = Arc::clone(&runs);
                        write(&store, move |tx| {
                            runs.fetch_add(1, Ordering::Relaxed);
                            let count: i64 = installation::read(tx, "counter")?.unwrap().parse().unwrap();
                            installation::replace(tx, "counter", &(count + 1).to_string())
                        });
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(read(store, |tx| installation::read(tx, "counter")), Some("40".to_owned()));
        assert!(runs.load(Ordering::Relaxed) >= 40);
    });
}

#[test]
fn of_twenty_concurrent_takers_one_wins() {
    on_each(|store| {
        let wins: Vec<_> = (0..20)
            .map(|holder| {
                store.write(WriteMode::Housekeeping, move |tx| {
                    leases::acquire(tx, "sequencer", &holder.to_string(), at(0), at(60))
                })
            })
            .collect();
        let won = wins.into_iter().filter(|_| true).map(|one| one.wait().unwrap()).filter(|won| *won).count();
        assert_eq!(won, 1);
    });
}

#[test]
fn an_unknown_or_changed_migration_is_refused() {
    for database in databases() {
        let store = database.open();
        write(&store, |tx| {
            testing::batch(tx, "INSERT INTO schema_migration (version, name, text, applied_at) VALUES (99, 'later', '', 0)")
        });
        store.close();
        drop(store);
        let error = Store::open(database.config.clone()).unwrap_err();
        assert!(matches!(&error, StoreError::WrongVersion(text) if text.contains("99 later")), "{error}");
        let error = Store::open_reader(database.config.clone()).unwrap_err();
        assert!(matches!(error, StoreError::WrongVersion(_)));
    }
    for database in databases() {
        let store = database.open();
        write(&store, |tx| testing::batch(tx, "UPDATE schema_migration SET text = 'other' WHERE version = 1"));
        store.close();
        drop(store);
        let error = Store::open(database.config.clone()).unwrap_err();
        assert!(matches!(&error, StoreError::WrongVersion(text) if text.contains("differs")), "{error}");
    }
}

#[test]
fn opening_again_applies_nothing_twice() {
    for database in databases() {
        let store = database.open();
        put(&store, "kept").wait().unwrap();
        store.close();
        drop(store);
        assert!(has(&database.open(), "kept"));
    }
}

#[test]
fn a_second_server_is_refused_and_a_reader_is_not() {
    let database = Database::sqlite();
    let store = database.open();
    put(&store, "seen").wait().unwrap();
    let error = Store::open(database.config.clone()).unwrap_err();
    assert!(matches!(error, StoreError::Locked(_)), "{error}");
    let reader = Store::open_reader(database.config.clone()).unwrap();
    assert!(has(&reader, "seen"));
    assert!(matches!(put(&reader, "no").wait(), Err(StoreError::ReadOnly(_))));
    store.close();
    drop(store);
    drop(database.open());
}

#[test]
fn a_reader_of_an_empty_place_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let error = Store::open_reader(StoreConfig::sqlite(directory.path())).unwrap_err();
    assert!(error.to_string().contains("start the server"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_cannot_be_written_is_one_clear_sentence() {
    // Permissions do not bind root, the kernel's own file system does.
    let error = Store::open(StoreConfig::sqlite("/sys/kernel/countersign")).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
}

#[test]
fn a_file_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("countersign.db"), "not a database, but long enough to be read as one".repeat(50))
        .unwrap();
    let error = Store::open(StoreConfig::sqlite(directory.path())).unwrap_err();
    assert!(matches!(error, StoreError::WrongVersion(_)), "{error}");
}

#[test]
fn a_full_disk_is_told_to_every_caller_and_survived() {
    let database = Database::sqlite();
    let store = database.open();
    let release = hold(&store, 1);
    let first = put(&store, "first");
    let filler = store.write(WriteMode::Append, |tx| {
        testing::batch(tx, "PRAGMA max_page_count = 1")?;
        for index in 0..10_000 {
            installation::replace(tx, &format!("filler {index}"), &"x".repeat(4000))?;
        }
        Ok::<_, StoreError>(())
    });
    let last = put(&store, "last");
    release();
    assert!(matches!(filler.wait(), Err(StoreError::Full(_))));
    // Who shared the group was told so; who came after was carried out.
    let shared = first.wait();
    assert!(matches!(shared, Err(StoreError::Full(_))), "{shared:?}");
    let _ = last.wait();
    put(&store, "after").wait().unwrap();
    assert!(has(&store, "after") && !has(&store, "first") && !has(&store, "filler 0"));
}

#[test]
fn accepted_work_is_carried_out_when_the_store_closes() {
    for database in databases() {
        let store = database.open();
        let queued: Vec<_> = (0..50).map(|_| put(&store, "closing")).collect();
        store.close();
        queued.into_iter().for_each(|one| one.wait().unwrap());
        assert!(matches!(put(&store, "late").wait(), Err(StoreError::Unavailable(_))));
    }
}

#[test]
fn dropping_the_future_does_not_cancel_the_work() {
    on_each(|store| {
        drop(put(store, "dropped"));
        put(store, "next").wait().unwrap();
        for _ in 0..100 {
            if has(store, "dropped") {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("never written");
    });
}

#[test]
fn a_future_wakes_who_awaits_it() {
    struct Unpark(thread::Thread, AtomicBool);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.store(true, Ordering::SeqCst);
            self.0.unpark();
        }
    }
    on_each(|store| {
        let unpark = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
        let waker = unpark.clone().into();
        let mut context = std::task::Context::from_waker(&waker);
        let mut future = std::pin::pin!(put(store, "awaited"));
        let result = loop {
            match future.as_mut().poll(&mut context) {
                std::task::Poll::Ready(result) => break result,
                std::task::Poll::Pending => {
                    thread::park_timeout(Duration::from_secs(5));
                    assert!(unpark.1.load(Ordering::SeqCst), "never woken");
                }
            }
        };
        result.unwrap();
    });
}

#[test]
fn the_clock_of_the_database_is_told() {
    on_each(|store| {
        let first = read(store, |tx| tx.database_now());
        assert!(first > 1_700_000_000_000_000, "{first}");
    });
}

/// A server between the store and PostgreSQL that can be switched off.
struct Switch {
    address: String,
    on: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Switch {
    fn before(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (on, open) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let (is_on, streams) = (Arc::clone(&on), Arc::clone(&open));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if !is_on.load(Ordering::SeqCst) {
                    let _ = client.shutdown(Shutdown::Both);
                    continue;
                }
                let server = TcpStream::connect(&target).unwrap();
                streams.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let (mut a, mut b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut a, &mut b).map(|_| b.shutdown(Shutdown::Both)));
                let (mut a, mut b) = (server, client);
                thread::spawn(move || std::io::copy(&mut a, &mut b).map(|_| b.shutdown(Shutdown::Both)));
            }
        });
        Self { address, on, open }
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_database_that_goes_away_and_comes_back_is_found_again() {
    let Some(mut database) = Database::postgres() else { return };
    let url = database.url.clone().unwrap();
    let (front, name) = url.rsplit_once('/').unwrap();
    let (user, target) = front.split_once("://").unwrap().1.rsplit_once('@').unwrap();
    let switch = Switch::before(target.to_owned());
    database.config.location = Location::Postgres(format!("postgres://{user}@{}/{name}", switch.address));
    let store = database.open();
    put(&store, "before").wait().unwrap();

    // Connections that died while idle are replaced without anybody noticing.
    switch.cut();
    for _ in 0..8 {
        put(&store, "replaced").wait().unwrap();
        assert!(has(&store, "replaced"));
    }

    switch.on.store(false, Ordering::SeqCst);
    switch.cut();
    for _ in 0..8 {
        let started = Instant::now();
        let result = put(&store, "away").wait();
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        assert!(started.elapsed() < Duration::from_secs(4));
    }
    switch.on.store(true, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(1100));
    for _ in 0..8 {
        put(&store, "back").wait().unwrap();
    }
    assert!(has(&store, "back"));
}

/// With `COUNTERSIGN_TEST_POSTGRES_RESTART`, a command that restarts the server; other tests must not run meanwhile.
#[test]
fn a_restarted_server_is_found_again() {
    let Ok(command) = std::env::var("COUNTERSIGN_TEST_POSTGRES_RESTART") else { return };
    let Some(database) = Database::postgres() else { return };
    let store = database.open();
    put(&store, "before").wait().unwrap();
    assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
    let started = Instant::now();
    while put(&store, "after").wait().is_err() {
        assert!(started.elapsed() < Duration::from_secs(5), "not back after 5 s");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(has(&store, "before") && has(&store, "after"));
}
