//! Evidence is found by its terms, wherever it stands: without a place yet, in the last block of the log, in any tile.

use countersign_authority::{
    Ctx,
    evidence::search::{self, Search},
    log,
};
use countersign_crypto::log::{Checkpoint, Hash};
use countersign_model::{Id, id, time::Seconds};
use countersign_store::{WriteMode, evidence, log as kept};

use crate::approvals_world::{World, on_each};

/// Leaves refusals on record, each of another name.
fn refuse(world: &World, count: usize) {
    world.refuse(&Ctx::internal(world.now()), world.tenant().id, count);
}

/// A few steps of the sequencer.
fn steps(world: &World, count: usize) {
    let (authority, log) = (world.authority(), world.authority().log());
    for _ in 0..count {
        let (store, secrets) = (authority.store(), authority.secrets());
        log.sequence(store, secrets).unwrap();
        log.fold_index(store).wait().unwrap();
    }
}

fn page(world: &World, wanted: Search) -> search::Page {
    let (tenant, pepper) = (
        world.tenant().id,
        world.authority().secrets().pepper.clone(),
    );
    let read = world
        .authority()
        .store()
        .read(move |tx| search::search(tx, tenant, &wanted, &pepper));
    read.wait().unwrap()
}

/// Every record that is found, page by page; `between` happens after each.
fn found(world: &World, wanted: &Search, mut between: impl FnMut()) -> Vec<Id<id::Evidence>> {
    let (mut wanted, mut all) = (wanted.clone(), Vec::new());
    loop {
        let page = page(world, wanted.clone());
        all.extend(page.records.iter().map(|found| found.record.id));
        between();
        match page.next {
            Some(_) => wanted.before = page.next,
            None => return all,
        }
    }
}

/// All refusals in the order of the log, the newest first, from the table itself.
fn expected(world: &World) -> Vec<Id<id::Evidence>> {
    let tenant = world.tenant().id;
    let read = world
        .authority()
        .store()
        .read(move |tx| evidence::tail(tx, tenant, evidence::Position::default(), 50_000));
    let rows = read.wait().unwrap();
    let refused = rows.iter().rev().filter(|one| one.row.kind == "refused");
    refused.map(|one| one.row.id).collect()
}

fn refused() -> Search {
    Search {
        kind: Some("refused".to_owned()),
        limit: 70,
        ..Search::default()
    }
}

#[test]
fn evidence_is_found_wherever_it_stands() {
    on_each(|world| {
        refuse(world, 900);
        let nothing = || ();
        assert_eq!(
            found(world, &refused(), nothing),
            expected(world),
            "no place yet"
        );
        for _ in 0..3 {
            steps(world, 1);
            assert_eq!(
                found(world, &refused(), nothing),
                expected(world),
                "some places"
            );
        }
        steps(world, 20);
        refuse(world, 5);
        assert_eq!(
            found(world, &refused(), nothing),
            expected(world),
            "all tiles"
        );
        // Enough for a fold, and a part of the next.
        refuse(world, 3_600);
        steps(world, 30);
        assert_eq!(found(world, &refused(), nothing), expected(world), "folded");
        assert!(
            page(
                world,
                Search {
                    term: Some("run:none".to_owned()),
                    ..refused()
                }
            )
            .records
            .is_empty()
        );
    });
}

/// The pages of a search that may read so little at a time, until there is no next one.
fn pages(world: &World, wanted: &Search, bytes: usize) -> (Vec<Id<id::Evidence>>, usize) {
    let (mut wanted, mut all, mut pages) = (wanted.clone(), Vec::new(), 0);
    wanted.bytes = Some(bytes);
    loop {
        let page = page(world, wanted.clone());
        all.extend(page.records.iter().map(|found| found.record.id));
        pages += 1;
        wanted.before = page.next;
        if page.next.is_none() {
            return (all, pages);
        }
        assert!(pages < 20_000, "the search does not get on");
    }
}

#[test]
fn a_search_that_has_read_as_much_as_it_may_goes_on_at_its_cursor() {
    on_each(|world| {
        world.pass(Seconds(60));
        let since = world.now();
        refuse(world, 4_400);
        steps(world, 40);
        world.pass(Seconds(60));
        refuse(world, 600);
        let all = expected(world);
        assert!(all.len() > 4_400, "{}", all.len());
        // Whatever it may read: of what has no place, of the last block, of tiles.
        for bytes in [60_000, 300_000] {
            let (found, pages) = pages(world, &refused(), bytes);
            assert_eq!(found, all, "{bytes}");
            assert!(pages > 20, "{bytes}: {pages}");
        }
        // Two terms that many have and none has both: nothing is found, a part at a time.
        let one = page(world, refused()).records.pop().unwrap();
        steps(world, 40);
        let neither = Search {
            txn: Some(one.record.txn.to_string()),
            since: Some(since),
            term: Some("outcome:done".to_owned()),
            ..refused()
        };
        let first = page(
            world,
            Search {
                bytes: Some(1),
                ..neither.clone()
            },
        );
        assert!(first.records.is_empty() && first.next.is_some());
        let (found, pages) = pages(world, &neither, 10_000);
        assert_eq!(found, []);
        assert!(pages > 2, "{pages}");
    });
}

#[test]
fn no_page_repeats_or_leaves_out_a_record_while_places_are_given() {
    on_each(|world| {
        refuse(world, 700);
        let before = expected(world);
        let all = found(world, &refused(), || {
            steps(world, 1);
            refuse(world, 3);
        });
        assert_eq!(all, before);
    });
}

#[test]
fn two_terms_and_a_time_narrow_a_search() {
    on_each(|world| {
        refuse(world, 300);
        world.pass(Seconds(60));
        let later = world.now();
        refuse(world, 300);
        steps(world, 9);
        let all = expected(world);
        let (newer, older) = all.split_at(300);
        let since = Search {
            since: Some(later),
            ..refused()
        };
        let until = Search {
            until: Some(later),
            ..refused()
        };
        assert_eq!(found(world, &since, || ()), newer);
        assert_eq!(found(world, &until, || ()), older);
        let one = page(world, refused()).records.pop().unwrap();
        let both = Search {
            txn: Some(one.record.txn.to_string()),
            ..refused()
        };
        assert_eq!(found(world, &both, || ()), [one.record.id]);
    });
}

#[test]
fn servers_that_fold_the_same_at_once_write_it_once() {
    on_each(|world| {
        refuse(world, 4_400);
        let (authority, log) = (world.authority(), world.authority().log());
        while log
            .sequence(authority.store(), authority.secrets())
            .unwrap()
            .entries
            > 0
        {}
        let at_once: Vec<_> = (0..40).map(|_| log.fold_index(authority.store())).collect();
        for fold in at_once {
            fold.wait().unwrap();
        }
        assert_eq!(found(world, &refused(), || ()), expected(world));
    });
}

#[test]
fn a_log_whose_database_was_moved_to_another_server_is_noticed() {
    on_each(|world| {
        let store = world.authority().store();
        let empty = Checkpoint {
            origin: world.authority().log().origin().to_owned(),
            size: 0,
            root: Hash::EMPTY,
        };
        let contradicted = |checkpoint: Checkpoint| {
            let read = store.read(move |tx| log::contradiction(tx, &checkpoint));
            read.wait().unwrap().is_some()
        };
        assert!(!contradicted(empty.clone()));
        let moved = store.write(WriteMode::Housekeeping, |tx| {
            let from = kept::head(tx)?.unwrap();
            let mut to = from.clone();
            to.position.xid = i64::MAX - 1;
            kept::advance(tx, &from, &to)
        });
        assert!(moved.wait().unwrap());
        assert_eq!(contradicted(empty), world.engine == "postgres");
    });
}
