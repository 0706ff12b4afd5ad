//! Records, their names, their relations, their last use.

use countersign_model::{
    id::{self, Id},
    registry::{Doc, InDirectory, Noun, Record, Relation, Status},
};
use countersign_store::{
    Store, StoreError, Tx, WriteMode, aliases, links,
    records::{self, RecordQuery},
    seen::{self, Seen},
};

use crate::support::{self, at, id, insert, on_each, read, team, write};

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
        let error = store
            .write(WriteMode::Append, move |tx| records::insert(tx, &again))
            .wait()
            .unwrap_err();
        assert!(
            matches!(&error, StoreError::Conflict { table, .. } if table == "record"),
            "{error}"
        );
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
        assert_eq!(
            write(store, move |tx| records::raise_epoch(tx, id, at(7))),
            Some(1)
        );
        assert_eq!(
            write(store, |tx| records::raise_epoch(tx, support::id(), at(7))),
            None
        );
        let now = by_id(store, id);
        assert_eq!(
            (now.version, now.epoch, now.status, now.updated_at),
            (3, 1, Status::Disabled, at(7))
        );
    });
}

#[test]
fn what_nobody_decides_on_is_noted_without_a_new_version() {
    on_each(|store| {
        let record = team(id(), "core");
        insert(store, &record);
        let mut noted = record.clone();
        noted.doc = team(id(), "kernel").doc;
        noted.updated_at = at(5);
        let first = noted.clone();
        assert!(write(store, move |tx| records::note(tx, &first)));
        let now = by_id(store, record.id);
        assert_eq!(
            (now.version, now.doc, now.updated_at),
            (record.version, noted.doc.clone(), at(5))
        );
        noted.version = 2;
        assert!(!write(store, move |tx| records::note(tx, &noted)));
    });
}

#[test]
fn of_twenty_concurrent_updates_one_wins() {
    on_each(|store| {
        let record = team(id(), "core");
        insert(store, &record);
        for mode in [
            WriteMode::Housekeeping,
            WriteMode::Serializable,
            WriteMode::Append,
        ] {
            let now = by_id(store, record.id);
            let updates: Vec<_> = (0..20)
                .map(|_| {
                    let record = now.clone();
                    store.write(mode, move |tx| records::update(tx, &record))
                })
                .collect();
            let won = updates
                .into_iter()
                .map(|one| one.wait().unwrap())
                .filter(|won| *won)
                .count();
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
            record.status = if name == "gamma" {
                Status::Deleted
            } else {
                Status::Active
            };
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
                    let Some(last) = page.last() else {
                        return Ok(all);
                    };
                    after = Some(last.clone());
                    all.extend(page.into_iter().map(|record| record.name));
                }
            })
        };
        assert_eq!(list(None, None, true, 1), names);
        assert_eq!(list(None, None, false, 2), ["alpha", "beta", "beta-2"]);
        assert_eq!(list(None, Some("beta"), true, 10), ["beta", "beta-2"]);
        assert_eq!(
            list(Some(parent.id), None, true, 2),
            ["beta", "beta-2", "gamma"]
        );
        assert_eq!(list(Some(parent.id), Some("g"), true, 2), ["gamma"]);
        assert_eq!(
            read(store, move |tx| records::count(tx, tenant_id, Noun::Team)),
            3
        );
        let names = |found: Vec<Record>| -> Vec<String> {
            found.into_iter().map(|record| record.name).collect()
        };
        let part = |skip, limit| {
            let work =
                move |tx: &mut Tx<'_>| records::skipping(tx, tenant_id, Noun::Team, skip, limit);
            names(read(store, work))
        };
        assert_eq!(part(1, 1), ["beta"]);
        assert_eq!(part(1, 9), ["beta", "beta-2"]);
        assert!(part(3, 9).is_empty() && part(0, 0).is_empty());
        let called = |external_id: &'static str| {
            let work = move |tx: &mut Tx<'_>| {
                records::by_external_id(tx, tenant_id, Noun::Team, external_id, 9)
            };
            names(read(store, work))
        };
        assert!(called("beta").is_empty());
        let mut known = team(tenant_id, "known");
        if let Doc::Team(doc) = &mut known.doc {
            let external_id = Some("ext-1".to_owned());
            doc.directory = Some(InDirectory {
                external_id,
                ..InDirectory::default()
            });
        }
        insert(store, &known);
        assert_eq!(called("ext-1"), ["known"]);
        known.status = Status::Deleted;
        write(store, move |tx| records::update(tx, &known));
        assert!(called("ext-1").is_empty());
        let children = read(store, move |tx| {
            let first = records::children(tx, parent.id, Noun::Team, None, 2)?;
            let rest = records::children(
                tx,
                parent.id,
                Noun::Team,
                first.last().map(|record| record.id),
                2,
            )?;
            Ok((first.len(), rest.len()))
        });
        assert_eq!(children, (2, 1));
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
    });
}

#[test]
fn a_name_is_given_out_once() {
    on_each(|store| {
        let record = team(id(), "core");
        let tenant_id = record.tenant_id;
        insert(store, &record);
        let take = |record_id| {
            write(store, move |tx| {
                aliases::insert(tx, tenant_id, Noun::Team, "core", record_id)
            })
        };
        assert!(take(record.id));
        assert!(take(record.id));
        assert!(!take(id()));
        let found = read(store, move |tx| {
            records::by_alias(tx, tenant_id, Noun::Team, "core")
        });
        assert_eq!(found, Some(record.clone()));
        let (one, other) = (record.id, id());
        assert_eq!(read(store, move |tx| aliases::of_record(tx, one)), ["core"]);
        assert!(!write(store, move |tx| aliases::remove(
            tx,
            tenant_id,
            Noun::Team,
            "core",
            other
        )));
        assert!(write(store, move |tx| aliases::remove(
            tx,
            tenant_id,
            Noun::Team,
            "core",
            one
        )));
        assert_eq!(
            read(store, move |tx| aliases::holder(
                tx,
                tenant_id,
                Noun::Team,
                "core"
            )),
            None
        );
    });
}

#[test]
fn relations_are_found_from_both_ends() {
    on_each(|store| {
        let tenant_id = id();
        let from: Vec<_> = (0..3)
            .map(|index| team(tenant_id, &format!("t{index}")))
            .collect();
        let (user, other): (Id<id::Record>, Id<id::Record>) = (id(), id());
        for record in &from {
            insert(store, record);
            let from_id = record.id;
            write(store, move |tx| {
                let many: Vec<_> = (0..20).map(|_| (Relation::Manager, id())).collect();
                links::replace(tx, tenant_id, from_id, &many)?;
                links::replace(
                    tx,
                    tenant_id,
                    from_id,
                    &[(Relation::Member, user), (Relation::Owner, other)],
                )
            });
        }
        let page = read(store, move |tx| {
            links::linked_to(tx, user, Relation::Member, None, 2)
        });
        assert_eq!(page, from[..2]);
        let after = page[1].id;
        let page = read(store, move |tx| {
            links::linked_to(tx, user, Relation::Member, Some(after), 2)
        });
        assert_eq!(page, from[2..]);
    });
}

#[test]
fn the_newest_use_stays() {
    on_each(|store| {
        let ids: Vec<Id<id::Record>> = (0..40).map(|_| id()).collect();
        let touch = |seconds: &[i64]| {
            let uses = ids.iter().flat_map(|id| {
                seconds.iter().map(|second| Seen {
                    record_id: *id,
                    last_seen_at: at(*second),
                    source: second.to_string(),
                })
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

#[test]
fn a_row_that_does_not_parse_names_table_column_and_id() {
    on_each(|store| {
        let record = team(id(), "core");
        insert(store, &record);
        for (column, value) in [("noun", "ghost"), ("status", "ghost"), ("doc", "{")] {
            let text =
                format!("UPDATE record SET noun = 'team', status = 'active', {column} = '{value}'");
            // The same column twice is refused, so the others are reset first.
            write(store, |tx| {
                countersign_store::testing::batch(
                    tx,
                    "UPDATE record SET noun = 'team', status = 'active'",
                )
            });
            let text = text.replacen("noun = 'team', status = 'active', ", "", 1);
            write(store, move |tx| {
                countersign_store::testing::batch(tx, &text)
            });
            let id = record.id;
            let error = store
                .read(move |tx| records::by_id(tx, id))
                .wait()
                .unwrap_err();
            let StoreError::Corrupt {
                table,
                column: named,
                id: row,
                ..
            } = &error
            else {
                panic!("{error}")
            };
            assert_eq!(
                (table.as_str(), named.as_str(), row.as_str()),
                ("record", column, record.id.to_string().as_str())
            );
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
        let query = move |tx: &mut Tx<'_>| {
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
        let names: Vec<_> = read(store, query)
            .into_iter()
            .map(|record| record.name)
            .collect();
        assert_eq!(names, ["a", "a-b", "a.b", "a_b", "ab", "b"]);
    });
}
