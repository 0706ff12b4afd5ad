//! Renewal chains: one writer at a time, found by holder and by what is due.

use countersign_model::{
    chain::{Chain, ChainDoc, Member, RevokedChain},
    id::{self, Id},
    scope::Scope,
    token_metadata::TokenMetadata,
};
use countersign_store::chains;

use crate::support::{at, id, on_each, read, write};

fn chain(
    tenant_id: Id<id::Tenant>,
    principal_id: Id<id::Record>,
    due: Option<i64>,
    ends: i64,
) -> Chain {
    Chain {
        id: id(),
        tenant_id,
        principal_id,
        scope: Scope::Sensor,
        version: 1,
        created_at: at(1),
        due_at: due.map(at),
        ends_at: at(ends),
        doc: ChainDoc {
            ttl_seconds: 90,
            metadata: TokenMetadata {
                trigger_types: vec!["core.timer".to_owned()],
                ..TokenMetadata::default()
            },
            auth_time: Some(7),
            shown_to: Some(id()),
            members: vec![Member {
                jti: id(),
                parent: Some(id()),
                issued_at: at(1),
                expires_at: at(2),
                renewed_at: Some(at(1)),
                repeats: 2,
            }],
            renewals: 3,
            forked_at: Some(at(4)),
            overdue_at: None,
            revoked: Some(RevokedChain {
                at: at(5),
                reason: "stolen".to_owned(),
            }),
        },
    }
}

#[test]
fn a_chain_is_kept_whole_and_written_by_one_at_a_time() {
    on_each(|store| {
        let first = chain(id(), id(), Some(10), 20);
        let inserted = first.clone();
        write(store, move |tx| chains::insert(tx, &inserted));
        let by_id = first.id;
        assert_eq!(
            read(store, move |tx| chains::by_id(tx, by_id)),
            Some(first.clone())
        );
        let mut next = first.clone();
        next.due_at = None;
        next.ends_at = at(30);
        next.doc.renewals = 4;
        let written = next.clone();
        assert!(write(store, move |tx| chains::update(tx, &written)));
        let stale = first;
        assert!(
            !write(store, move |tx| chains::update(tx, &stale)),
            "somebody was faster"
        );
        let kept = read(store, move |tx| chains::by_id(tx, by_id)).unwrap();
        assert_eq!(kept, Chain { version: 2, ..next });
    });
}

#[test]
fn chains_are_found_by_holder_and_by_what_is_due_and_removed_at_their_end() {
    on_each(|store| {
        let (tenant, other, holder) = (id(), id(), id());
        let one = chain(tenant, holder, Some(10), 100);
        let two = chain(tenant, holder, Some(5), 50);
        let none = chain(tenant, id(), None, 60);
        let foreign = chain(other, id(), Some(1), 200);
        for each in [&one, &two, &none, &foreign] {
            let each = each.clone();
            write(store, move |tx| chains::insert(tx, &each));
        }
        let held = read(store, move |tx| chains::of_principal(tx, holder, 10));
        assert_eq!(
            held.iter().map(|chain| chain.id).collect::<Vec<_>>(),
            [one.id, two.id],
            "what ends last comes first"
        );
        let live = |now: i64| {
            let live = read(store, move |tx| {
                chains::live_of_principal(tx, holder, at(now))
            });
            live.into_iter().map(|chain| chain.id).collect::<Vec<_>>()
        };
        assert_eq!(live(49), [two.id, one.id], "newest first");
        assert_eq!(live(50), [one.id], "at its end a chain is over");
        assert_eq!(live(100), []);
        assert_eq!(
            read(store, move |tx| chains::of_principal(tx, holder, 1)).len(),
            1
        );
        let due = |before: i64| {
            let due = read(store, move |tx| {
                chains::due_before(tx, tenant, at(before), 10)
            });
            due.into_iter().map(|chain| chain.id).collect::<Vec<_>>()
        };
        assert_eq!(due(5), [], "before, not at");
        assert_eq!(due(6), [two.id]);
        assert_eq!(
            due(1000),
            [two.id, one.id],
            "the longest due first, and what is not renewed never"
        );
        assert_eq!(write(store, |tx| chains::prune(tx, at(60), 10)), 1);
        let gone = two.id;
        assert_eq!(read(store, move |tx| chains::by_id(tx, gone)), None);
        assert_eq!(
            write(store, |tx| chains::prune(tx, at(1000), 2)),
            2,
            "in batches"
        );
    });
}
