//! The log: one sequencer at a time, places, tiles, checkpoints, restore.

use countersign_store::{
    StoreError, WriteMode,
    evidence::{self, Position},
    log::{self, Checkpoint, Head, LogEntry, Tile},
};

use crate::support::{at, evidence, id, on_each, read, unsequenced, write};

fn head(size: i64, position: Position) -> Head {
    Head {
        generation: 1,
        origin: "example.com/log".to_owned(),
        size,
        root: vec![size as u8; 32],
        position,
    }
}

#[test]
fn of_two_sequencers_one_advances_the_head() {
    on_each(|store| {
        assert_eq!(read(store, log::head), None);
        let empty = head(0, Position::default());
        let begun = empty.clone();
        assert!(write(store, move |tx| log::begin(tx, &begun)));
        let again = Head {
            origin: "other".to_owned(),
            ..empty.clone()
        };
        assert!(!write(store, move |tx| log::begin(tx, &again)));
        assert_eq!(read(store, log::head), Some(empty.clone()));

        let steps: Vec<_> = (1..=20)
            .map(|size| {
                let (from, to) = (empty.clone(), head(size, Position { xid: 0, seq: size }));
                store.write(WriteMode::Housekeeping, move |tx| {
                    log::advance(tx, &from, &to)
                })
            })
            .collect();
        let won: Vec<_> = steps.into_iter().map(|step| step.wait().unwrap()).collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let winner = won.iter().position(|won| *won).unwrap() as i64 + 1;
        assert_eq!(
            read(store, log::head),
            Some(head(
                winner,
                Position {
                    xid: 0,
                    seq: winner
                }
            ))
        );
    });
}

#[test]
fn entries_tiles_and_checkpoints_are_kept() {
    on_each(|store| {
        let tenant_id = id();
        let rows: Vec<_> = (0..70).map(|index| evidence(tenant_id, index)).collect();
        let entries: Vec<_> = rows
            .iter()
            .zip(0..)
            .map(|(row, log_index)| LogEntry {
                generation: 1,
                log_index,
                evidence_id: row.id,
                commitment: [log_index as u8; 32],
            })
            .collect();
        let inserted = entries.clone();
        write(store, move |tx| {
            rows.iter().try_for_each(|row| evidence::insert(tx, row))?;
            log::insert_entries(tx, &inserted)
        });
        assert_eq!(
            read(store, |tx| log::entries(tx, 1, 60, 5)),
            entries[60..65]
        );
        let third = entries[3].evidence_id;
        assert_eq!(
            read(store, move |tx| log::entry_of(tx, third)),
            Some(entries[3].clone())
        );
        assert_eq!(read(store, |tx| log::entry_of(tx, id())), None);
        let mut some: Vec<_> = entries
            .iter()
            .take(20)
            .map(|entry| entry.evidence_id)
            .collect();
        some.push(id());
        let mut found = read(store, move |tx| log::entries_of(tx, &some));
        found.sort_by_key(|entry| entry.log_index);
        assert_eq!(found, entries[..20]);
        let twice = vec![entries[3].clone()];
        let result = store
            .write(WriteMode::Housekeeping, move |tx| {
                log::insert_entries(tx, &twice)
            })
            .wait();
        assert!(matches!(result, Err(StoreError::Conflict { .. })));

        let tile = |width: i64| Tile {
            level: 0,
            n: 0,
            width,
            hashes: vec![7; 32 * width as usize],
        };
        write(store, move |tx| {
            log::put_tiles(tx, 1, &[tile(3), tile(70), tile(5)])
        });
        assert_eq!(read(store, |tx| log::tile(tx, 1, 0, 0)), Some(tile(70)));
        assert_eq!(read(store, |tx| log::tile(tx, 1, 1, 0)), None);
        let torn = Tile {
            level: 1,
            n: 0,
            width: 2,
            hashes: vec![7; 32],
        };
        write(store, move |tx| {
            log::put_tiles(tx, 1, std::slice::from_ref(&torn))
        });
        let error = store.read(|tx| log::tile(tx, 1, 1, 0)).wait().unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt { table, column, .. } if table == "log_tile" && column == "hashes"),
            "{error}"
        );

        write(store, |tx| {
            for size in [10, 20, 256, 300] {
                let checkpoint = Checkpoint {
                    generation: 1,
                    size,
                    note: size.to_string(),
                    signed_at: at(size),
                };
                log::put_checkpoint(tx, &checkpoint)?;
                log::put_checkpoint(tx, &checkpoint)?;
            }
            Ok(())
        });
        let size = |checkpoint: Option<Checkpoint>| checkpoint.map(|checkpoint| checkpoint.size);
        assert_eq!(
            size(read(store, |tx| log::newest_checkpoint(tx, 1))),
            Some(300)
        );
        assert_eq!(
            write(store, |tx| log::prune_checkpoints(tx, at(1000), 100)),
            2
        );
        assert_eq!(
            size(read(store, |tx| log::newest_checkpoint(tx, 1))),
            Some(300)
        );

        let removed = |from, until| {
            write(store, move |tx| {
                evidence::remove_archived(tx, 1, from, until)
            })
        };
        assert_eq!(removed(0, 64), 64);
        assert_eq!(removed(60, 66), 2, "what is gone is not counted again");
        let row = read(store, move |tx| evidence::by_id(tx, third)).unwrap();
        assert_eq!(row.body, "");
        let lost = row.lost.expect("this store has no archive");
        assert!(lost.contains("log.archive.directory"), "{lost}");
    });
}

#[test]
fn after_a_restore_the_sequencer_goes_on_where_it_stood() {
    on_each(|store| {
        let tenant_id = id();
        let rows: Vec<_> = (1..=4)
            .map(|second| evidence(tenant_id, second * 1_000))
            .collect();
        for row in rows.clone() {
            write(store, move |tx| evidence::insert(tx, &row));
        }
        let found = unsequenced(store, Position::default(), 4);
        let entries: Vec<_> = found[..2]
            .iter()
            .zip(0..)
            .map(|(one, log_index)| LogEntry {
                generation: 1,
                log_index,
                evidence_id: one.row.id,
                commitment: [0; 32],
            })
            .collect();
        let begun = head(2, found[1].position);
        let position = write(store, move |tx| {
            log::begin(tx, &begun)?;
            log::insert_entries(tx, &entries)?;
            log::rebase(tx)
        });
        assert_eq!(read(store, log::head).unwrap().position, position);
        let late = evidence(tenant_id, 9_000);
        let row = late.clone();
        write(store, move |tx| evidence::insert(tx, &row));
        let ids: Vec<_> = unsequenced(store, position, 3)
            .into_iter()
            .map(|one| one.row.id)
            .collect();
        assert_eq!(ids, [rows[2].id, rows[3].id, late.id]);
    });
}
