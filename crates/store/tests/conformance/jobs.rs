//! What jobs keep: attempts, messages, leases.

use countersign_store::{
    attempts::{self, RefusedAttempt},
    leases,
    outbox::{self, Message},
};

use crate::support::{at, id, on_each, read, write};

#[test]
fn refused_attempts_are_bounded() {
    on_each(|store| {
        let (tenant_id, identity_id) = (id(), id());
        let attempt = |identity_id, expires: i64| RefusedAttempt {
            id: id(),
            tenant_id,
            identity_id,
            at: at(0),
            expires_at: at(expires),
            doc: "{}".to_owned(),
        };
        let known: Vec<_> = (0..5)
            .map(|index| attempt(Some(identity_id), index))
            .collect();
        let unknown: Vec<_> = (0..4).map(|index| attempt(None, index)).collect();
        let inserted = [known.clone(), unknown.clone()].concat();
        write(store, move |tx| {
            inserted
                .iter()
                .try_for_each(|attempt| attempts::insert(tx, attempt, 3))
        });
        let list = |identity_id, before, limit| {
            read(store, move |tx| {
                attempts::list(tx, tenant_id, identity_id, before, limit)
            })
        };
        let newest: Vec<_> = known[2..].iter().rev().cloned().collect();
        assert_eq!(list(Some(identity_id), None, 10), newest);
        assert_eq!(
            list(Some(identity_id), Some(known[4].id), 1),
            [known[3].clone()]
        );
        assert_eq!(list(None, None, 10).len(), 6);
        assert_eq!(write(store, |tx| attempts::prune(tx, at(3), 10)), 3);
        assert_eq!(list(None, None, 10).len(), 3);
    });
}

#[test]
fn a_message_is_tried_until_it_is_delivered_or_dead() {
    on_each(|store| {
        let message = |next: i64| Message {
            id: id(),
            tenant_id: id(),
            kind: "mail".to_owned(),
            payload: "{}".to_owned(),
            next_at: at(next),
            attempts: 0,
            channel: "email".to_owned(),
            recipient: Some(id()),
        };
        assert_eq!(read(store, outbox::waiting), (0, None));
        let all = [message(1), message(2), message(3)];
        for one in all.clone() {
            write(store, move |tx| outbox::insert(tx, &one));
        }
        let (waiting, oldest) = read(store, outbox::waiting);
        assert_eq!(waiting, 3);
        assert!(oldest.is_some());
        let due = |now| read(store, move |tx| outbox::due(tx, at(now), 10));
        assert_eq!(due(2), all[..2]);
        let (first, second) = (all[0].clone(), all[1].clone());
        let delivered = first.id;
        assert!(write(store, move |tx| outbox::complete(tx, delivered)));
        let again = second.clone();
        assert!(write(store, move |tx| outbox::retry(
            tx,
            &again,
            Some(at(9))
        )));
        let stale = second.clone();
        assert!(!write(store, move |tx| outbox::retry(
            tx,
            &stale,
            Some(at(9))
        )));
        assert_eq!(due(3), [all[2].clone()]);
        let last = due(9).into_iter().find(|one| one.id == second.id).unwrap();
        assert_eq!(last.attempts, 1);
        assert!(write(store, move |tx| outbox::retry(tx, &last, None)));
        assert_eq!(due(100), [all[2].clone()]);
        assert_eq!(write(store, |tx| outbox::prune_dead(tx, at(10), 10)), 1);
    });
}

#[test]
fn a_lease_is_held_by_one_until_it_lapses() {
    on_each(|store| {
        let acquire = |holder: &'static str, now: i64| {
            write(store, move |tx| {
                leases::acquire(tx, "job", holder, at(now), at(now + 10))
            })
        };
        assert!(acquire("a", 0));
        assert!(acquire("a", 5));
        assert!(!acquire("b", 14));
        assert!(acquire("b", 15));
        assert_eq!(
            read(store, |tx| leases::by_name(tx, "job")),
            Some(("b".to_owned(), at(25)))
        );
        assert!(!write(store, |tx| leases::release(tx, "job", "a")));
        assert!(write(store, |tx| leases::release(tx, "job", "b")));
    });
}
