//! Configuration: one TOML file, the environment, flags; flag before environment before file before default.
//!
//! Every key of the file is also the environment variable `COUNTERSIGN_SECTION__KEY`. What is not a
//! key is an error, never ignored: a limit that is misspelt must not silently be the default.

mod automation;
pub mod check;
pub mod cidr;
pub mod keys;
mod load;
mod nearest;
pub mod reference;
mod webhook;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use countersign_authority::long_lived::{OnFork, RenewAt};
use countersign_crypto::Secret;
use serde::{Deserialize, Deserializer};
use url::Url;

pub use self::{
    automation::AutomationConfig,
    cidr::Cidr,
    load::{ConfigError, load},
    webhook::{WebhookConfig, WebhookForm},
};

/// The whole configuration. Every field has a value; `None` means what its key's page says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where and as what the server listens.
    pub server: ServerConfig,
    /// Where the data lives.
    pub data: DataConfig,
    /// The key file.
    pub keys: KeysConfig,
    /// Foreign issuers.
    pub federation: FederationConfig,
    /// The evidence log.
    pub log: LogConfig,
    /// Who is told.
    pub notify: NotifyConfig,
    /// Limits.
    pub limits: LimitsConfig,
    /// Long-lived tokens.
    pub tokens: TokensConfig,
    /// Executions of actions.
    pub automation: AutomationConfig,
    /// The program's own messages.
    pub logging: LoggingConfig,
}

/// Where and as what the server listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address.
    pub listen: SocketAddr,
    /// The issuer, byte for byte as tokens carry it.
    pub issuer: Option<String>,
    /// The SPIFFE trust domain of workload subjects.
    pub trust_domain: Option<String>,
    /// Whether a proxy stands before it.
    pub behind_proxy: bool,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Cidr>,
    /// Where certificates of clients come from.
    pub client_certificates: ClientCertificates,
    /// The certificate of its own, if it has one.
    pub tls: TlsConfig,
    /// How many connections at a time.
    pub max_connections: usize,
    /// Whether `/metrics` asks for a token.
    pub metrics_token: bool,
}

/// Where certificates of clients come from (RFC 8705).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// Nobody is asked for one.
    #[default]
    None,
    /// From the `Client-Cert` header of a trusted proxy (RFC 9440).
    Proxy,
    /// From the handshake: clients are asked for one, and need none.
    Tls,
}

/// A certificate of the server's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The chain, PEM.
    pub cert: Option<PathBuf>,
    /// The private key, PEM.
    pub key: Option<PathBuf>,
}

/// Where the data lives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The data directory.
    pub dir: Option<PathBuf>,
    /// The URL of a PostgreSQL database; it may hold a password.
    #[serde(deserialize_with = "secret")]
    pub database: Option<Secret<String>>,
}

/// The key file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// Its path.
    pub file: Option<PathBuf>,
    /// The environment variable that holds its text instead.
    pub env: Option<String>,
}

/// Foreign issuers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FederationConfig {
    /// Whether an issuer may be on loopback: for demonstrations and tests.
    pub allow_loopback_issuers: bool,
    /// The private networks that may be reached.
    pub private_networks: Vec<Cidr>,
}

/// The evidence log.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Where checkpoints go, outside the database.
    pub publish: Vec<PublishConfig>,
    /// Where the bodies of old records go.
    pub archive: ArchiveConfig,
}

/// Where the bodies of old records go.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// The directory.
    pub directory: Option<PathBuf>,
    /// How long bodies stay in the database.
    pub keep_days: u32,
    /// How many records a segment holds. Fixed for ever; tests have smaller ones.
    #[serde(skip, default = "segment_records")]
    pub segment_records: u64,
}

/// One place where checkpoints go.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum PublishConfig {
    /// A program, with its arguments, that reads the checkpoint on its standard input.
    Command(PublishCommand),
    /// A directory.
    Directory(PublishDirectory),
    /// A URL that takes a `PUT`, or a `POST`.
    Url(PublishUrl),
}

/// A program that takes checkpoints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishCommand {
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// A directory that takes checkpoints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishDirectory {
    /// Its path.
    pub directory: PathBuf,
}

/// A URL that takes checkpoints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishUrl {
    /// The URL.
    pub url: String,
    /// `put` or `post`.
    #[serde(default)]
    pub method: PublishMethod,
}

/// How a checkpoint is sent to a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishMethod {
    /// `POST`.
    Post,
    /// `PUT`.
    #[default]
    Put,
}

/// Who is told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyConfig {
    /// Webhooks.
    pub webhooks: Vec<WebhookConfig>,
    /// The mail relay.
    pub smtp: SmtpConfig,
}

/// The mail relay.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    /// Where: `smtps://` or `smtp://` (STARTTLS), with user and password where it wants them.
    #[serde(deserialize_with = "secret")]
    pub url: Option<Secret<String>>,
    /// Who sends.
    pub from: String,
    /// Certificates of the relay's authority, where the machine does not have them.
    pub ca_file: Option<PathBuf>,
}

/// Limits that an operator may move.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The longest a request may take.
    pub request_timeout_seconds: u64,
    /// The longest that a request's headers may take to arrive, and that a connection may idle.
    pub header_timeout_seconds: u64,
    /// The longest that a stop waits for what runs.
    pub drain_timeout_seconds: u64,
    /// Failed authentications of one client from one address.
    pub failures_per_client_per_minute: u32,
    /// Failed authentications from one address.
    pub failures_per_address_per_minute: u32,
    /// Requests of one client at the token endpoint; no limit when absent.
    pub requests_per_client_per_second: Option<u32>,
    /// Requests with one long-lived token.
    pub requests_per_token_per_minute: u32,
    /// Requests with all long-lived tokens of one identity.
    pub requests_per_identity_per_minute: u32,
}

/// Long-lived tokens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokensConfig {
    /// After which share of its life a sensor renews its token, in hundredths.
    pub sensor_renew_percent: u8,
    /// After which share of its life a person's token is renewed, in hundredths.
    pub user_renew_percent: u8,
    /// What becomes of a chain when two parties turn out to hold a token of it.
    pub fork: OnFork,
}

/// The program's own messages.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// In which form; text on a terminal and JSON elsewhere when absent.
    pub format: Option<LogFormat>,
    /// How much: `error`, `warn`, `info`, `debug`, `trace`.
    pub level: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object on each line.
    Json,
    /// For people.
    Text,
}

impl Config {
    /// The issuer of the first tenant, once the listener is bound: what was configured, else the
    /// loopback address itself. [`check::check`] has refused everything else.
    #[must_use]
    pub fn issuer(&self, bound: SocketAddr) -> String {
        let scheme = if self.server.tls.cert.is_some() {
            "https"
        } else {
            "http"
        };
        self.server
            .issuer
            .clone()
            .unwrap_or_else(|| format!("{scheme}://{bound}"))
    }

    /// The SPIFFE trust domain: what was configured, else the issuer's host.
    #[must_use]
    pub fn trust_domain(&self, issuer: &str) -> String {
        let host = || {
            Url::parse(issuer)
                .ok()?
                .host_str()
                .map(|host| host.trim_matches(['[', ']']).replace(':', "-"))
        };
        self.server
            .trust_domain
            .clone()
            .or_else(host)
            .unwrap_or_else(|| "localhost".to_owned())
    }

    /// The data directory.
    #[must_use]
    pub fn data_directory(&self) -> PathBuf {
        self.data
            .dir
            .clone()
            .unwrap_or_else(|| PathBuf::from(DATA_DIRECTORY))
    }

    /// Where the key file is, when the environment does not hold it.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.keys
            .file
            .clone()
            .unwrap_or_else(|| self.data_directory().join(KEY_FILE))
    }

    /// Where the bodies of old records go. Without a word about it: beside an embedded database, and of a shared one
    /// nowhere, for a directory of one server is none of the others'.
    #[must_use]
    pub fn archive_directory(&self) -> Option<PathBuf> {
        let own = || {
            let embedded = self.data.database.is_none();
            embedded.then(|| self.data_directory().join(ARCHIVE_DIRECTORY))
        };
        self.log.archive.directory.clone().or_else(own)
    }

    /// Where checkpoints go. Without a word about it they go to a directory beside the database, so
    /// that there is a copy outside it from the first start.
    #[must_use]
    pub fn publish(&self) -> Vec<PublishConfig> {
        if self.log.publish.is_empty() {
            let directory = self.data_directory().join(PUBLISH_DIRECTORY);
            return vec![PublishConfig::Directory(PublishDirectory { directory })];
        }
        self.log.publish.clone()
    }
}

impl TokensConfig {
    /// When tokens are to be renewed.
    #[must_use]
    pub const fn renew_at(&self) -> RenewAt {
        RenewAt {
            sensor: self.sensor_renew_percent,
            user: self.user_renew_percent,
        }
    }
}

impl Default for TokensConfig {
    fn default() -> Self {
        let RenewAt { sensor, user } = RenewAt::default();
        Self {
            sensor_renew_percent: sensor,
            user_renew_percent: user,
            fork: OnFork::default(),
        }
    }
}

impl LimitsConfig {
    /// The longest a request may take.
    #[must_use]
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }

    /// The longest that a request's headers may take.
    #[must_use]
    pub const fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    /// The longest that a stop waits for what runs.
    #[must_use]
    pub const fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_timeout_seconds)
    }
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            directory: None,
            keep_days: 90,
            segment_records: segment_records(),
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            issuer: None,
            trust_domain: None,
            behind_proxy: false,
            trusted_proxies: Vec::new(),
            client_certificates: ClientCertificates::None,
            tls: TlsConfig::default(),
            max_connections: 8192,
            metrics_token: false,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            request_timeout_seconds: 30,
            header_timeout_seconds: 30,
            drain_timeout_seconds: 30,
            failures_per_client_per_minute: 30,
            failures_per_address_per_minute: 120,
            requests_per_client_per_second: None,
            requests_per_token_per_minute: 600,
            requests_per_identity_per_minute: 1200,
        }
    }
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            format: None,
            level: "info".to_owned(),
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(Secret::new))
}

fn required_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret<String>, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

const fn segment_records() -> u64 {
    countersign_authority::SEGMENT_RECORDS
}

const PORT: u16 = 8400;
const DATA_DIRECTORY: &str = "countersign-data";
const KEY_FILE: &str = "countersign.key";
const PUBLISH_DIRECTORY: &str = "checkpoints";
const ARCHIVE_DIRECTORY: &str = "log/segments";
