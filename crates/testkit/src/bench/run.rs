//! One run: everything in turn, on the same machine within minutes, so that ratios hold.

use std::{path::Path, thread::sleep, time::Duration};

use anyhow::Context as _;
use countersign_authority::Authority;
use countersign_store::testing::TemporaryDatabase;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    closure,
    load::once,
    options::{Options, Serve},
    process::{Serving, memory},
    report::{FIRST, HEAD, Report, SECOND},
    soak,
    stages::{Stages, TOKEN, forms, gets, posts},
    world::{self, Client, World},
};

/// Measures.
///
/// INVARIANT: databases are made, opened and removed outside of the runtime. The synchronous driver of PostgreSQL has one
/// of its own, which must not start within another.
///
/// # Errors
/// When something does not start, or an answer is not what it should be.
pub fn run(options: &Options, runtime: &Runtime) -> anyhow::Result<()> {
    println!("{HEAD}");
    let mut report = Report::default();
    runtime.block_on(baselines(options, &mut report))?;
    if options.wants("record") {
        recording(options, &mut report)?;
    }
    if options.wants("ready") {
        let place = Place::new(options)?;
        report.ready_empty = Some(ready(options, &place, runtime)?);
    }
    let of_server = SERVER.iter().chain(&AUTOMATION);
    if of_server.into_iter().any(|name| options.wants(name)) {
        server(options, &mut report, runtime)?;
    }
    report.print();
    Ok(())
}

/// The soak alone.
///
/// # Errors
/// When a promise is broken.
pub fn soak(options: &Options, runtime: &Runtime, count: u64) -> anyhow::Result<()> {
    let place = Place::new(options)?;
    let world = {
        let authority = place.authority()?;
        let world = World::make(&authority, 1)?;
        authority.store().close();
        world
    };
    let serving = place.serve(options)?;
    runtime.block_on(soak::soak(options, &serving, &world, place.data(), count))?;
    serving.stop()
}

/// Where a server keeps its data: removed with this value.
struct Place {
    directory: TempDir,
    database: Option<TemporaryDatabase>,
}

impl Place {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let directory = match &options.dir {
            Some(dir) => tempfile::tempdir_in(dir)?,
            // The build directory is on a disk; the directory for temporary files may be in memory.
            None => tempfile::tempdir_in("target").or_else(|_| tempfile::tempdir())?,
        };
        let database = options
            .database
            .as_deref()
            .map(TemporaryDatabase::create)
            .transpose()?;
        if database.is_some() {
            world::key(directory.path())?;
        }
        Ok(Self {
            directory,
            database,
        })
    }

    fn data(&self) -> &Path {
        self.directory.path()
    }

    fn url(&self) -> Option<&str> {
        self.database.as_ref().map(|database| database.url.as_str())
    }

    fn authority(&self) -> anyhow::Result<Authority> {
        world::open(self.data(), self.url())
    }

    fn serve(&self, options: &Options) -> anyhow::Result<Serving> {
        Serving::start(options, Serve::Countersign, Some(self.data()), self.url())
    }
}

/// (a) and (b).
async fn baselines(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let client = Client {
        id: "service-00001".to_owned(),
        secret: SECRET.to_owned(),
    };
    let world = World {
        clients: vec![client],
        ..World::default()
    };
    let bare = posts(TOKEN, None, forms(&world, world::ES256));
    let all = [
        ("hello", Serve::Hello, gets("/")),
        ("bare ES256", Serve::BareEs256, bare.clone()),
        ("bare RS256", Serve::BareRs256, bare),
    ];
    for (name, what, requests) in all {
        if options.wants(name) {
            let serving = Serving::start(options, what, None, None)?;
            let mut stages = Stages {
                options,
                serving: &serving,
                round: FIRST,
                figures: Vec::new(),
            };
            stages.measure(name, &requests, 0).await?;
            report.figures.extend(stages.figures);
        }
    }
    Ok(())
}

/// (c).
fn recording(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let place = Place::new(options)?;
    let authority = place.authority()?;
    let world = World::make(&authority, options.identities)?;
    for callers in options.connections.clone() {
        let recorded = closure::measure(&authority, &world, callers, options.span())?;
        println!(
            "| {:<24} | {callers:>4} | {:>8.0} | {:>6} | {:>7} | {:>8.1} |       | one commit takes {} µs",
            "record closure",
            recorded.rate,
            recorded.p50,
            recorded.p99,
            recorded.processor.as_secs_f64() * 1e6,
            recorded.commit.as_micros(),
        );
        report.recorded.push((callers, recorded));
    }
    authority.store().close();
    Ok(())
}

fn ready(options: &Options, place: &Place, runtime: &Runtime) -> anyhow::Result<Duration> {
    let serving = place.serve(options)?;
    let request = gets("/readyz")(0).context("no request")?;
    let (status, _) = runtime.block_on(once(serving.address, request))?;
    anyhow::ensure!(
        status == 200,
        "the server said that it listens, and is not ready"
    );
    let ready = serving.ready;
    serving.stop()?;
    println!("ready on an empty directory after {} ms", ready.as_millis());
    Ok(ready)
}

fn server(options: &Options, report: &mut Report, runtime: &Runtime) -> anyhow::Result<()> {
    let place = Place::new(options)?;
    let world = {
        let authority = place.authority()?;
        let world = World::make(&authority, options.identities)?;
        closure::settle(&authority)?;
        authority.store().close();
        world
    };
    let serving = place.serve(options)?;
    sleep(SETTLE);
    report.idle = Some(memory(serving.pid())?.now);
    let mut stages = Stages {
        options,
        serving: &serving,
        round: FIRST,
        figures: Vec::new(),
    };
    runtime.block_on(stages.server(&world))?;
    report.loaded = Some(memory(serving.pid())?.most);
    if AUTOMATION.iter().any(|name| options.wants(name)) {
        runtime.block_on(stages.automation(&world, place.data()))?;
    }
    report.figures.extend(stages.figures);
    serving.stop()?;
    if options.records() == 0 {
        return Ok(());
    }
    let authority = place.authority()?;
    println!("recording {} tokens", options.records());
    closure::fill(&authority, &world, options.records())?;
    authority.store().close();
    drop(authority);
    let serving = place.serve(options)?;
    report.ready_full = Some(serving.ready);
    sleep(SETTLE);
    let mut stages = Stages {
        options,
        serving: &serving,
        round: SECOND,
        figures: Vec::new(),
    };
    runtime.block_on(stages.server(&world))?;
    report.figures.extend(stages.figures);
    serving.stop()
}

const SERVER: [&str; 6] = [
    "healthz",
    "issue ES256",
    "issue RS256",
    "introspection",
    "evaluation",
    "revocation",
];

/// What comes last: it needs a worker, and fills the registry.
const AUTOMATION: [&str; 2] = ["execution", "refresh"];

/// As long as a secret is.
const SECRET: &str = "cs_secret_0123456789abcdef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// How long a fresh server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);
