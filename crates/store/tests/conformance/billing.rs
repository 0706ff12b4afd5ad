//! Counters of billing: each step counts once, and what comes after a close is told apart.

use countersign_model::billing::{Counter, Month, Operation, Tally};
use countersign_store::{
    Outcome, Store,
    billing::{self, Closed, Counted},
};

use crate::support::{at, id, on_each, read, write};

fn tally(counters: &[(Counter, u64)], name: &str) -> Tally {
    let mut tally = Tally::default();
    for (counter, count) in counters {
        tally.counts.insert(*counter, *count);
        for id in [
            counter.project.map(|id| id.cast()),
            counter.identity.map(|id| id.cast()),
        ] {
            let named = id.map(|id| ((counter.tenant, counter.month, id), name.to_owned()));
            tally.names.extend(named);
        }
    }
    tally
}

fn step(store: &Store, from: i64, to: i64, tally: &Tally) -> bool {
    let tally = tally.clone();
    let at = |size| Counted {
        generation: 1,
        size,
    };
    write(store, move |tx| {
        tx.savepoint(|tx| {
            if !billing::advance(tx, at(from), at(to))? {
                return Ok(Outcome::Undo(false));
            }
            billing::add(tx, &tally)?;
            Ok(Outcome::Keep(true))
        })
    })
}

#[test]
fn a_step_counts_once_and_what_follows_a_close_is_late() {
    on_each(|store| {
        let month: Month = "2026-10".parse().unwrap();
        let (tenant, project) = (id(), Some(id()));
        let counter = |identity, operation| Counter {
            tenant,
            month,
            project,
            identity,
            operation,
        };
        let (one, two) = (Some(id()), Some(id()));
        assert_eq!(
            read(store, billing::counted),
            Counted {
                generation: 1,
                size: 0
            }
        );
        let first = tally(
            &[
                (counter(one, Operation::Token), 3),
                (counter(two, Operation::Decision), 40),
                (counter(None, Operation::Decision), 2),
            ],
            "before",
        );
        assert!(step(store, 0, 7, &first));
        // The same step once more, from where the cursor is no longer.
        assert!(!step(store, 0, 7, &first));
        assert!(step(
            store,
            7,
            9,
            &tally(&[(counter(one, Operation::Token), 5)], "after")
        ));
        assert_eq!(
            read(store, billing::counted),
            Counted {
                generation: 1,
                size: 9
            }
        );

        let open = read(store, move |tx| billing::open_before(tx, month.next(), 10));
        assert_eq!(
            open.iter()
                .map(|one| (one.tenant_id, one.month))
                .collect::<Vec<_>>(),
            [(tenant, month)]
        );
        assert_eq!(
            read(store, move |tx| billing::open_before(tx, month, 10)),
            []
        );
        let closed = Closed {
            counted: Counted {
                generation: 1,
                size: 9,
            },
            at: at(5),
            digest: "ab".to_owned(),
            evidence_id: id(),
        };
        // After one step the month was another.
        for (steps, first) in [(1, false), (2, true), (2, false)] {
            let closed = closed.clone();
            assert_eq!(
                write(store, move |tx| billing::close(
                    tx, tenant, month, steps, &closed
                )),
                first
            );
        }
        assert_eq!(
            read(store, move |tx| billing::open_before(tx, month.next(), 10)),
            []
        );
        assert!(step(
            store,
            9,
            10,
            &tally(&[(counter(one, Operation::Token), 6)], "after")
        ));
        let months = read(store, move |tx| billing::months(tx, tenant));
        assert_eq!(
            months
                .iter()
                .map(|one| one.closed.clone())
                .collect::<Vec<_>>(),
            [Some(closed)]
        );

        let page = |after: Option<Counter>, limit| {
            let of = project;
            read(store, move |tx| {
                billing::lines(tx, tenant, month, of, after.as_ref(), limit)
            })
        };
        let mut all = Vec::new();
        loop {
            let found = page(all.last().map(|line: &billing::Line| line.counter), 1);
            if found.is_empty() {
                break;
            }
            all.extend(found);
        }
        assert_eq!(all, page(None, 10));
        let of = |identity| {
            let line = all
                .iter()
                .find(|line| line.counter.identity == identity)
                .unwrap();
            (
                line.counted,
                line.late,
                line.identity_name.as_deref(),
                line.project_name.as_deref(),
            )
        };
        assert_eq!(all.len(), 3);
        assert_eq!(of(one), (8, 6, Some("after"), Some("after")));
        assert_eq!(of(two), (40, 0, Some("before"), Some("after")));
        assert_eq!(of(None), (2, 0, None, Some("after")));
        let other = id();
        assert_eq!(
            read(store, move |tx| billing::lines(
                tx,
                tenant,
                month,
                Some(other),
                None,
                10
            )),
            []
        );
        assert_eq!(
            read(store, move |tx| billing::lines(
                tx,
                other.cast(),
                month,
                None,
                None,
                10
            )),
            []
        );
    });
}

#[test]
fn many_counters_are_added_in_one_step() {
    on_each(|store| {
        let month: Month = "2026-11".parse().unwrap();
        let tenant = id();
        let counters: Vec<_> = (0..100)
            .map(|_| {
                let counter = Counter {
                    tenant,
                    month,
                    project: Some(id()),
                    identity: Some(id()),
                    operation: Operation::Action,
                };
                (counter, 1)
            })
            .collect();
        let all = tally(&counters, "x");
        assert!(step(store, 0, 100, &all));
        assert!(step(store, 100, 200, &all));
        let lines = read(store, move |tx| {
            billing::lines(tx, tenant, month, None, None, 1000)
        });
        assert_eq!(lines.len(), 100);
        assert!(lines.iter().all(|line| (line.counted, line.late) == (2, 0)));
    });
}
