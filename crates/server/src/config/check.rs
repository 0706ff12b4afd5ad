//! What is wrong with a configuration, before anything starts.

use std::{fmt, net::IpAddr, path::Path};

use url::{Host, Url};

use crate::config::{
    Config, PublishConfig, WebhookForm,
    cidr::{LINK_LOCAL, LOOPBACK},
};

/// One thing that is wrong, or worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the server starts with it.
    pub level: Level,
    /// The key that it is about.
    pub key: &'static str,
    /// One sentence.
    pub detail: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The server refuses to start.
    Error,
    /// The server starts.
    Warning,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        write!(f, "{level}: {}: {}", self.key, self.detail)
    }
}

/// Everything that is wrong, worst first.
#[must_use]
pub fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let report = &mut findings;
    listener(config, report);
    issuer(config, report);
    trust_domain(config, report);
    proxies(config, report);
    tls(config, report);
    keys(config, report);
    networks(config, report);
    publish(config, report);
    webhooks(config, report);
    limits(config, report);
    logging(config, report);
    findings.sort_by_key(|finding| finding.level == Level::Warning);
    findings
}

fn error(findings: &mut Vec<Finding>, key: &'static str, detail: impl Into<String>) {
    findings.push(Finding {
        level: Level::Error,
        key,
        detail: detail.into(),
    });
}

fn warning(findings: &mut Vec<Finding>, key: &'static str, detail: impl Into<String>) {
    findings.push(Finding {
        level: Level::Warning,
        key,
        detail: detail.into(),
    });
}

fn listener(config: &Config, findings: &mut Vec<Finding>) {
    let server = &config.server;
    if is_loopback(server.listen.ip()) {
        return;
    }
    let listen = server.listen;
    if server.issuer.is_none() {
        error(
            findings,
            "server.issuer",
            format!(
                "a listener beyond loopback ({listen}) needs `--issuer URL`, the name that others know it by"
            ),
        );
    }
    if server.tls.cert.is_none() && !server.behind_proxy {
        error(
            findings,
            "server.listen",
            format!(
                "a listener beyond loopback ({listen}) would carry secrets in the clear: give it `--tls-cert` and \
             `--tls-key`, or `--behind-proxy` with `server.trusted_proxies`"
            ),
        );
    }
    if config.federation.allow_loopback_issuers {
        warning(
            findings,
            "federation.allow_loopback_issuers",
            "issuers on loopback are accepted on a listener that others reach",
        );
    }
}

fn issuer(config: &Config, findings: &mut Vec<Finding>) {
    let Some(text) = config.server.issuer.as_deref() else {
        return;
    };
    let Ok(url) = Url::parse(text) else {
        return error(
            findings,
            "server.issuer",
            format!("`{text}` is not an absolute URL"),
        );
    };
    let secure = url.scheme() == "https" || (url.scheme() == "http" && host_is_loopback(&url));
    if !secure {
        error(
            findings,
            "server.issuer",
            format!("`{text}` must begin with `https://`, except on loopback"),
        );
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        error(
            findings,
            "server.issuer",
            "an issuer has no query, no fragment and no user (RFC 8414 §2)",
        );
    }
    // The URL library adds the `/` of an empty path; anything else that it changes is not canonical.
    let canonical = url.as_str();
    if text.ends_with('/') || (canonical != text && canonical != format!("{text}/")) {
        let proposed = canonical.trim_end_matches('/');
        error(
            findings,
            "server.issuer",
            format!("write it as `{proposed}`: tokens carry it byte for byte"),
        );
    }
}

fn trust_domain(config: &Config, findings: &mut Vec<Finding>) {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    if let Some(name) = &config.server.trust_domain
        && !((1..=255).contains(&name.len()) && name.bytes().all(fits))
    {
        error(
            findings,
            "server.trust_domain",
            "a SPIFFE trust domain has lower-case letters, digits and `._-`, at most 255",
        );
    }
}

fn proxies(config: &Config, findings: &mut Vec<Finding>) {
    let server = &config.server;
    if server.behind_proxy && server.trusted_proxies.is_empty() {
        error(
            findings,
            "server.trusted_proxies",
            "`--behind-proxy` needs the networks of those proxies, such as [\"10.0.0.0/8\"]",
        );
    }
    if !server.behind_proxy && !server.trusted_proxies.is_empty() {
        warning(
            findings,
            "server.trusted_proxies",
            "has no effect without `server.behind_proxy = true`",
        );
    }
    if let Some(everything) = server
        .trusted_proxies
        .iter()
        .find(|network| network.is_everything())
    {
        error(
            findings,
            "server.trusted_proxies",
            format!("`{everything}` would believe everybody's word about their address"),
        );
    }
}

fn tls(config: &Config, findings: &mut Vec<Finding>) {
    let (cert, key) = (&config.server.tls.cert, &config.server.tls.key);
    match (cert, key) {
        (Some(_), None) => error(
            findings,
            "server.tls.key",
            "a certificate needs its private key",
        ),
        (None, Some(_)) => error(
            findings,
            "server.tls.cert",
            "a private key needs its certificate",
        ),
        (Some(cert), Some(key)) => {
            readable(findings, "server.tls.cert", cert);
            readable(findings, "server.tls.key", key);
        }
        (None, None) => {}
    }
}

fn keys(config: &Config, findings: &mut Vec<Finding>) {
    if config.keys.file.is_some() && config.keys.env.is_some() {
        error(
            findings,
            "keys.env",
            "give `keys.file` or `keys.env`, not both",
        );
    }
    let Some(database) = &config.data.database else {
        return;
    };
    let scheme = database.expose().split("://").next().unwrap_or_default();
    if !matches!(scheme, "postgres" | "postgresql") {
        error(
            findings,
            "data.database",
            "expected `postgres://USER@HOST/DATABASE`; without it the data lives in SQLite",
        );
    }
    if config.keys.file.is_none() && config.keys.env.is_none() {
        error(
            findings,
            "keys.file",
            "on PostgreSQL the key file is given, never made: several servers share it",
        );
    }
}

fn networks(config: &Config, findings: &mut Vec<Finding>) {
    for network in &config.federation.private_networks {
        if network.is_everything() {
            error(
                findings,
                "federation.private_networks",
                format!("`{network}` would open every network"),
            );
        } else if LINK_LOCAL.iter().any(|closed| closed.overlaps(network)) {
            error(
                findings,
                "federation.private_networks",
                format!(
                    "`{network}` holds link-local addresses, where clouds keep their credentials"
                ),
            );
        } else if LOOPBACK.iter().any(|closed| closed.overlaps(network)) {
            error(
                findings,
                "federation.private_networks",
                format!("`{network}` holds loopback: that is `federation.allow_loopback_issuers`"),
            );
        }
    }
}

fn publish(config: &Config, findings: &mut Vec<Finding>) {
    for target in &config.log.publish {
        match target {
            PublishConfig::Command(command) if command.command.is_empty() => {
                error(
                    findings,
                    "log.publish",
                    "a command names at least its program",
                );
            }
            PublishConfig::Url(target) if !is_web_url(&target.url, config) => {
                error(findings, "log.publish", WEB_URL);
            }
            PublishConfig::Command(_) | PublishConfig::Directory(_) | PublishConfig::Url(_) => {}
        }
    }
    let data = config.data_directory();
    let outside = |target: &PublishConfig| match target {
        PublishConfig::Directory(target) => !target.directory.starts_with(&data),
        PublishConfig::Command(_) | PublishConfig::Url(_) => true,
    };
    if !config.log.publish.iter().any(outside) {
        warning(
            findings,
            "log.publish",
            "checkpoints go to the data directory alone: who can change the data can change them too",
        );
    }
}

fn webhooks(config: &Config, findings: &mut Vec<Finding>) {
    for webhook in &config.notify.webhooks {
        if !is_web_url(webhook.url.expose(), config) {
            error(findings, "notify.webhooks", WEB_URL);
        }
        match (webhook.form, &webhook.secret) {
            (WebhookForm::Standard, None) => {
                error(
                    findings,
                    "notify.webhooks",
                    "the standard form is signed: it needs `secret`",
                );
            }
            (WebhookForm::Standard, Some(secret)) => {
                if let Err(invalid) = crate::notify::secret::WebhookSecret::parse(secret.expose()) {
                    error(findings, "notify.webhooks", invalid.to_string());
                }
            }
            (WebhookForm::Slack, _) => {}
        }
    }
}

fn limits(config: &Config, findings: &mut Vec<Finding>) {
    let limits = &config.limits;
    let seconds = [
        (
            "limits.request_timeout_seconds",
            limits.request_timeout_seconds,
        ),
        (
            "limits.header_timeout_seconds",
            limits.header_timeout_seconds,
        ),
        ("limits.drain_timeout_seconds", limits.drain_timeout_seconds),
    ];
    for (key, value) in seconds {
        if !(1..=LONGEST_TIMEOUT_SECONDS).contains(&value) {
            error(
                findings,
                key,
                format!("expected 1 to {LONGEST_TIMEOUT_SECONDS} seconds"),
            );
        }
    }
    let rates = [
        (
            "limits.failures_per_client_per_minute",
            Some(limits.failures_per_client_per_minute),
        ),
        (
            "limits.failures_per_address_per_minute",
            Some(limits.failures_per_address_per_minute),
        ),
        (
            "limits.requests_per_client_per_second",
            limits.requests_per_client_per_second,
        ),
    ];
    for (key, value) in rates {
        if value == Some(0) {
            error(
                findings,
                key,
                "zero would admit nobody; leave the key out for its default",
            );
        }
    }
    if config.server.max_connections == 0 {
        error(
            findings,
            "server.max_connections",
            "zero would admit nobody; leave the key out for its default",
        );
    }
}

fn logging(config: &Config, findings: &mut Vec<Finding>) {
    if !LEVELS.contains(&config.logging.level.as_str()) {
        error(
            findings,
            "logging.level",
            format!("expected one of {}", LEVELS.join(", ")),
        );
    }
}

fn readable(findings: &mut Vec<Finding>, key: &'static str, path: &Path) {
    if let Err(source) = std::fs::File::open(path) {
        error(
            findings,
            key,
            format!("cannot read `{}`: {source}", path.display()),
        );
    }
}

fn is_loopback(address: IpAddr) -> bool {
    LOOPBACK.iter().any(|network| network.contains(address))
}

fn host_is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => is_loopback(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_loopback(IpAddr::V6(address)),
        None => false,
    }
}

fn is_web_url(text: &str, config: &Config) -> bool {
    let loopback = config.federation.allow_loopback_issuers;
    Url::parse(text).is_ok_and(|url| {
        let secure = url.scheme() == "https"
            || (url.scheme() == "http" && loopback && host_is_loopback(&url));
        secure && url.host().is_some() && url.username().is_empty() && url.password().is_none()
    })
}

const WEB_URL: &str = "a URL begins with `https://` (`http://` only on loopback, with `federation.allow_loopback_issuers`) and has no user";

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// An hour: longer is not a time-out.
const LONGEST_TIMEOUT_SECONDS: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<&'static str> {
        let config: Config = toml::from_str(text).unwrap();
        let findings = check(&config);
        findings
            .iter()
            .filter(|f| f.level == Level::Error)
            .map(|f| f.key)
            .collect()
    }

    #[test]
    fn the_default_starts_on_loopback() {
        assert!(errors("").is_empty());
        assert!(errors("[server]\nlisten = '[::1]:0'").is_empty());
        assert_eq!(
            Config::default().issuer("127.0.0.1:9".parse().unwrap()),
            "http://127.0.0.1:9"
        );
    }

    #[test]
    fn a_listener_beyond_loopback_needs_an_issuer_and_protection() {
        let open = "[server]\nlisten = '0.0.0.0:80'\n";
        assert_eq!(errors(open), ["server.issuer", "server.listen"]);
        let named = format!("{open}issuer = 'https://id.example.com'\n");
        assert_eq!(errors(&named), ["server.listen"]);
        assert_eq!(
            errors(&format!("{named}behind_proxy = true")),
            ["server.trusted_proxies"]
        );
        assert!(
            errors(&format!(
                "{named}behind_proxy = true\ntrusted_proxies = ['10.0.0.0/8']"
            ))
            .is_empty()
        );
        let all = format!("{named}behind_proxy = true\ntrusted_proxies = ['0.0.0.0/0']");
        assert_eq!(errors(&all), ["server.trusted_proxies"]);
    }

    #[test]
    fn an_issuer_is_written_in_one_way() {
        for bad in [
            "id.example.com",
            "http://id.example.com",
            "https://id.example.com/",
            "https://ID.example.com",
            "https://id.example.com?a",
            "https://id.example.com#a",
            "https://u@id.example.com",
            "https://id.example.com:443",
        ] {
            assert!(
                errors(&format!("[server]\nissuer = '{bad}'")).contains(&"server.issuer"),
                "{bad}"
            );
        }
        for good in [
            "https://id.example.com",
            "https://id.example.com/t/acme",
            "http://localhost:8400",
            "http://127.0.0.1:8400",
        ] {
            assert!(
                errors(&format!("[server]\nissuer = '{good}'")).is_empty(),
                "{good}"
            );
        }
    }

    #[test]
    fn what_cannot_work_is_found() {
        for (text, key) in [
            ("[server.tls]\ncert = '/none'", "server.tls.key"),
            (
                "[server.tls]\ncert = '/none'\nkey = '/none'",
                "server.tls.cert",
            ),
            (
                "[data]\ndatabase = 'mysql://db'\n[keys]\nenv='K'",
                "data.database",
            ),
            ("[data]\ndatabase = 'postgres://db'", "keys.file"),
            ("[keys]\nenv='K'\nfile='f'", "keys.env"),
            (
                "[federation]\nprivate_networks = ['169.254.169.254']",
                "federation.private_networks",
            ),
            (
                "[federation]\nprivate_networks = ['fe80::/64']",
                "federation.private_networks",
            ),
            (
                "[federation]\nprivate_networks = ['127.0.0.0/16']",
                "federation.private_networks",
            ),
            (
                "[[log.publish]]\nurl = 'http://witness.example.com'",
                "log.publish",
            ),
            ("[[log.publish]]\ncommand = []", "log.publish"),
            (
                "[[notify.webhooks]]\nurl = 'https://a.example.com'",
                "notify.webhooks",
            ),
            (
                "[[notify.webhooks]]\nurl = 'https://a.example.com'\nsecret = 'short'",
                "notify.webhooks",
            ),
            (
                "[limits]\nrequest_timeout_seconds = 0",
                "limits.request_timeout_seconds",
            ),
            (
                "[limits]\nfailures_per_client_per_minute = 0",
                "limits.failures_per_client_per_minute",
            ),
            ("[logging]\nlevel = 'loud'", "logging.level"),
        ] {
            assert!(errors(text).contains(&key), "{text}");
        }
    }
}
