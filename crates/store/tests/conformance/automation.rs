//! Events and executions: recognised once, moved by one writer at a time, found by what is due and by what is overdue.

use countersign_model::{
    Id, Timestamp,
    execution::{Behind, Enforcement, Event, EventDoc, Execution, ExecutionDoc, ExecutionState},
    id,
    time::Seconds,
};
use countersign_store::{
    events,
    executions::{self, ExecutionQuery, ToPublish},
};

use crate::support::{on_each, read, write};

fn id<K: id::Kind>(n: u8) -> Id<K> {
    let mut bytes = [0; 16];
    bytes[15] = n;
    Id::from_bytes(bytes)
}

fn event(n: u8, project: Id<id::Project>, dedup: Option<u8>) -> Event {
    Event {
        id: id(n),
        tenant_id: id(1),
        project_id: project,
        trigger_type: "core.timer".to_owned(),
        dedup: dedup.map(|byte| [byte; 32]),
        created_at: Timestamp::from_seconds(i64::from(n)),
        doc: EventDoc {
            payload: serde_json::Map::new(),
            created_by: "sensor:core.timer".to_owned(),
            txn: id(3),
            recorded: id(4),
        },
    }
}

fn execution(n: u8) -> Execution {
    let now = Timestamp::from_seconds(i64::from(n));
    Execution {
        id: id(n),
        tenant_id: id(1),
        project_id: id(2),
        action_ref: "core.echo".to_owned(),
        state: ExecutionState::Scheduled,
        attempt: 0,
        worker_id: None,
        due_at: now,
        lease_until: Some(now + Seconds(1_000)),
        created_at: now,
        ended_at: None,
        event_id: None,
        doc: ExecutionDoc {
            identity_id: id(5),
            parameters: serde_json::Map::new(),
            rule: None,
            workflow_id: None,
            depth: 0,
            txn: id(3),
            scheduled: id(4),
            token: None,
            worker: None,
            started_at: None,
            result: None,
            exit_code: None,
            stdout: String::new(),
            stderr: String::new(),
            reason: None,
            countersigned: None,
            behind: Behind::default(),
        },
    }
}

#[test]
fn an_event_is_recognised_within_its_project_and_goes_with_what_fired() {
    on_each(|store| {
        let (own, other): (Id<id::Project>, Id<id::Project>) = (id(2), id(9));
        for one in [
            event(10, own, Some(7)),
            event(11, own, None),
            event(12, own, None),
            event(13, other, Some(7)),
        ] {
            write(store, move |tx| events::insert(tx, &one));
        }
        let enforcement = Enforcement {
            event_id: id(10),
            rule: "billing.nightly".to_owned(),
            execution_id: None,
            reason: Some("not today".to_owned()),
        };
        let fired = enforcement.clone();
        write(store, move |tx| events::enforce(tx, &fired));
        assert_eq!(
            read(store, |tx| events::by_id(tx, id(10))),
            Some(event(10, own, Some(7)))
        );
        let found = read(store, move |tx| events::by_dedup(tx, own, &[7; 32]));
        assert_eq!(found.map(|found| found.id), Some(id(10)));
        assert!(read(store, move |tx| events::by_dedup(tx, own, &[8; 32])).is_none());
        assert_eq!(
            read(store, |tx| events::enforcements(tx, id(10))),
            [enforcement]
        );
        let before = Timestamp::from_seconds(11);
        assert_eq!(write(store, move |tx| events::prune(tx, before, 10)), 1);
        assert!(read(store, |tx| events::enforcements(tx, id(10))).is_empty());
        assert!(read(store, |tx| events::by_id(tx, id(11))).is_some());
    });
}

#[test]
fn an_execution_that_waits_is_to_be_published_until_it_is_claimed_and_again_in_another_attempt() {
    on_each(|store| {
        let to_publish = |at: i64| {
            read(store, move |tx| {
                executions::to_publish(tx, Timestamp::from_seconds(at), 10)
            })
        };
        let again = |told: ToPublish, published, at| {
            let at = Timestamp::from_seconds(at);
            write(store, move |tx| {
                executions::publish_again(tx, &told, published, at)
            })
        };
        write(store, |tx| executions::insert(tx, &execution(10)));
        let waiting = ToPublish {
            id: id(10),
            project_id: id(2),
            attempt: 0,
            due_at: execution(10).due_at,
            published: false,
        };
        assert_eq!(to_publish(10), [waiting]);
        assert!(again(waiting, true, 40));
        assert!(to_publish(39).is_empty());
        let published = ToPublish {
            published: true,
            ..waiting
        };
        assert_eq!(to_publish(40), [published]);
        let running = Execution {
            state: ExecutionState::Running,
            attempt: 1,
            ..execution(10)
        };
        let claimed = running.clone();
        let from = (ExecutionState::Scheduled, 0);
        write(store, move |tx| executions::update(tx, from, &claimed));
        assert!(to_publish(100).is_empty(), "a worker has it");
        assert!(!again(waiting, true, 50), "nothing is left to be noted");
        let lost = Execution {
            state: ExecutionState::Scheduled,
            due_at: Timestamp::from_seconds(60),
            ..running
        };
        let from = (ExecutionState::Running, 1);
        write(store, move |tx| executions::update(tx, from, &lost));
        assert!(to_publish(59).is_empty());
        let [second] = to_publish(60)[..] else {
            panic!()
        };
        assert_eq!((second.attempt, second.published), (1, false));
        assert!(
            !again(waiting, true, 70),
            "what came of the first attempt's message says nothing of the second's"
        );
        assert!(again(second, false, 70));
        assert_eq!(to_publish(70), [second]);
    });
}

#[test]
fn an_execution_moves_once_from_where_it_stands() {
    on_each(|store| {
        for n in [10, 11] {
            write(store, move |tx| executions::insert(tx, &execution(n)));
        }
        let later = Timestamp::from_seconds(10);
        let due = read(store, move |tx| executions::due(tx, id(2), later, 10));
        assert_eq!(due, [execution(10)], "the other's time has not come");
        let running = Execution {
            state: ExecutionState::Running,
            attempt: 1,
            worker_id: Some(id(6)),
            lease_until: Some(Timestamp::from_seconds(50)),
            ..execution(10)
        };
        let (first, second) = (running.clone(), running.clone());
        let from = (ExecutionState::Scheduled, 0);
        assert!(write(store, move |tx| executions::update(tx, from, &first)));
        assert!(
            !write(store, move |tx| executions::update(tx, from, &second)),
            "another was faster"
        );
        assert_eq!(
            read(store, |tx| executions::by_id(tx, id(10))),
            Some(running.clone())
        );
        // Who is heard of has more time; another worker and an earlier attempt have not.
        let until = Timestamp::from_seconds(60);
        for (worker, attempt, expected) in [(7, 1, false), (6, 2, false), (6, 1, true)] {
            let extended = write(store, move |tx| {
                executions::extend(tx, id(10), id(worker), attempt, until)
            });
            assert_eq!(extended, expected, "{worker} {attempt}");
        }
        let overdue = |at: i64| {
            read(store, move |tx| {
                executions::overdue(tx, id(1), Timestamp::from_seconds(at), 10)
            })
        };
        assert!(overdue(60).is_empty());
        assert_eq!(overdue(61).len(), 1);
        assert_eq!(
            overdue(2_000).len(),
            2,
            "one that nobody took is overdue too"
        );
        let over = Execution {
            state: ExecutionState::Lost,
            lease_until: None,
            ended_at: Some(Timestamp::from_seconds(70)),
            ..running
        };
        write(store, move |tx| {
            executions::update(tx, (ExecutionState::Running, 1), &over)
        });
        assert_eq!(overdue(2_000).len(), 1);
        let listed = |query: ExecutionQuery<'static>| {
            let found = read(store, move |tx| executions::list(tx, id(1), &query));
            found.iter().map(|one| one.id).collect::<Vec<_>>()
        };
        let all = ExecutionQuery {
            limit: 10,
            ..ExecutionQuery::default()
        };
        assert_eq!(listed(all.clone()), [id(11), id(10)]);
        assert_eq!(
            listed(ExecutionQuery {
                state: Some(ExecutionState::Lost),
                ..all.clone()
            }),
            [id(10)]
        );
        assert_eq!(
            listed(ExecutionQuery {
                before: Some(id(11)),
                ..all.clone()
            }),
            [id(10)]
        );
        assert!(
            listed(ExecutionQuery {
                action_ref: Some("core.none"),
                ..all
            })
            .is_empty()
        );
        let before = Timestamp::from_seconds(71);
        assert_eq!(write(store, move |tx| executions::prune(tx, before, 10)), 1);
        assert!(read(store, |tx| executions::by_id(tx, id(10))).is_none());
        assert!(
            read(store, |tx| executions::by_id(tx, id(11))).is_some(),
            "what is not over stays"
        );
    });
}
