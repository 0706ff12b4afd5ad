//! How the server comes up, and how it goes down.

use std::{io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use axum_server::Handle;
use countersign_authority::{
    Archive, Authority, Ctx, Secrets, Settings, Store, StoreConfig, archive, log, people,
};
use countersign_crypto::log::Checkpoint;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    app::{App, AppParts, Freshness},
    clock::Clock,
    config::{ClientCertificates, Config, PublishConfig, check},
    federation::{AddressPolicy, KeyFetcher, Outbound, Providers, Timing},
    health::Lifecycle,
    http::{
        cursor::Cursors,
        limits::Attempts,
        router::{RouteCounters, build},
        routes::routes,
        shell::{Shell, ShellSettings},
    },
    jobs::{self, Jobs},
    key_file::{self, OpenedKeyFile},
    listener::{self, ListenerSettings, tls::ReloadingTls},
    metrics::Metrics,
    notify::Notifier,
    sinks::Sink,
    telemetry,
    work::Work,
};

/// How to serve.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The configuration.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
}

/// A server that runs.
pub struct Server {
    app: App,
    address: SocketAddr,
    issuer: String,
    first_start: bool,
    handle: Handle<SocketAddr>,
    listening: JoinHandle<std::io::Result<()>>,
    following: Option<JoinHandle<()>>,
    jobs: Jobs,
}

/// Serves until the process is told to stop: says on standard output when it is ready, drains on
/// SIGTERM and Ctrl-C.
///
/// # Errors
/// One sentence for a person: what is wrong and where.
pub async fn serve(options: ServeOptions) -> anyhow::Result<()> {
    telemetry::start(&options.config.logging);
    telemetry::log_panics();
    for finding in check::check(&options.config) {
        if finding.level == check::Level::Warning {
            tracing::warn!(
                config.key = finding.key,
                "{}: {}",
                finding.key,
                finding.detail
            );
        }
    }
    let directory = options.config.data_directory();
    let server = Server::start(options).await?;
    // Before anybody hears that it is ready: who stops it then must be heard too.
    let told = told_to_stop()?;
    let nobody_yet = server.nobody_yet().await;
    // Whoever reads our output may be gone; the server serves nevertheless.
    let mut out = std::io::stdout().lock();
    let scheme = if server.app.config().server.tls.cert.is_some() {
        "https"
    } else {
        "http"
    };
    let _ = writeln!(out, "listening on {scheme}://{}", server.address);
    if nobody_yet {
        let _ = writeln!(out, "nobody has signed in yet: make yourself an owner with");
        let _ = writeln!(
            out,
            "  countersign admin enrol EMAIL --role owner --data {}",
            directory.display()
        );
    }
    let _ = out.flush();
    drop(out);
    told.await;
    tracing::info!("stopping: finishing what runs");
    server.stop().await
}

impl Server {
    /// Opens data and listener, and starts to serve.
    ///
    /// # Errors
    /// One sentence: what is wrong and where.
    pub async fn start(options: ServeOptions) -> anyhow::Result<Self> {
        let ServeOptions { config, clock } = options;
        refuse_errors(&config)?;
        let listener = listener::bind(config.server.listen)?;
        let address = listener.local_addr()?;
        let issuer = config.issuer(address);
        let tls = open_tls(&config).await?;
        let outbound = Outbound::new(AddressPolicy::of(&config.federation));
        let sinks = open_sinks(&config, &outbound)?;
        let notifier = Notifier::new(&config.notify, &outbound)?;
        let opened = open_authority(&config, &clock, &issuer).await?;
        refuse_older_log(&opened.authority, &sinks).await?;
        opened.record_start(&clock).await?;
        let app = wire(config, clock, outbound, &opened);
        let config = app.config();
        let shell = surround(&app, &issuer);
        let handle = Handle::new();
        let settings = ListenerSettings {
            max_connections: config.server.max_connections,
            header_timeout: config.limits.header_timeout(),
        };
        let following = tls.clone().map(|tls| tokio::spawn(tls.follow()));
        let listening = tokio::spawn(listener::serve(
            listener,
            tls,
            shell,
            settings,
            handle.clone(),
        ));
        let jobs = Jobs::start(jobs::all(&app, sinks, notifier), app.clock(), app.metrics());
        app.lifecycle().started();
        tracing::info!(server.address = %address, server.issuer = %issuer, "serving `{issuer}` at {address}");
        Ok(Self {
            app,
            address,
            issuer,
            first_start: opened.first_start,
            handle,
            listening,
            following,
            jobs,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The issuer of the first tenant.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What it serves with.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Whether the data directory was empty before.
    #[must_use]
    pub const fn first_start(&self) -> bool {
        self.first_start
    }

    /// Whether nobody was let into the first tenant yet. Who cannot be asked is taken to have somebody.
    async fn nobody_yet(&self) -> bool {
        let authority = self.app.authority();
        let Some(tenant) = authority.tenant(None).map(|tenant| tenant.id) else {
            return false;
        };
        let users = authority
            .store()
            .read(move |tx| people::users(tx, tenant))
            .await;
        users.is_ok_and(|users| users == 0)
    }

    /// Takes nothing new, finishes what runs, writes what is buffered, closes the database.
    ///
    /// # Errors
    /// When the listener had failed.
    pub async fn stop(self) -> anyhow::Result<()> {
        let drain = self.app.config().limits.drain_timeout();
        self.app.lifecycle().stopping();
        self.handle.graceful_shutdown(Some(drain));
        let listened = self.listening.await.context("the listener panicked")?;
        if let Some(following) = self.following {
            following.abort();
        }
        self.jobs.stop(drain.max(LEAST_FOR_JOBS)).await;
        let authority = Arc::clone(self.app.authority());
        authority
            .record_stop()
            .await
            .context("the stop cannot be written")?;
        spawn_blocking(move || authority.store().close())
            .await
            .context("the database did not close")?;
        listened.context("the listener failed")
    }
}

/// The application, and whether its data is new.
pub(crate) struct Opened {
    pub(crate) authority: Arc<Authority>,
    cursors: Cursors,
    first_start: bool,
}

impl Opened {
    /// Records that a server starts here, which blocks.
    async fn record_start(&self, clock: &Clock) -> anyhow::Result<()> {
        let (authority, ctx) = (Arc::clone(&self.authority), Ctx::internal(clock.now()));
        spawn_blocking(move || authority.record_start(&ctx))
            .await
            .context("recording the start panicked")?
            .context("the start cannot be recorded")
    }
}

fn refuse_errors(config: &Config) -> anyhow::Result<()> {
    let findings = check::check(config);
    match findings
        .into_iter()
        .find(|finding| finding.level == check::Level::Error)
    {
        Some(finding) => bail!("{}: {}", finding.key, finding.detail),
        None => Ok(()),
    }
}

async fn open_tls(config: &Config) -> anyhow::Result<Option<ReloadingTls>> {
    let asks = config.server.client_certificates == ClientCertificates::Tls;
    match (&config.server.tls.cert, &config.server.tls.key) {
        (Some(cert), Some(key)) => Ok(Some(
            ReloadingTls::load(cert.clone(), key.clone(), asks).await?,
        )),
        _ => Ok(None),
    }
}

fn open_sinks(config: &Config, outbound: &Outbound) -> anyhow::Result<Vec<Sink>> {
    let sinks: Result<Vec<Sink>, _> = config
        .publish()
        .iter()
        .map(|row: &PublishConfig| Sink::new(row, outbound))
        .collect();
    Ok(sinks?)
}

/// Opening blocks: files, migrations, first keys.
pub(crate) async fn open_authority(
    config: &Config,
    clock: &Clock,
    issuer: &str,
) -> anyhow::Result<Opened> {
    let OpenedKeyFile { key, is_new } = key_file::open(config, |name| std::env::var(name).ok())?;
    // The same key file again: one copy seals cursors, the other belongs to the application.
    let text = key.to_text();
    let copy = countersign_crypto::key_wrap::KeyFile::parse(text.expose())?;
    let mut store = match &config.data.database {
        Some(url) => StoreConfig::postgres(url.expose().clone()),
        None => {
            let directory = config.data_directory();
            key_file::make_directory(&directory)
                .with_context(|| format!("cannot make `{}`", directory.display()))?;
            StoreConfig::sqlite(directory)
        }
    };
    store.archive = open_archive(config)?;
    let settings = Settings {
        issuer: issuer.to_owned(),
        trust_domain: config.trust_domain(issuer),
    };
    let ctx = Ctx::internal(clock.now());
    let authority = spawn_blocking(move || -> anyhow::Result<Authority> {
        let secrets = Secrets::new(key)?;
        Ok(Authority::open(
            Store::open(store)?,
            settings,
            secrets,
            &ctx,
        )?)
    });
    let authority = authority.await.context("opening the data panicked")?;
    let authority = Arc::new(authority.map_err(|error| {
        if key_file::rotation::was_cut_off(config) {
            error.context("a rotation of the key file was cut off: `countersign admin key-file rotate` goes on with it")
        } else {
            error
        }
    })?);
    Ok(Opened {
        authority,
        cursors: Cursors::new(Arc::new(copy)),
        first_start: is_new,
    })
}

/// Where the bodies of old records are. Our own directory is made here; one that was configured is not: a share
/// that is not mounted must not become a directory of this machine.
fn open_archive(config: &Config) -> anyhow::Result<Option<Archive>> {
    let Some(directory) = config.archive_directory() else {
        return Ok(None);
    };
    if config.log.archive.directory.is_none() {
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make `{}`", directory.display()))?;
    }
    let records = config.log.archive.segment_records;
    Ok(Some(Archive::new(directory, records, archive::entry_of)))
}

/// A database that is not the one that was signed for was restored or cut.
async fn refuse_older_log(authority: &Authority, sinks: &[Sink]) -> anyhow::Result<()> {
    let own = authority.store().read(log::newest_checkpoint).await?;
    let mut kept: Vec<(String, String)> = Vec::new();
    kept.extend(own.map(|own| ("the database itself".to_owned(), own.note)));
    for sink in sinks {
        let newest = sink.newest().await?;
        kept.extend(newest.map(|newest| (sink.to_string(), newest.note)));
    }
    for (place, note) in kept {
        let checkpoint = Checkpoint::parse_for_explanation(&note)
            .map_err(|error| anyhow!("{place} has a checkpoint that cannot be read: {error}"))?;
        let (origin, size) = (checkpoint.origin.clone(), checkpoint.size);
        let own = authority.log().origin();
        if begun_after(&origin, own) {
            bail!(
                "{place} has a checkpoint of `{origin}`, which began after this log, `{own}`: this database is older than \
                 a restore that was declared; if it was restored again on purpose, run `countersign admin restored`"
            );
        }
        if origin != own || size == 0 {
            continue;
        }
        let wrong = authority
            .store()
            .read(move |tx| log::contradiction(tx, &checkpoint))
            .await?;
        if let Some(wrong) = wrong {
            bail!(
                "{wrong}, but {place} has a checkpoint of {size} entries: this database is not the one that was \
                 signed for; if it was restored on purpose, run `countersign admin restored`"
            );
        }
    }
    Ok(())
}

/// Whether one origin names a later life of the log that the other one names.
fn begun_after(one: &str, other: &str) -> bool {
    let ((log, later), (same, earlier)) = (life(one), life(other));
    log == same && later > earlier
}

/// The log that an origin names, and its life: the generation, and when that began. The first has no number.
fn life(origin: &str) -> (&str, (u64, i64)) {
    let numbered = || {
        let (log, life) = origin.rsplit_once("/log/")?;
        let (generation, began) = life.split_once('-')?;
        Some((log, (generation.parse().ok()?, began.parse().ok()?)))
    };
    let first = || (origin.strip_suffix("/log").unwrap_or(origin), (1, 0));
    numbered().unwrap_or_else(first)
}

fn wire(config: Config, clock: Clock, outbound: Outbound, opened: &Opened) -> App {
    App::new(AppParts {
        authority: Arc::clone(&opened.authority),
        attempts: Attempts::new(&config.limits),
        cursors: opened.cursors.clone(),
        providers: Providers::new(outbound.clone()),
        fetcher: KeyFetcher::new(outbound, Timing::default()),
        freshness: Freshness::new(!opened.authority.store().reads_inline()),
        lifecycle: Lifecycle::default(),
        metrics: Arc::new(Metrics::new()),
        config: Arc::new(config),
        clock,
        work: Work::default(),
    })
}

fn surround(app: &App, issuer: &str) -> Shell {
    let config = app.config();
    let rows = routes();
    let counters = RouteCounters::new(&rows, app.metrics());
    let proxies = if config.server.behind_proxy {
        config.server.trusted_proxies.clone()
    } else {
        Vec::new()
    };
    let settings = ShellSettings {
        issuer: issuer.to_owned(),
        proxies,
        client_certificates: config.server.client_certificates,
        timeout: config.limits.request_timeout(),
    };
    Shell::new(
        build(rows, app.clone()),
        counters,
        Arc::clone(app.metrics()),
        settings,
    )
}

/// Listens for SIGTERM and Ctrl-C from now on: the future ends with the first of them.
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        // Without a way to hear of it, it serves until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}

/// Buffers are written also when no time was given for draining.
const LEAST_FOR_JOBS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_life_of_the_same_log_is_told_from_an_earlier_one() {
        let lives = [
            "id.example/log",
            "id.example/log/2-100",
            "id.example/log/2-200",
            "id.example/log/3-50",
        ];
        for (number, earlier) in lives.iter().enumerate() {
            for (other, later) in lives.iter().enumerate() {
                assert_eq!(
                    begun_after(later, earlier),
                    other > number,
                    "{later} {earlier}"
                );
            }
        }
        assert!(!begun_after("other.example/log/2-100", "id.example/log"));
    }
}
