//! How many durable units of work a second pass the wall. One unit: a point read, a guarded insert of evidence, and the use
//! of an assertion; what issuing a token costs the database.
//!
//! `cargo run --release -p countersign-store --example wall_bench [DIRECTORY | postgres://..] [SECONDS] [evidence]`
//! (with `evidence`, a unit uses no assertion: its key is random, and random keys cost more the larger the table is)

use std::{
    collections::VecDeque,
    error::Error,
    time::{Duration, Instant},
};

use countersign_model::{
    id::{self, Id},
    registry::{Noun, Record, Status, TeamDoc},
    time::Timestamp,
};
use countersign_store::{
    Location, Store, StoreConfig, StoreError, WriteMode,
    evidence::{self, EvidenceRow},
    records,
    replay::{self, Use},
};

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let location = match std::env::args().nth(1) {
        Some(url) if url.starts_with("postgres") => Location::Postgres(url),
        Some(directory) => Location::Sqlite(directory.into()),
        None => Location::Sqlite(scratch.path().to_owned()),
    };
    // Three seconds even out the disk; a minute shows what a larger table costs.
    let span = Duration::from_secs(std::env::args().nth(2).map_or(Ok(3), |text| text.parse())?);
    let with_assertion = std::env::args().nth(3).is_none();
    let store = Store::open(StoreConfig::new(location))?;
    let record = team()?;
    let known = record.id;
    store
        .write(WriteMode::Serializable, move |tx| {
            records::insert(tx, &record)
        })
        .wait()?;

    // Numbers of their own for each process, so that a database can be used again.
    let mut made = u64::from(std::process::id()) << 32;
    for callers in [1, 32, 256] {
        let before = store.statistics();
        let started = Instant::now();
        let (mut waiting, mut done) = (VecDeque::new(), 0_u64);
        while started.elapsed() < span {
            while waiting.len() < callers {
                made += 1;
                waiting.push_back(unit(&store, known, made, with_assertion));
            }
            if let Some(first) = waiting.pop_front() {
                assert!(first.wait()?, "a guard failed");
                done += 1;
            }
        }
        for one in waiting {
            assert!(one.wait()?, "a guard failed");
            done += 1;
        }
        let took = started.elapsed().as_secs_f64();
        let after = store.statistics();
        println!(
            "{callers:>4} callers: {:>7.0} units/s, {:>6.1} units a commit, last commit {} µs",
            done as f64 / took,
            done as f64 / (after.commits - before.commits) as f64,
            after.last_commit_micros,
        );
    }

    let started = Instant::now();
    let mut reads = 0_u64;
    while started.elapsed() < span {
        store.read_inline(move |tx| records::by_id(tx, known))?;
        reads += 1;
    }
    println!(
        "point reads, inline, one caller: {:.0}/s",
        reads as f64 / started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn unit(
    store: &Store,
    known: Id<id::Record>,
    number: u64,
    with_assertion: bool,
) -> countersign_store::Pending<Result<bool, StoreError>> {
    store.write(WriteMode::Append, move |tx| {
        let Some(record) = records::by_id(tx, known)? else {
            return Ok(false);
        };
        let row = row(&record, number);
        let key = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let one = Use {
            tenant_id: record.tenant_id,
            issuer_id: record.id,
            key: &key,
            purpose: "",
            until_at: row.recorded_at,
        };
        let used = !with_assertion || replay::consume(tx, &one)?;
        Ok(used && evidence::insert_guarded(tx, &row, &[(record.id, record.version)])?)
    })
}

fn row(record: &Record, number: u64) -> EvidenceRow {
    let id = (u128::from(1_700_000_000_000 + number % (1 << 32) / 8) << 80)
        | (7 << 76)
        | u128::from(number);
    EvidenceRow {
        id: Id::from_bytes(id.to_be_bytes()),
        tenant_id: record.tenant_id,
        kind: "token_issued".to_owned(),
        txn: Id::from_bytes(id.to_be_bytes()),
        occurred_at: Timestamp::from_seconds(1_700_000_000),
        recorded_at: Timestamp::from_seconds(1_700_000_000),
        outcome: "done".to_owned(),
        identity_id: Some(record.id.cast()),
        salt: vec![7; 16],
        body: format!(
            "{{\"v\":1,\"number\":{number},\"refs\":\"{}\"}}",
            "x".repeat(600)
        ),
        disclosed: None,
        lost: None,
    }
}

fn team() -> Result<Record, Box<dyn Error>> {
    let id = Id::from_bytes([7; 16]);
    Ok(Record {
        id: Id::from_bytes(std::array::from_fn(|index| {
            std::process::id().to_be_bytes()[index % 4]
        })),
        tenant_id: id,
        noun: Noun::Team,
        name: "core".to_owned(),
        parent_id: None,
        version: 1,
        epoch: 0,
        status: Status::Active,
        created_at: Timestamp::from_seconds(0),
        updated_at: Timestamp::from_seconds(0),
        doc: TeamDoc {
            name: "core".parse()?,
            members: vec![Id::from_bytes([8; 16])],
            directory: None,
        }
        .into(),
    })
}
