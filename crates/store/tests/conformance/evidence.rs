//! Evidence: guarded inserts, search, order.

use countersign_model::time::Timestamp;
use countersign_store::{
    StoreError, WriteMode,
    evidence::{self, EvidenceQuery, Position},
};

use crate::support::{self, evidence, id, insert, on_each, read, team, unsequenced, write};

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
        assert!(write(store, move |tx| evidence::erase(tx, id)));
        assert!(!write(store, |tx| evidence::erase(tx, support::id())));
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
fn evidence_is_searched_by_terms_and_time() {
    on_each(|store| {
        let tenant_id = id();
        let rows: Vec<_> = (1..=70)
            .map(|second| evidence(tenant_id, second * 1_000))
            .collect();
        let inserted = rows.clone();
        write(store, move |tx| {
            let mut terms = Vec::new();
            for (index, row) in inserted.iter().enumerate() {
                evidence::insert(tx, row)?;
                terms.push((tenant_id, "all".to_owned(), row.id));
                if index % 10 == 0 {
                    terms.push((tenant_id, "tenth".to_owned(), row.id));
                }
            }
            evidence::insert(tx, &evidence(id(), 5_000))?;
            evidence::insert_terms(tx, &terms)?;
            evidence::insert_terms(tx, &terms)
        });
        let search =
            |terms: &'static [&'static str], from: Option<i64>, until: Option<i64>, limit: u32| {
                read(store, move |tx| {
                    let (mut before, mut seconds) = (None, Vec::new());
                    loop {
                        let query = EvidenceQuery {
                            tenant_id,
                            terms,
                            from: from.map(Timestamp::from_seconds),
                            until: until.map(Timestamp::from_seconds),
                            before,
                            limit,
                        };
                        let page = evidence::search(tx, &query)?;
                        seconds.extend(page.iter().map(|row| row.occurred_at.seconds()));
                        match page.last() {
                            Some(last) if page.len() == limit as usize => before = Some(last.id),
                            _ => return Ok(seconds),
                        }
                    }
                })
            };
        let down: Vec<i64> = (1..=70).rev().collect();
        assert_eq!(search(&[], None, None, 7), down);
        assert_eq!(search(&["all"], None, None, 7), down);
        assert_eq!(
            search(&["tenth"], None, None, 2),
            [61, 51, 41, 31, 21, 11, 1]
        );
        assert_eq!(
            search(&["tenth", "all"], Some(11), Some(51), 3),
            [41, 31, 21, 11]
        );
        assert_eq!(search(&["all"], Some(3), Some(6), 10), [5, 4, 3]);
        assert!(search(&["none"], None, None, 10).is_empty());
        let ids: Vec<_> = rows.iter().take(20).map(|row| row.id).collect();
        let mut found = read(store, move |tx| evidence::by_ids(tx, &ids));
        found.sort_by_key(|row| row.id);
        assert_eq!(found, rows[..20]);
    });
}

#[test]
fn evidence_is_sequenced_once_and_in_order() {
    on_each(|store| {
        let tenant_id = id();
        let txn = id();
        let rows: Vec<_> = (1..=8)
            .map(|second| evidence::EvidenceRow {
                txn,
                ..evidence(tenant_id, second * 1_000)
            })
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

        // A story is whole although only its first half is indexed.
        let terms: Vec<_> = rows[..4]
            .iter()
            .map(|row| (tenant_id, "txn".to_owned(), row.id))
            .collect();
        write(store, move |tx| evidence::insert_terms(tx, &terms));
        let story = read(store, move |tx| {
            evidence::by_txn(tx, tenant_id, txn, "txn", middle, 100)
        });
        assert_eq!(story, rows);
        assert_eq!(
            read(store, move |tx| evidence::tail(tx, tenant_id, middle, 2)),
            rows[4..6]
        );
        let end = found[7].position;
        assert!(read(store, move |tx| evidence::tail(tx, tenant_id, end, 2)).is_empty());
    });
}
