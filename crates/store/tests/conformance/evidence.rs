//! Evidence: guarded inserts, search, order.

use countersign_model::time::Timestamp;
use countersign_store::{
    StoreError, WriteMode,
    evidence::{
        self, Position, Recent,
        tiles::{self, TermTile, TermTiles},
    },
};

use crate::support::{self, at, evidence, id, insert, on_each, read, team, unsequenced, write};

#[test]
fn evidence_is_inserted_only_while_its_facts_stand() {
    on_each(|store| {
        let records: Vec<_> = (0..6)
            .map(|index| team(id(), &format!("t{index}")))
            .collect();
        for record in &records {
            insert(store, record);
        }
        for count in 0..=6 {
            let guards: Vec<_> = records
                .iter()
                .take(count)
                .map(|record| (record.id, 1))
                .collect();
            let row = evidence(id(), 1_000);
            let (expected, guards_now) = (row.clone(), guards.clone());
            assert!(write(store, move |tx| evidence::insert_guarded(
                tx,
                &row,
                &guards_now
            )));
            let id = expected.id;
            assert_eq!(
                read(store, move |tx| evidence::by_id(tx, id)),
                Some(expected)
            );
            for stale in 0..count {
                let mut guards = guards.clone();
                guards[stale].1 = 2;
                let row = evidence(support::id(), 1_000);
                let id = row.id;
                assert!(!write(store, move |tx| evidence::insert_guarded(
                    tx, &row, &guards
                )));
                assert_eq!(read(store, move |tx| evidence::by_id(tx, id)), None);
            }
        }
        let guards = vec![(records[0].id, 1); 7];
        let result = store
            .write(WriteMode::Append, move |tx| {
                evidence::insert_guarded(tx, &evidence(id(), 1), &guards)
            })
            .wait();
        assert!(matches!(result, Err(StoreError::Fault(_))));
        let gone = vec![(id(), 1)];
        assert!(!write(store, move |tx| evidence::insert_guarded(
            tx,
            &evidence(id(), 1),
            &gone
        )));
    });
}

#[test]
fn evidence_keeps_its_nulls_and_can_be_erased() {
    on_each(|store| {
        let mut row = evidence(id(), 1_000);
        row.identity_id = None;
        let (id, inserted) = (row.id, row.clone());
        write(store, move |tx| evidence::insert(tx, &inserted));
        assert!(write(store, move |tx| evidence::disclose(tx, id, None)));
        assert!(!write(store, |tx| evidence::disclose(
            tx,
            support::id(),
            None
        )));
        row.disclosed = None;
        let erased = row.clone();
        assert_eq!(read(store, move |tx| evidence::by_id(tx, id)), Some(erased));
        assert!(write(store, move |tx| evidence::disclose(
            tx,
            id,
            Some("{}")
        )));
        assert!(write(store, move |tx| evidence::disclose(tx, id, None)));
        assert!(!write(store, |tx| evidence::disclose(
            tx,
            support::id(),
            None
        )));
        assert_eq!(read(store, move |tx| evidence::by_id(tx, id)), Some(row));
    });
}

#[test]
fn evidence_is_listed_by_time() {
    on_each(|store| {
        let tenant_id = id();
        let rows: Vec<_> = (1..=70)
            .map(|second| evidence(tenant_id, second * 1_000))
            .collect();
        let inserted = rows.clone();
        write(store, move |tx| {
            for row in &inserted {
                evidence::insert(tx, row)?;
            }
            evidence::insert(tx, &evidence(id(), 5_000))
        });
        let list = |from: Option<i64>, until: Option<i64>, limit: u32| {
            read(store, move |tx| {
                let (mut before, mut seconds) = (None, Vec::new());
                loop {
                    let query = Recent {
                        tenant_id,
                        from: from.map(Timestamp::from_seconds),
                        until: until.map(Timestamp::from_seconds),
                        before,
                        limit,
                    };
                    let page = evidence::recent(tx, &query)?;
                    seconds.extend(page.iter().map(|row| row.occurred_at.seconds()));
                    match page.last() {
                        Some(last) if page.len() == limit as usize => before = Some(last.id),
                        _ => return Ok(seconds),
                    }
                }
            })
        };
        let down: Vec<i64> = (1..=70).rev().collect();
        assert_eq!(list(None, None, 7), down);
        assert_eq!(list(Some(3), Some(6), 10), [5, 4, 3]);
        let ids: Vec<_> = rows.iter().take(20).map(|row| row.id).collect();
        let mut found = read(store, move |tx| evidence::by_ids(tx, &ids));
        found.sort_by_key(|row| row.id);
        assert_eq!(found, rows[..20]);
    });
}

#[test]
fn term_tiles_are_read_newest_first_and_written_once() {
    on_each(|store| {
        let tile = |level, n: i64, part| TermTile {
            generation: 7,
            level,
            n,
            part,
            first_at: at(n * 10),
            last_at: at(n * 10 + 9),
            entries: vec![u8::try_from(n).unwrap(), 0, 255],
        };
        let all: Vec<_> = (0..20)
            .map(|n| tile(0, n, 0))
            .chain([tile(0, 3, 1)])
            .collect();
        let written = all.clone();
        write(store, move |tx| {
            written.iter().try_for_each(|tile| tiles::put(tx, tile))
        });
        let again = all[4].clone();
        let twice = store
            .write(WriteMode::Housekeeping, move |tx| tiles::put(tx, &again))
            .wait();
        assert!(
            matches!(twice, Err(StoreError::Conflict { .. })),
            "{twice:?}"
        );
        let places = |before, from, until, limit| {
            let wanted = TermTiles {
                generation: 7,
                level: 0,
                part: 0,
                before,
                from: at(from),
                until: at(until),
                limit,
            };
            let found = read(store, move |tx| tiles::of_part(tx, &wanted));
            assert!(found.iter().all(|found| all.contains(found)));
            found.iter().map(|tile| tile.n).collect::<Vec<_>>()
        };
        assert_eq!(places(20, 0, 1_000, 3), [19, 18, 17]);
        assert_eq!(places(5, 0, 1_000, 64), [4, 3, 2, 1, 0]);
        assert_eq!(places(20, 35, 60, 64), [5, 4, 3]);
        assert_eq!(read(store, |tx| tiles::oldest(tx, 7, 0)), Some((0, 0)));
        assert_eq!(write(store, |tx| tiles::remove(tx, 7, 0, 0, 0..16)), 16);
        assert_eq!(read(store, |tx| tiles::oldest(tx, 7, 0)), Some((3, 1)));
        assert_eq!(places(20, 0, 1_000, 64), [19, 18, 17, 16]);
        assert_eq!(read(store, |tx| tiles::oldest(tx, 7, 1)), None);
    });
}

#[test]
fn evidence_is_sequenced_once_and_in_order() {
    on_each(|store| {
        let tenant_id = id();
        let rows: Vec<_> = (1..=8)
            .map(|second| evidence(tenant_id, second * 1_000))
            .collect();
        for row in rows.clone() {
            write(store, move |tx| evidence::insert(tx, &row));
        }
        let found = unsequenced(store, Position::default(), 8);
        assert_eq!(
            found.iter().map(|one| one.row.clone()).collect::<Vec<_>>(),
            rows
        );
        assert!(found.is_sorted_by_key(|one| one.position.seq));
        let middle = found[3].position;
        assert_eq!(unsequenced(store, middle, 4).len(), 4);

        assert_eq!(
            read(store, move |tx| evidence::tail(tx, tenant_id, middle, 2)),
            found[4..6]
        );
        let end = found[7].position;
        assert!(read(store, move |tx| evidence::tail(tx, tenant_id, end, 2)).is_empty());
    });
}
