//! Every function of the store, on every database.

mod support;

use std::sync::{Mutex, mpsc::sync_channel};

use countersign_model::{
    approval::{Approval, ApprovalDoc, ApprovalRequest, ApprovalStatus, ChangeRequest},
    evidence::{Grain, Separation},
    id::{self, Id},
    registry::{ApprovalRule, Noun, Record, Relation, Status},
    time::Timestamp,
};
use countersign_store::{
    Cursor, Store, StoreError, Tx, WriteMode, aliases,
    approvals::{self, ApprovalDecision, ApprovalQuery},
    attempts::{self, RefusedAttempt},
    changes, codes,
    evidence::{self, EvidenceQuery, Position},
    idempotency::{self, KeyedRequest, Repeated},
    installation,
    keys::{self, SigningKey},
    leases, links,
    log::{self, Checkpoint, Head, LogEntry, Tile},
    outbox::{self, Message},
    records::{self, RecordQuery},
    replay::{self, Use},
    revocations::{self, Revocation},
    seen::{self, Seen},
};
use support::{at, evidence, id, id_at, on_each, read, team, write};

fn insert(store: &Store, record: &Record) {
    let record = record.clone();
    write(store, move |tx| records::insert(tx, &record));
}

fn by_id(store: &Store, id: Id<id::Record>) -> Record {
    read(store, move |tx| records::by_id(tx, id)).unwrap()
}

#[test]
fn a_record_is_read_as_it_was_written() {
    on_each(|store| {
        let mut record = team(id(), "core");
        record.parent_id = Some(id());
        insert(store, &record);
        assert_eq!(by_id(store, record.id), record);
        assert_eq!(read(store, |tx| records::by_id(tx, id())), None);
        let again = record.clone();
        let error = store.write(WriteMode::Append, move |tx| records::insert(tx, &again)).wait().unwrap_err();
        assert!(matches!(&error, StoreError::Conflict { table, .. } if table == "record"), "{error}");
    });
}

#[test]
fn an_update_of_an_old_version_changes_nothing() {
    on_each(|store| {
        let record = team(id(), "core");
        insert(store, &record);
        let mut changed = record.clone();
        changed.name = "kernel".to_owned();
        changed.status = Status::Disabled;
        changed.updated_at = at(5);
        let first = changed.clone();
        assert!(write(store, move |tx| records::update(tx, &first)));
        let second = changed.clone();
        assert!(!write(store, move |tx| records::update(tx, &second)));
        changed.version = 2;
        assert_eq!(by_id(store, record.id), changed);

        let id = record.id;
        assert!(!write(store, move |tx| records::set_status(tx, id, 1, Status::Active, at(6))));
        assert!(write(store, move |tx| records::set_status(tx, id, 2, Status::Active, at(6))));
        assert_eq!(write(store, move |tx| records::raise_epoch(tx, id, at(7))), Some(1));
        assert_eq!(write(store, |tx| records::raise_epoch(tx, support::id(), at(7))), None);
        let now = by_id(store, id);
        assert_eq!((now.version, now.epoch, now.status, now.updated_at), (4, 1, Status::Active, at(7)));
    });
}

#[test]
fn of_twenty_concurrent_updates_one_wins() {
    on_each(|store| {
        let record = team(id(), "core");
        insert(store, &record);
        for mode in [WriteMode::Housekeeping, WriteMode::Serializable, WriteMode::Append] {
            let now = by_id(store, record.id);
            let updates: Vec<_> = (0..20)
                .map(|_| {
                    let record = now.clone();
                    store.write(mode, move |tx| records::update(tx, &record))
                })
                .collect();
            let won = updates.into_iter().map(|one| one.wait().unwrap()).filter(|won| *won).count();
            assert_eq!(won, 1, "{mode:?}");
        }
    });
}

#[test]
fn records_are_listed_by_name_in_pages() {
    on_each(|store| {
        let tenant_id = id();
        let parent = team(tenant_id, "parent");
        let names = ["alpha", "beta", "beta-2", "gamma"];
        for name in names {
            let mut record = team(tenant_id, name);
            record.parent_id = (name != "alpha").then_some(parent.id);
            record.status = if name == "gamma" { Status::Deleted } else { Status::Active };
            insert(store, &record);
        }
        insert(store, &team(id(), "beta"));
        let list = |parent_id, name_prefix: Option<&'static str>, with_deleted, limit| {
            read(store, move |tx| {
                let (mut after, mut all) = (None::<Record>, Vec::new());
                loop {
                    let query = RecordQuery {
                        tenant_id,
                        noun: Noun::Team,
                        parent_id,
                        name_prefix,
                        after: after.as_ref().map(|last| (last.name.as_str(), last.id)),
                        with_deleted,
                        limit,
                    };
                    let page = records::list(tx, &query)?;
                    let Some(last) = page.last() else { return Ok(all) };
                    after = Some(last.clone());
                    all.extend(page.into_iter().map(|record| record.name));
                }
            })
        };
        assert_eq!(list(None, None, true, 1), names);
        assert_eq!(list(None, None, false, 2), ["alpha", "beta", "beta-2"]);
        assert_eq!(list(None, Some("beta"), true, 10), ["beta", "beta-2"]);
        assert_eq!(list(Some(parent.id), None, true, 2), ["beta", "beta-2", "gamma"]);
        assert_eq!(list(Some(parent.id), Some("g"), true, 2), ["gamma"]);
        assert_eq!(read(store, move |tx| records::count(tx, tenant_id, Noun::Team)), 3);
        let children = read(store, move |tx| {
            let first = records::children(tx, parent.id, Noun::Team, None, 2)?;
            let rest = records::children(tx, parent.id, Noun::Team, first.last().map(|record| record.id), 2)?;
            Ok((first.len(), rest.len()))
        });
        assert_eq!(children, (2, 1));
        let by_name = |name: &'static str| read(store, move |tx| records::by_name(tx, tenant_id, Noun::Team, name));
        assert_eq!(by_name("beta").unwrap().name, "beta");
        assert_eq!(by_name("gamma"), None);
    });
}

#[test]
fn a_tenant_names_itself() {
    on_each(|store| {
        let mut tenant = team(id(), "first");
        tenant.id = tenant.tenant_id.cast();
        insert(store, &tenant);
        insert(store, &team(tenant.tenant_id, "other"));
        assert_eq!(read(store, records::tenants).len(), 1);
        assert_eq!(write(store, |tx| records::raise_tenant_epochs(tx, at(1))), 1);
        assert_eq!(by_id(store, tenant.id).epoch, 1);
    });
}

#[test]
fn a_name_is_given_out_once() {
    on_each(|store| {
        let record = team(id(), "core");
        let tenant_id = record.tenant_id;
        insert(store, &record);
        let take = |record_id| {
            write(store, move |tx| aliases::insert(tx, tenant_id, Noun::Team, "core", record_id))
        };
        assert!(take(record.id));
        assert!(take(record.id));
        assert!(!take(id()));
        let found = read(store, move |tx| records::by_alias(tx, tenant_id, Noun::Team, "core"));
        assert_eq!(found, Some(record.clone()));
        let (one, other) = (record.id, id());
        assert_eq!(read(store, move |tx| aliases::of_record(tx, one)), ["core"]);
        assert!(!write(store, move |tx| aliases::remove(tx, tenant_id, Noun::Team, "core", other)));
        assert!(write(store, move |tx| aliases::remove(tx, tenant_id, Noun::Team, "core", one)));
        assert_eq!(read(store, move |tx| aliases::holder(tx, tenant_id, Noun::Team, "core")), None);
    });
}

#[test]
fn relations_are_found_from_both_ends() {
    on_each(|store| {
        let tenant_id = id();
        let from: Vec<_> = (0..3).map(|index| team(tenant_id, &format!("t{index}"))).collect();
        let (user, other): (Id<id::Record>, Id<id::Record>) = (id(), id());
        for record in &from {
            insert(store, record);
            let from_id = record.id;
            write(store, move |tx| {
                let many: Vec<_> = (0..20).map(|_| (Relation::Manager, id())).collect();
                links::replace(tx, tenant_id, from_id, &many)?;
                links::replace(tx, tenant_id, from_id, &[(Relation::Member, user), (Relation::Owner, other)])
            });
        }
        let page = read(store, move |tx| links::linked_to(tx, user, Relation::Member, None, 2));
        assert_eq!(page, from[..2]);
        let after = page[1].id;
        let page = read(store, move |tx| links::linked_to(tx, user, Relation::Member, Some(after), 2));
        assert_eq!(page, from[2..]);
        let first = from[0].id;
        assert_eq!(read(store, move |tx| links::linked_from(tx, first, Relation::Owner, 10)), [other]);
        assert!(read(store, move |tx| links::linked_from(tx, first, Relation::Manager, 10)).is_empty());
    });
}

#[test]
fn the_newest_use_stays() {
    on_each(|store| {
        let ids: Vec<Id<id::Record>> = (0..40).map(|_| id()).collect();
        let touch = |seconds: &[i64]| {
            let uses = ids.iter().flat_map(|id| {
                seconds.iter().map(|second| Seen { record_id: *id, last_seen_at: at(*second), source: second.to_string() })
            });
            let uses: Vec<_> = uses.collect();
            write(store, move |tx| seen::touch(tx, &uses));
        };
        touch(&[1, 5, 3]);
        touch(&[2]);
        for id in &ids {
            let id = *id;
            let newest = read(store, move |tx| seen::by_record(tx, id)).unwrap();
            assert_eq!((newest.last_seen_at, newest.source.as_str()), (at(5), "5"));
        }
        assert_eq!(read(store, |tx| seen::by_record(tx, id())), None);
    });
}

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
            records::set_status(tx, id, 3, Status::Disabled, at(3))
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
    let Some(database) = support::Database::postgres() else { return };
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
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut found = unsequenced(sequenced);
    while found.len() < 2 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
        found = unsequenced(sequenced);
    }
    let ids: Vec<_> = found.iter().map(|one| one.row.id).collect();
    assert_eq!(ids, [slow_row.id, quick_row.id]);
    assert!(unsequenced(found[1].position).is_empty());
    // And then it is quiet.
    let (_, next) = follow(&store, next, 10);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut next = next;
    loop {
        let (seen, end) = follow(&store, next, 10);
        next = end;
        if seen.is_empty() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "read again for ever");
    }
}

#[test]
fn evidence_is_inserted_only_while_its_facts_stand() {
    on_each(|store| {
        let records: Vec<_> = (0..6).map(|index| team(id(), &format!("t{index}"))).collect();
        for record in &records {
            insert(store, record);
        }
        for count in 0..=6 {
            let guards: Vec<_> = records.iter().take(count).map(|record| (record.id, 1)).collect();
            let row = evidence(id(), 1_000);
            let (expected, guards_now) = (row.clone(), guards.clone());
            assert!(write(store, move |tx| evidence::insert_guarded(tx, &row, &guards_now)));
            let id = expected.id;
            assert_eq!(read(store, move |tx| evidence::by_id(tx, id)), Some(expected));
            for stale in 0..count {
                let mut guards = guards.clone();
                guards[stale].1 = 2;
                let row = evidence(support::id(), 1_000);
                let id = row.id;
                assert!(!write(store, move |tx| evidence::insert_guarded(tx, &row, &guards)));
                assert_eq!(read(store, move |tx| evidence::by_id(tx, id)), None);
            }
        }
        let guards = vec![(records[0].id, 1); 7];
        let result = store
            .write(WriteMode::Append, move |tx| evidence::insert_guarded(tx, &evidence(id(), 1), &guards))
            .wait();
        assert!(matches!(result, Err(StoreError::Fault(_))));
        let gone = vec![(id(), 1)];
        assert!(!write(store, move |tx| evidence::insert_guarded(tx, &evidence(id(), 1), &gone)));
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
        assert_eq!(read(store, move |tx| evidence::by_id(tx, id)), Some(row));
    });
}

#[test]
fn evidence_is_searched_by_terms_and_time() {
    on_each(|store| {
        let tenant_id = id();
        let rows: Vec<_> = (1..=70).map(|second| evidence(tenant_id, second * 1_000)).collect();
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
        let search = |terms: &'static [&'static str], from: Option<i64>, until: Option<i64>, limit: u32| {
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
        assert_eq!(search(&["tenth"], None, None, 2), [61, 51, 41, 31, 21, 11, 1]);
        assert_eq!(search(&["tenth", "all"], Some(11), Some(51), 3), [41, 31, 21, 11]);
        assert_eq!(search(&["all"], Some(3), Some(6), 10), [5, 4, 3]);
        assert!(search(&["none"], None, None, 10).is_empty());
        let ids: Vec<_> = rows.iter().take(20).map(|row| row.id).collect();
        let mut found = read(store, move |tx| evidence::by_ids(tx, &ids));
        found.sort_by_key(|row| row.id);
        assert_eq!(found, rows[..20]);
    });
}

/// Reads until nothing is left, whatever other databases of the server do meanwhile.
fn unsequenced(store: &Store, after: Position, expected: usize) -> Vec<evidence::Unsequenced> {
    let (mut after, mut all) = (after, Vec::new());
    for _ in 0..1000 {
        let page = read(store, move |tx| evidence::unsequenced(tx, after, 3));
        after = page.last().map_or(after, |last| last.position);
        all.extend(page);
        if all.len() >= expected {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    all
}

#[test]
fn evidence_is_sequenced_once_and_in_order() {
    on_each(|store| {
        let tenant_id = id();
        let txn = id();
        let rows: Vec<_> = (1..=8)
            .map(|second| evidence::EvidenceRow { txn, ..evidence(tenant_id, second * 1_000) })
            .collect();
        for row in rows.clone() {
            write(store, move |tx| evidence::insert(tx, &row));
        }
        let found = unsequenced(store, Position::default(), 8);
        assert_eq!(found.iter().map(|one| one.row.clone()).collect::<Vec<_>>(), rows);
        assert!(found.is_sorted_by_key(|one| one.position.seq));
        let middle = found[3].position;
        assert_eq!(unsequenced(store, middle, 4).len(), 4);

        // A story is whole although only its first half is indexed.
        let terms: Vec<_> = rows[..4].iter().map(|row| (tenant_id, "txn".to_owned(), row.id)).collect();
        write(store, move |tx| evidence::insert_terms(tx, &terms));
        let story = read(store, move |tx| evidence::by_txn(tx, tenant_id, txn, "txn", middle, 100));
        assert_eq!(story, rows);
        assert_eq!(read(store, move |tx| evidence::tail(tx, tenant_id, middle, 2)), rows[4..6]);
        let end = found[7].position;
        assert!(read(store, move |tx| evidence::tail(tx, tenant_id, end, 2)).is_empty());
    });
}

fn head(size: i64, position: Position) -> Head {
    Head { generation: 1, origin: "example.com/log".to_owned(), size, root: vec![size as u8; 32], position }
}

#[test]
fn of_two_sequencers_one_advances_the_head() {
    on_each(|store| {
        assert_eq!(read(store, log::head), None);
        let empty = head(0, Position::default());
        let begun = empty.clone();
        assert!(write(store, move |tx| log::begin(tx, &begun)));
        let again = Head { origin: "other".to_owned(), ..empty.clone() };
        assert!(!write(store, move |tx| log::begin(tx, &again)));
        assert_eq!(read(store, log::head), Some(empty.clone()));

        let steps: Vec<_> = (1..=20)
            .map(|size| {
                let (from, to) = (empty.clone(), head(size, Position { xid: 0, seq: size }));
                store.write(WriteMode::Housekeeping, move |tx| log::advance(tx, &from, &to))
            })
            .collect();
        let won: Vec<_> = steps.into_iter().map(|step| step.wait().unwrap()).collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let winner = won.iter().position(|won| *won).unwrap() as i64 + 1;
        assert_eq!(read(store, log::head), Some(head(winner, Position { xid: 0, seq: winner })));
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
        assert_eq!(read(store, |tx| log::entries(tx, 1, 60, 5)), entries[60..65]);
        let third = entries[3].evidence_id;
        assert_eq!(read(store, move |tx| log::entry_of(tx, third)), Some(entries[3].clone()));
        assert_eq!(read(store, |tx| log::entry_of(tx, id())), None);
        let twice = vec![entries[3].clone()];
        let result = store.write(WriteMode::Housekeeping, move |tx| log::insert_entries(tx, &twice)).wait();
        assert!(matches!(result, Err(StoreError::Conflict { .. })));

        let tile = |width: i64| Tile { level: 0, n: 0, width, hashes: vec![7; 32 * width as usize] };
        write(store, move |tx| log::put_tiles(tx, 1, &[tile(3), tile(70), tile(5)]));
        assert_eq!(read(store, |tx| log::tile(tx, 1, 0, 0)), Some(tile(70)));
        assert_eq!(read(store, |tx| log::tile(tx, 1, 1, 0)), None);
        let torn = Tile { level: 1, n: 0, width: 2, hashes: vec![7; 32] };
        write(store, move |tx| log::put_tiles(tx, 1, std::slice::from_ref(&torn)));
        let error = store.read(|tx| log::tile(tx, 1, 1, 0)).wait().unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { table, column, .. } if table == "log_tile" && column == "hashes"), "{error}");

        write(store, |tx| {
            for size in [10, 20, 256, 300] {
                let checkpoint = Checkpoint { generation: 1, size, note: size.to_string(), signed_at: at(size) };
                log::put_checkpoint(tx, &checkpoint)?;
                log::put_checkpoint(tx, &checkpoint)?;
            }
            Ok(())
        });
        let size = |checkpoint: Option<Checkpoint>| checkpoint.map(|checkpoint| checkpoint.size);
        assert_eq!(size(read(store, |tx| log::newest_checkpoint(tx, 1))), Some(300));
        assert_eq!(size(read(store, |tx| log::checkpoint_covering(tx, 1, 10))), Some(20));
        assert_eq!(size(read(store, |tx| log::checkpoint_covering(tx, 1, 300))), None);
        assert_eq!(write(store, |tx| log::prune_checkpoints(tx, at(1000), 100)), 2);
        assert_eq!(size(read(store, |tx| log::newest_checkpoint(tx, 1))), Some(300));

        assert_eq!(write(store, |tx| evidence::remove_sealed(tx, 1, 0, 64)), 64);
        assert_eq!(read(store, move |tx| evidence::by_id(tx, third)), None);
    });
}

#[test]
fn after_a_restore_the_sequencer_goes_on_where_it_stood() {
    on_each(|store| {
        let tenant_id = id();
        let rows: Vec<_> = (1..=4).map(|second| evidence(tenant_id, second * 1_000)).collect();
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
        let ids: Vec<_> = unsequenced(store, position, 3).into_iter().map(|one| one.row.id).collect();
        assert_eq!(ids, [rows[2].id, rows[3].id, late.id]);
    });
}

fn approval(tenant_id: Id<id::Tenant>, identity_id: Id<id::Identity>, digest: &str) -> Approval {
    let request = ChangeRequest {
        tenant_id,
        noun: Noun::Identity,
        record_id: identity_id.cast(),
        version: 1,
        identity_id: Some(identity_id),
        summary: "allow more".to_owned(),
        change: serde_json::json!({"allowed_actions": ["deploy.release"]}),
    };
    Approval {
        id: id(),
        tenant_id,
        identity_id: Some(identity_id),
        status: ApprovalStatus::Pending,
        version: 1,
        opened_at: at(0),
        expires_at: at(100),
        doc: ApprovalDoc {
            request: ApprovalRequest::Change(request),
            nonce: "n".to_owned(),
            digest: digest.to_owned(),
            requested_by: Some(id()),
            run: None,
            human: None,
            separation: Separation::Unproven,
            rule: ApprovalRule::default(),
            reason: None,
            txn: id(),
            opened_evidence: id(),
            decided_evidence: Vec::new(),
            voided_because: None,
        },
    }
}

#[test]
fn an_approval_moves_once_from_state_to_state() {
    on_each(|store| {
        let (tenant_id, identity_id) = (id(), id());
        let pending = approval(tenant_id, identity_id, "d1");
        let inserted = pending.clone();
        write(store, move |tx| approvals::insert(tx, &inserted));
        let id = pending.id;
        assert_eq!(read(store, move |tx| approvals::by_id(tx, id)), Some(pending.clone()));
        let mut approved = pending.clone();
        approved.status = ApprovalStatus::Approved;
        approved.expires_at = at(200);
        let moves: Vec<_> = (0..20)
            .map(|_| {
                let approved = approved.clone();
                store.write(WriteMode::Serializable, move |tx| {
                    approvals::transition(tx, ApprovalStatus::Pending, &approved)
                })
            })
            .collect();
        let won = moves.into_iter().map(|one| one.wait().unwrap()).filter(|won| *won).count();
        assert_eq!(won, 1);
        approved.version = 2;
        assert_eq!(read(store, move |tx| approvals::by_id(tx, id)), Some(approved.clone()));
        let by_digest =
            |seconds| read(store, move |tx| approvals::open_by_digest(tx, tenant_id, "d1", at(seconds)));
        assert_eq!(by_digest(0), Some(approved));
        assert_eq!(by_digest(200), None);
        assert_eq!(write(store, approvals::void_all), 1);
        assert_eq!(by_digest(0), None);
    });
}

#[test]
fn approvals_are_listed_and_counted() {
    on_each(|store| {
        let (tenant_id, identity_id) = (id(), id());
        let all: Vec<_> = (0..5).map(|index| approval(tenant_id, identity_id, &index.to_string())).collect();
        let inserted = all.clone();
        write(store, move |tx| {
            inserted.iter().try_for_each(|approval| approvals::insert(tx, approval))?;
            approvals::insert(tx, &approval(tenant_id, id(), "other"))?;
            let denied = Approval { status: ApprovalStatus::Denied, ..inserted[0].clone() };
            approvals::transition(tx, ApprovalStatus::Pending, &denied)
        });
        let list = |status, identity_id, before, limit| {
            let query = ApprovalQuery { tenant_id, status, identity_id, before, limit };
            let found = read(store, move |tx| approvals::list(tx, &query));
            found.into_iter().map(|approval| approval.doc.digest).collect::<Vec<_>>()
        };
        assert_eq!(list(None, None, None, 10), ["other", "4", "3", "2", "1", "0"]);
        assert_eq!(list(None, Some(identity_id), None, 2), ["4", "3"]);
        assert_eq!(list(None, Some(identity_id), Some(all[3].id), 2), ["2", "1"]);
        assert_eq!(list(Some(ApprovalStatus::Denied), None, None, 10), ["0"]);
        assert_eq!(list(Some(ApprovalStatus::Pending), Some(identity_id), None, 10), ["4", "3", "2", "1"]);
        assert_eq!(read(store, move |tx| approvals::count_pending(tx, identity_id, at(0))), 4);
        assert_eq!(read(store, move |tx| approvals::count_pending(tx, identity_id, at(100))), 0);
        assert_eq!(read(store, move |tx| approvals::open_of_identity(tx, identity_id, at(0), 10)).len(), 4);
        assert_eq!(read(store, |tx| approvals::lapsed(tx, ApprovalStatus::Pending, at(100), 3)).len(), 3);
        assert!(read(store, |tx| approvals::lapsed(tx, ApprovalStatus::Pending, at(99), 3)).is_empty());
    });
}

#[test]
fn a_person_decides_once() {
    on_each(|store| {
        let decision = |user_id| ApprovalDecision {
            approval_id: id_at(5),
            user_id,
            decision: "approve".to_owned(),
            at: at(1),
            doc: "{}".to_owned(),
        };
        let first = decision(id());
        let second = ApprovalDecision { approval_id: first.approval_id, at: at(2), ..decision(id()) };
        let both = [first.clone(), second.clone()];
        for one in both.clone() {
            assert!(write(store, move |tx| approvals::decide(tx, &one)));
        }
        let again = ApprovalDecision { decision: "deny".to_owned(), ..first.clone() };
        assert!(!write(store, move |tx| approvals::decide(tx, &again)));
        assert_eq!(read(store, move |tx| approvals::decisions(tx, first.approval_id)), both);
    });
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
        let all = [revocation("a", 10), revocation("b", 20), revocation("c", 30)];
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
        assert_eq!(read(store, move |tx| revocations::by_target(tx, tenant_id, "b", 5)), [all[1].clone()]);
        assert_eq!(write(store, |tx| revocations::prune(tx, at(30), 10)), 2);
        assert_eq!(sweep(Cursor::START, at(0), 10).0, [all[2].clone(), later]);
    });
}

#[test]
fn an_assertion_is_used_once_for_each_purpose() {
    on_each(|store| {
        let (tenant_id, issuer_id) = (id(), id());
        let consume = |purpose: &'static str, until: i64| {
            store.write(WriteMode::Append, move |tx| {
                replay::consume(tx, &Use { tenant_id, issuer_id, key: b"jti", purpose, until_at: at(until) })
            })
        };
        let attempts: Vec<_> = (0..20).map(|_| consume("base", 10)).collect();
        let won = attempts.into_iter().map(|one| one.wait().unwrap()).filter(|won| *won).count();
        assert_eq!(won, 1);
        assert!(consume("approval", 20).wait().unwrap());
        assert_eq!(write(store, |tx| replay::prune(tx, at(15), 10)), 1);
        let is_consumed = |purpose: &'static str| {
            read(store, move |tx| {
                replay::is_consumed(tx, &Use { tenant_id, issuer_id, key: b"jti", purpose, until_at: at(0) })
            })
        };
        assert!(is_consumed("approval"));
        assert!(!is_consumed("base"));
    });
}

#[test]
fn keys_live_and_retire() {
    on_each(|store| {
        let tenant_id = id();
        let key = |kid: &str, tenant_id| SigningKey {
            kid: kid.to_owned(),
            tenant_id,
            purpose: "access".to_owned(),
            alg: "ES256".to_owned(),
            wrapped: vec![0, 1, 255],
            public: "{}".to_owned(),
            state: "active".to_owned(),
            created_at: at(1),
            activates_at: at(2),
            retires_at: None,
        };
        let (one, other) = (key("k1", tenant_id), key("k2", id()));
        for key in [one.clone(), other.clone()] {
            write(store, move |tx| keys::insert(tx, &key));
        }
        assert_eq!(read(store, move |tx| keys::of_tenant(tx, tenant_id)), [one.clone()]);
        assert_eq!(read(store, keys::all).len(), 2);
        assert!(write(store, |tx| keys::set_state(tx, "k1", "active", "retiring", Some(at(9)))));
        assert!(!write(store, |tx| keys::set_state(tx, "k1", "active", "retiring", Some(at(9)))));
        let retiring = SigningKey { state: "retiring".to_owned(), retires_at: Some(at(9)), ..one };
        assert_eq!(read(store, move |tx| keys::of_tenant(tx, tenant_id)), [retiring]);
        assert!(write(store, |tx| keys::remove(tx, "k2")));
        assert!(!write(store, |tx| keys::remove(tx, "k2")));
        assert!(!format!("{other:?}").contains("255"));

        assert_eq!(read(store, keys::key_file), None);
        assert_eq!(write(store, |tx| keys::remember_key_file(tx, "file-1")), "file-1");
        assert_eq!(write(store, |tx| keys::remember_key_file(tx, "file-2")), "file-1");
    });
}

#[test]
fn a_code_is_used_once() {
    on_each(|store| {
        assert!(write(store, |tx| codes::consume(tx, b"code", at(1))));
        assert!(!write(store, |tx| codes::consume(tx, b"code", at(2))));
        assert_eq!(write(store, |tx| codes::prune(tx, at(1), 10)), 0);
        assert_eq!(write(store, |tx| codes::prune(tx, at(2), 10)), 1);
    });
}

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
        let known: Vec<_> = (0..5).map(|index| attempt(Some(identity_id), index)).collect();
        let unknown: Vec<_> = (0..4).map(|index| attempt(None, index)).collect();
        let inserted = [known.clone(), unknown.clone()].concat();
        write(store, move |tx| inserted.iter().try_for_each(|attempt| attempts::insert(tx, attempt, 3)));
        let list = |identity_id, before, limit| {
            read(store, move |tx| attempts::list(tx, tenant_id, identity_id, before, limit))
        };
        let newest: Vec<_> = known[2..].iter().rev().cloned().collect();
        assert_eq!(list(Some(identity_id), None, 10), newest);
        assert_eq!(list(Some(identity_id), Some(known[4].id), 1), [known[3].clone()]);
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
        };
        let all = [message(1), message(2), message(3)];
        for one in all.clone() {
            write(store, move |tx| outbox::insert(tx, &one));
        }
        let due = |now| read(store, move |tx| outbox::due(tx, at(now), 10));
        assert_eq!(due(2), all[..2]);
        let (first, second) = (all[0].clone(), all[1].clone());
        let delivered = first.id;
        assert!(write(store, move |tx| outbox::complete(tx, delivered)));
        let again = second.clone();
        assert!(write(store, move |tx| outbox::retry(tx, &again, Some(at(9)))));
        let stale = second.clone();
        assert!(!write(store, move |tx| outbox::retry(tx, &stale, Some(at(9)))));
        assert_eq!(due(3), [all[2].clone()]);
        let last = due(9).into_iter().find(|one| one.id == second.id).unwrap();
        assert_eq!(last.attempts, 1);
        assert!(write(store, move |tx| outbox::retry(tx, &last, None)));
        assert_eq!(due(100), [all[2].clone()]);
        assert_eq!(read(store, outbox::count_dead), 1);
        assert_eq!(write(store, |tx| outbox::prune_dead(tx, at(10), 10)), 1);
    });
}

#[test]
fn a_repeated_request_is_recognised() {
    on_each(|store| {
        let (tenant_id, user_id) = (id(), id());
        let begin = |digest: &'static [u8], response_ref: Option<&'static str>| {
            write(store, move |tx| {
                let request = KeyedRequest {
                    tenant_id,
                    user_id,
                    key: "key",
                    request_digest: digest,
                    response_ref,
                    expires_at: at(10),
                };
                idempotency::begin(tx, &request)
            })
        };
        assert_eq!(begin(b"one", Some("made-1")), Repeated::First);
        assert_eq!(begin(b"one", Some("made-2")), Repeated::Same(Some("made-1".to_owned())));
        assert_eq!(begin(b"two", None), Repeated::Mismatch);
        assert_eq!(write(store, |tx| idempotency::prune(tx, at(11), 10)), 1);
        assert_eq!(begin(b"two", None), Repeated::First);
    });
}

#[test]
fn a_lease_is_held_by_one_until_it_lapses() {
    on_each(|store| {
        let acquire = |holder: &'static str, now: i64| {
            write(store, move |tx| leases::acquire(tx, "job", holder, at(now), at(now + 10)))
        };
        assert!(acquire("a", 0));
        assert!(acquire("a", 5));
        assert!(!acquire("b", 14));
        assert!(acquire("b", 15));
        assert_eq!(read(store, |tx| leases::by_name(tx, "job")), Some(("b".to_owned(), at(25))));
        assert!(!write(store, |tx| leases::release(tx, "job", "a")));
        assert!(write(store, |tx| leases::release(tx, "job", "b")));
    });
}

#[test]
fn a_fact_of_the_installation_is_fixed_once() {
    on_each(|store| {
        assert_eq!(write(store, |tx| installation::fix(tx, "issuer", "https://a")), "https://a");
        assert_eq!(write(store, |tx| installation::fix(tx, "issuer", "https://b")), "https://a");
        write(store, |tx| installation::replace(tx, "issuer", "https://c"));
        assert_eq!(read(store, |tx| installation::read(tx, "issuer")), Some("https://c".to_owned()));
    });
}

#[test]
fn a_row_that_does_not_parse_names_table_column_and_id() {
    on_each(|store| {
        let record = team(id(), "core");
        insert(store, &record);
        for (column, value) in [("noun", "ghost"), ("status", "ghost"), ("doc", "{")] {
            let text = format!("UPDATE record SET noun = 'team', status = 'active', {column} = '{value}'");
            // The same column twice is refused, so the others are reset first.
            write(store, |tx| {
                countersign_store::testing::batch(tx, "UPDATE record SET noun = 'team', status = 'active'")
            });
            let text = text.replacen("noun = 'team', status = 'active', ", "", 1);
            write(store, move |tx| countersign_store::testing::batch(tx, &text));
            let id = record.id;
            let error = store.read(move |tx| records::by_id(tx, id)).wait().unwrap_err();
            let StoreError::Corrupt { table, column: named, id: row, .. } = &error else { panic!("{error}") };
            assert_eq!((table.as_str(), named.as_str(), row.as_str()), ("record", column, record.id.to_string().as_str()));
        }
    });
}

#[test]
fn text_is_ordered_by_bytes_on_both() {
    on_each(|store| {
        let tenant_id = id();
        for name in ["b", "a-b", "a.b", "a_b", "ab", "a"] {
            insert(store, &team(tenant_id, name));
        }
        let query = |tx: &mut Tx<'_>| {
            let query = RecordQuery {
                tenant_id,
                noun: Noun::Team,
                parent_id: None,
                name_prefix: None,
                after: None,
                with_deleted: true,
                limit: 10,
            };
            records::list(tx, &query)
        };
        let names: Vec<_> = read(store, query).into_iter().map(|record| record.name).collect();
        assert_eq!(names, ["a", "a-b", "a.b", "a_b", "ab", "b"]);
    });
}
