//! Following changes and revocations.

use std::{
    sync::{Mutex, mpsc::sync_channel},
    thread,
    time::{Duration, Instant},
};

use countersign_model::{
    evidence::Grain,
    id::{self, Id},
    registry::Status,
};
use countersign_store::{
    Cursor, Store, StoreError, WriteMode, changes,
    evidence::{self, Position},
    records,
    revocations::{self, Revocation},
};

use crate::support::{self, at, evidence, id, insert, on_each, read, team, write};

fn follow(store: &Store, cursor: Cursor, limit: u32) -> (Vec<Id<id::Record>>, Cursor) {
    let (mut cursor, mut all) = (cursor, Vec::new());
    loop {
        let page = read(store, move |tx| changes::after(tx, cursor, limit));
        all.extend(page.items.iter().map(|change| change.record_id));
        cursor = page.next;
        if !page.more {
            return (all, cursor);
        }
    }
}

#[test]
fn every_change_of_a_record_is_in_the_feed() {
    on_each(|store| {
        let start = read(store, changes::latest);
        let record = team(id(), "core");
        insert(store, &record);
        let (id, update) = (record.id, record.clone());
        write(store, move |tx| {
            records::update(tx, &update)?;
            records::raise_epoch(tx, id, at(2))?;
            let mut disabled = update.clone();
            disabled.version = 3;
            disabled.status = Status::Disabled;
            disabled.updated_at = at(3);
            records::update(tx, &disabled)
        });
        for limit in [1, 3, 100] {
            let (all, end) = follow(store, start, limit);
            assert_eq!(all.iter().filter(|changed| **changed == id).count(), 4);
            let other = team(support::id(), "other");
            insert(store, &other);
            assert!(follow(store, end, limit).0.contains(&other.id));
        }
        assert_eq!(write(store, |tx| changes::prune(tx, at(2), 100)), 2 + 3);
        assert_eq!(follow(store, Cursor::START, 100).0, [id, id]);
    });
}

/// A number drawn early and committed late must not be missed: on PostgreSQL the order of numbers is not the order
/// of commits. On SQLite there is one writer, so nothing can be open.
#[test]
fn a_transaction_held_open_across_a_poll_is_not_missed() {
    let Some(database) = support::Database::postgres() else {
        return;
    };
    let store = database.open();
    let start = read(&store, changes::latest);
    let sequenced = Position::default();
    let tenant_id: Id<id::Tenant> = id();
    let (slow, quick) = (team(tenant_id, "slow"), team(tenant_id, "quick"));
    let (slow_row, quick_row) = (evidence(tenant_id, 1_000), evidence(tenant_id, 2_000));

    let (inserted, is_inserted) = sync_channel(1);
    let (release, gate) = sync_channel::<()>(1);
    let (gate, record, row) = (Mutex::new(gate), slow.clone(), slow_row.clone());
    let held = store.write(WriteMode::Housekeeping, move |tx| {
        records::insert(tx, &record)?;
        evidence::insert(tx, &row)?;
        inserted.send(()).unwrap();
        let _ = gate.lock().unwrap().recv();
        Ok::<_, StoreError>(())
    });
    is_inserted.recv().unwrap();
    let (record, row) = (quick.clone(), quick_row.clone());
    write(&store, move |tx| {
        records::insert(tx, &record)?;
        evidence::insert(tx, &row)
    });

    // Eagerly: what is committed comes at once, although an older transaction is open.
    let (seen, next) = follow(&store, start, 1);
    assert_eq!(seen, [quick.id]);
    // Strictly: nothing overtakes the open one.
    let unsequenced = |after| read(&store, move |tx| evidence::unsequenced(tx, after, 10));
    assert!(unsequenced(sequenced).is_empty());

    drop(release);
    held.wait().unwrap();
    let (seen, next) = follow(&store, next, 1);
    assert!(seen.contains(&slow.id), "{seen:?}");

    // Other databases of the same server may hold transactions for a moment.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut found = unsequenced(sequenced);
    while found.len() < 2 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
        found = unsequenced(sequenced);
    }
    let ids: Vec<_> = found.iter().map(|one| one.row.id).collect();
    assert_eq!(ids, [slow_row.id, quick_row.id]);
    assert!(unsequenced(found[1].position).is_empty());
    // And then it is quiet.
    let (_, next) = follow(&store, next, 10);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut next = next;
    loop {
        let (seen, end) = follow(&store, next, 10);
        next = end;
        if seen.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "read again for ever");
    }
}

#[test]
fn revocations_are_followed_and_pruned() {
    on_each(|store| {
        let tenant_id = id();
        let revocation = |target: &str, until: i64| Revocation {
            tenant_id,
            grain: Grain::Token,
            target: target.to_owned(),
            epoch: (target == "b").then_some(7),
            until_at: at(until),
            reason: "lost".to_owned(),
            by_user: (target == "a").then(id),
            at: at(0),
        };
        let all = [
            revocation("a", 10),
            revocation("b", 20),
            revocation("c", 30),
        ];
        for one in all.clone() {
            write(store, move |tx| revocations::insert(tx, &one));
        }
        let sweep = |mut cursor, now, limit| {
            let mut found = Vec::new();
            loop {
                let page = read(store, move |tx| revocations::after(tx, cursor, now, limit));
                found.extend(page.items);
                cursor = page.next;
                if !page.more {
                    return (found, cursor);
                }
            }
        };
        assert_eq!(sweep(Cursor::START, at(0), 1).0, all);
        let (live, end) = sweep(Cursor::START, at(20), 10);
        assert_eq!(live, all[1..]);
        let later = revocation("d", 40);
        let inserted = later.clone();
        write(store, move |tx| revocations::insert(tx, &inserted));
        assert!(sweep(end, at(20), 10).0.contains(&later));
        assert_eq!(
            read(store, move |tx| revocations::by_target(
                tx, tenant_id, "b", 5
            )),
            [all[1].clone()]
        );
        assert_eq!(write(store, |tx| revocations::prune(tx, at(30), 10)), 2);
        assert_eq!(sweep(Cursor::START, at(0), 10).0, [all[2].clone(), later]);
    });
}
