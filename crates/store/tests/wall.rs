//! The wall itself: groups, savepoints, retries, limits, futures.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use countersign_store::{Outcome, ReadMode, StoreError, WriteMode, installation, leases, testing};
use support::{Database, at, databases, has, hold, on_each, put, read, write};

#[test]
fn facts_are_listed_by_how_their_names_begin_and_can_be_forgotten() {
    on_each(|store| {
        write(store, |tx| {
            for name in ["running_b", "running_a", "running", "runningz", "other"] {
                installation::replace(tx, name, name)?;
            }
            Ok(())
        });
        let listed = || read(store, |tx| installation::beginning(tx, "running_"));
        let pair = |name: &str| (name.to_owned(), name.to_owned());
        assert_eq!(listed(), [pair("running_a"), pair("running_b")]);
        assert!(write(store, |tx| installation::remove(tx, "running_a")));
        assert!(!write(store, |tx| installation::remove(tx, "running_a")));
        assert_eq!(listed(), [pair("running_b")]);
    });
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
fn searches_that_do_not_end_hold_back_neither_the_log_nor_a_request() {
    on_each(|store| {
        let (open, gate) = std::sync::mpsc::sync_channel::<()>(1);
        let gate = Arc::new(std::sync::Mutex::new(gate));
        // More than there are threads for them, so that some wait behind those that do not end.
        let searches: Vec<_> = (0..8)
            .map(|_| {
                let gate = Arc::clone(&gate);
                store.read_as(ReadMode::Search, move |tx| {
                    let _ = gate.lock().unwrap().recv();
                    installation::read(tx, "anything")
                })
            })
            .collect();
        for mode in [ReadMode::Follow, ReadMode::Request] {
            let (sent, received) = std::sync::mpsc::sync_channel(1);
            let answered = store.read_as(mode, |tx| installation::read(tx, "anything"));
            thread::spawn(move || sent.send(answered.wait()));
            let answer = received.recv_timeout(Duration::from_secs(5));
            assert_eq!(answer, Ok(Ok(None)), "{mode:?}");
        }
        assert!(store.statistics().queued_reads > 0);
        drop(open);
        for search in searches {
            assert_eq!(search.wait(), Ok(None));
        }
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
                testing::batch(
                    tx,
                    "INSERT INTO lease (name, holder, until_at) VALUES ('l', 'a', 1)",
                )?;
                testing::batch(
                    tx,
                    "INSERT INTO lease (name, holder, until_at) VALUES ('l', 'b', 1)",
                )?;
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
        let result = store
            .write(WriteMode::Append, |tx| installation::fix(tx, "nul", "a\0b"))
            .wait();
        assert!(matches!(result, Err(StoreError::Fault(_))));
    });
}

#[test]
fn a_reader_cannot_write_and_sees_one_snapshot() {
    on_each(|store| {
        let result = store
            .read(|tx| installation::replace(tx, "read", "x"))
            .wait();
        assert!(
            matches!(result, Err(StoreError::ReadOnly(_) | StoreError::Fault(_))),
            "{result:?}"
        );
        let writer = store.clone();
        let seen = read(store, move |tx| {
            let before = installation::read(tx, "snapshot")?;
            put(&writer, "snapshot").wait()?;
            Ok((before, installation::read(tx, "snapshot")?))
        });
        assert_eq!(seen, (None, None));
        assert!(has(store, "snapshot"));
        assert_eq!(
            store
                .read_inline(|tx| installation::read(tx, "snapshot"))
                .unwrap(),
            Some("x".to_owned())
        );
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
        assert!(matches!(
            put(&store, "c").wait(),
            Err(StoreError::Busy { .. })
        ));
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
                            let count: i64 =
                                installation::read(tx, "counter")?.unwrap().parse().unwrap();
                            installation::replace(tx, "counter", &(count + 1).to_string())
                        });
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(
            read(store, |tx| installation::read(tx, "counter")),
            Some("40".to_owned())
        );
        assert!(runs.load(Ordering::Relaxed) >= 40);
    });
}

#[test]
fn who_collides_many_times_is_still_run() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.open();
    let mut runs = 0;
    let runs = write(&store, move |tx| {
        runs += 1;
        if runs <= 14 {
            testing::batch(
                tx,
                "DO $$ BEGIN RAISE EXCEPTION 'collided' USING ERRCODE = 'serialization_failure'; END $$",
            )?;
        }
        Ok(runs)
    });
    assert_eq!(runs, 15);
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
        let won = wins
            .into_iter()
            .filter(|_| true)
            .map(|one| one.wait().unwrap())
            .filter(|won| *won)
            .count();
        assert_eq!(won, 1);
    });
}

#[test]
fn accepted_work_is_carried_out_when_the_store_closes() {
    for database in databases() {
        let store = database.open();
        let queued: Vec<_> = (0..50).map(|_| put(&store, "closing")).collect();
        store.close();
        queued.into_iter().for_each(|one| one.wait().unwrap());
        assert!(matches!(
            put(&store, "late").wait(),
            Err(StoreError::Unavailable(_))
        ));
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
