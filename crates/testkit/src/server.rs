//! A server in the process of the test.

use std::{
    fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc,
    time::Duration,
};

use countersign_crypto::{Secret, key_wrap::KeyFile};
use countersign_model::registry::TenantRole;
use countersign_server::{
    admin,
    config::Config,
    federation::{AddressPolicy, Outbound},
    jobs::{self, Job, Progress},
    notify::Notifier,
    serve::{ServeOptions, Server},
};
use countersign_store::{StoreError, Tx, WriteMode, testing};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    Caller, Database, MockClock,
    certificates::{self, Pair},
};

/// A running server on a free port of 127.0.0.1, with a directory of its own.
pub struct TestServer {
    server: Server,
    config: Config,
    clock: MockClock,
    database: Database,
    directory: Arc<TempDir>,
    http: reqwest::Client,
}

impl TestServer {
    /// Starts one on a database.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(database: &Database) -> Self {
        Self::start_with(database, |_| {}).await
    }

    /// Starts one whose configuration is edited first.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with(database: &Database, edit: impl FnOnce(&mut Config)) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.data.dir = Some(directory.path().join("data"));
        config.federation.allow_loopback_issuers = true;
        config.limits.failures_per_client_per_minute = UNLIMITED;
        config.limits.failures_per_address_per_minute = UNLIMITED;
        config.limits.drain_timeout_seconds = 5;
        if let Some(url) = database.url() {
            config.data.database = Some(Secret::new(url.to_owned()));
            let path = directory.path().join("countersign.key");
            write_key_file(&path);
            config.keys.file = Some(path);
        }
        edit(&mut config);
        Self::run(config, MockClock::default(), database.clone(), directory).await
    }

    async fn run(
        mut config: Config,
        clock: MockClock,
        database: Database,
        directory: Arc<TempDir>,
    ) -> Self {
        let options = ServeOptions {
            config: config.clone(),
            clock: clock.for_server(),
        };
        let server = Server::start(options)
            .await
            .unwrap_or_else(|error| panic!("the server does not start: {error:#}"));
        // A restart and other replicas have the same issuer.
        config.server.issuer = Some(server.issuer().to_owned());
        let http = http_client(None);
        Self {
            server,
            config,
            clock,
            database,
            directory,
            http,
        }
    }

    /// Another server over the same PostgreSQL database: same key file, issuer and clock.
    ///
    /// # Panics
    /// On SQLite, which belongs to one server.
    pub async fn replica(&self) -> Self {
        assert!(
            self.database.url().is_some(),
            "replicas share a PostgreSQL database"
        );
        let mut config = self.config.clone();
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.data.dir = Some(
            self.directory
                .path()
                .join(format!("replica-{}", self.address().port())),
        );
        Self::run(
            config,
            self.clock.clone(),
            self.database.clone(),
            Arc::clone(&self.directory),
        )
        .await
    }

    /// Stops it, and starts it again on the same data and address.
    ///
    /// # Panics
    /// When it does not stop or start.
    #[must_use]
    pub async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The same; something is done while it is stopped.
    ///
    /// # Panics
    /// When it does not stop or start.
    pub async fn restart_with(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let Self {
            server,
            mut config,
            clock,
            database,
            directory,
            http,
        } = self;
        config.server.listen = server.address();
        // Connections that are kept open would hold the stop back.
        drop(http);
        server
            .stop()
            .await
            .unwrap_or_else(|error| panic!("the server does not stop: {error:#}"));
        meanwhile(&config.data_directory());
        Self::run(config, clock, database, directory).await
    }

    /// Stops it: what runs is finished, buffers are written. Its directory goes with the answer.
    ///
    /// # Panics
    /// When it does not stop.
    pub async fn stop(self) -> Arc<TempDir> {
        let Self {
            server,
            http,
            directory,
            ..
        } = self;
        drop(http);
        server
            .stop()
            .await
            .unwrap_or_else(|error| panic!("the server does not stop: {error:#}"));
        directory
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// The issuer of its first tenant.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.server.issuer()
    }

    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> &MockClock {
        &self.clock
    }

    /// Its configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Its database.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// What it serves with.
    #[must_use]
    pub const fn app(&self) -> &countersign_server::app::App {
        self.server.app()
    }

    /// Runs a job of this name now, until it has nothing more to do.
    ///
    /// # Panics
    /// When there is none, or it fails.
    pub async fn run_job(&self, name: &str) {
        let ended = self.try_job(name).await;
        ended.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// The same for a job that may fail.
    ///
    /// # Errors
    /// What the job says.
    ///
    /// # Panics
    /// When there is none.
    pub async fn try_job(&self, name: &str) -> Result<(), String> {
        let job = self.job(name);
        loop {
            match jobs::run_once(job.as_ref()).await {
                Ok(Progress::More) => {}
                Ok(Progress::Done) => return Ok(()),
                Err(error) => return Err(format!("{error:#}")),
            }
        }
    }

    /// How long a job of this name waits between two runs.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn job_every(&self, name: &str) -> Duration {
        self.job(name).every()
    }

    fn job(&self, name: &str) -> Arc<dyn Job> {
        let outbound = Outbound::new(AddressPolicy::of(&self.config.federation));
        let notifier = Notifier::new(&self.config.notify, &outbound).expect("webhooks");
        jobs::all(self.app(), Vec::new(), notifier)
            .into_iter()
            .find(|job| job.name() == name)
            .unwrap_or_else(|| panic!("no job `{name}`"))
    }

    /// Somebody who calls it and has proved nothing.
    #[must_use]
    pub fn anyone(&self) -> Caller {
        Caller::new(self.http.clone(), self.base())
    }

    /// Somebody whose connection is made with this certificate.
    #[must_use]
    pub fn with_certificate(&self, pair: &Pair) -> Caller {
        Caller::new(http_client(Some(pair)), self.base())
    }

    fn base(&self) -> String {
        let scheme = if self.config.server.tls.cert.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address())
    }

    /// A one-time code, made beside the running server from its key file.
    ///
    /// # Panics
    /// When the key file cannot be had.
    #[must_use]
    pub fn code(&self, email: &str, role: Option<TenantRole>) -> String {
        let email = email.parse().expect("an e-mail address");
        let code = admin::enrol(&self.config, &self.clock.for_server(), email, role, None);
        code.expect("a code").expose().clone()
    }

    /// Signs a person in: makes the user on the first time.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn enrol(&self, email: &str, role: TenantRole) -> Caller {
        self.sign_in(&self.anyone(), self.code(email, Some(role)))
            .await
    }

    /// The first owner, Dana.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn owner(&self) -> Caller {
        self.enrol("dana@example.com", TenantRole::Owner).await
    }

    /// Makes a further tenant and signs its owner in.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn tenant(&self, name: &str, owner: &str) -> Caller {
        let anyone = self.anyone();
        let there = anyone.at(format!("{}/t/{name}", anyone.base()));
        let signed_in = self.sign_in(&anyone, self.tenant_code(name, owner)).await;
        there.with_token(signed_in.token())
    }

    /// A one-time code that makes a further tenant with this owner.
    ///
    /// # Panics
    /// When no code can be made.
    #[must_use]
    pub fn tenant_code(&self, name: &str, owner: &str) -> String {
        let (tenant, owner) = (
            name.parse().expect("a name"),
            owner.parse().expect("an e-mail address"),
        );
        admin::tenant_create(&self.config, &self.clock.for_server(), tenant, owner)
            .expect("a code")
            .expose()
            .clone()
    }

    async fn sign_in(&self, caller: &Caller, code: String) -> Caller {
        let session = caller
            .post("/api/sessions", &json!({ "code": code }))
            .await
            .done();
        caller.with_token(session["token"].as_str().expect("a token"))
    }

    /// Runs SQL behind the server's back, as who administers the database could.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn sql(&self, text: &str) {
        let done = self.try_sql(text).await;
        done.unwrap_or_else(|error| panic!("SQL: {error}"));
    }

    /// The same, of SQL that the database may refuse.
    ///
    /// # Errors
    /// What the database says.
    pub async fn try_sql(&self, text: &str) -> Result<(), StoreError> {
        let text = text.to_owned();
        let work = move |tx: &mut Tx<'_>| testing::batch(tx, &text);
        self.app()
            .authority()
            .store()
            .write(WriteMode::Housekeeping, work)
            .await
    }
}

fn write_key_file(path: &Path) {
    let key = KeyFile::generate().expect("a key file");
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(key.to_text().expose().as_bytes()))
        .expect("a key file");
}

/// Tests fail often and on purpose: the limit has its own test.
const UNLIMITED: u32 = 1_000_000;

/// A client that trusts the certificate of the tests' own servers, and shows this one.
fn http_client(shown: Option<&Pair>) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(certificates::SERVER.certificate.as_bytes());
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .tls_certs_only([root.expect("a certificate")]);
    if let Some(pair) = shown {
        let identity = reqwest::Identity::from_pem(pair.pem().as_bytes());
        builder = builder.identity(identity.expect("a certificate with its key"));
    }
    builder.build().expect("an HTTP client")
}
