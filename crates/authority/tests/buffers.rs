//! What is kept in memory for a moment goes to the database in parts that hold up nobody else.

use countersign_authority::{Ctx, Flushing};
use countersign_model::{
    Id, Timestamp, id,
    reason::{Reason, Refusal},
};
use countersign_store::{evidence, seen};

use crate::approvals_world::{World, on_each};

/// Flushes until nothing more waits, and says how many rows were there after each write.
fn flush(
    mut next: impl FnMut() -> Option<Flushing>,
    mut rows: impl FnMut() -> usize,
) -> Vec<usize> {
    let mut after = Vec::new();
    while let Some(Flushing { written, more }) = next() {
        written.wait().unwrap();
        after.push(rows());
        if !more {
            break;
        }
    }
    assert!(next().is_none(), "nothing waits any more");
    after
}

fn seen_at(world: &World, records: &[Id<id::Record>]) -> Vec<Timestamp> {
    let records = records.to_vec();
    let read = world.authority().store().read(move |tx| {
        let mut found = Vec::new();
        for record in &records {
            found.extend(seen::by_record(tx, *record)?.map(|seen| seen.last_seen_at));
        }
        Ok::<_, countersign_store::StoreError>(found)
    });
    read.wait().unwrap()
}

#[test]
fn last_uses_are_written_a_few_hundred_rows_at_a_time() {
    on_each(|world| {
        let ctx = Ctx::internal(world.now());
        let used: Vec<Id<id::Record>> = (0..600).map(|_| ctx.id()).collect();
        world.authority().note_use(&ctx, &used);
        let after = flush(
            || world.authority().flush_uses(world.now()),
            || seen_at(world, &used).len(),
        );
        assert_eq!(
            after,
            [248, 496, 600],
            "and a row each for the clock and for the server that runs"
        );
        assert!(seen_at(world, &used).iter().all(|at| *at == ctx.now));
    });
}

#[test]
fn refusals_are_written_a_few_hundred_rows_at_a_time() {
    on_each(|world| {
        let ctx = Ctx::internal(world.now());
        let tenant = world.tenant().id;
        let refusal = Refusal::new(Reason::CredentialInvalid, "client authentication failed");
        for number in 0..600 {
            let claimed = format!("client-{number}");
            let authority = world.authority();
            authority.note_refusal(&ctx, tenant, "token", Some(&claimed), &refusal);
        }
        let refused = || {
            let read = world.authority().store().read(move |tx| {
                let all = evidence::tail(tx, tenant, evidence::Position::default(), 10_000)?;
                let refused = all.iter().filter(|one| one.row.kind == "refused");
                Ok::<_, countersign_store::StoreError>(refused.count())
            });
            read.wait().unwrap()
        };
        let after = flush(|| world.authority().flush_refusals(&ctx).unwrap(), refused);
        assert_eq!(after, [250, 500, 600]);
    });
}
