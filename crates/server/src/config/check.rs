//! What is wrong with a configuration, before anything starts.

mod inward;
mod outward;

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use countersign_api::queue::InvalidBroker;
use countersign_authority::long_lived::RenewAt;

use crate::config::{AutomationConfig, Config, cidr::LOOPBACK};

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
    inward::listener(config, report);
    inward::issuer(config, report);
    inward::trust_domain(config, report);
    inward::proxies(config, report);
    inward::tls(config, report);
    keys(config, report);
    outward::networks(config, report);
    outward::publish(config, report);
    outward::archive(config, report);
    outward::webhooks(config, report);
    outward::smtp(config, report);
    limits(config, report);
    tokens(config, report);
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

fn tokens(config: &Config, findings: &mut Vec<Finding>) {
    let shares = [
        (
            "tokens.sensor_renew_percent",
            config.tokens.sensor_renew_percent,
        ),
        (
            "tokens.user_renew_percent",
            config.tokens.user_renew_percent,
        ),
    ];
    for (key, share) in shares {
        if !RenewAt::RANGE.contains(&share) {
            let (first, last) = (RenewAt::RANGE.start(), RenewAt::RANGE.end());
            let detail = format!(
                "expected {first} to {last}: earlier three tokens of a chain would live at once, later no time is left to try again"
            );
            error(findings, key, detail);
        }
    }
    if !AutomationConfig::LEASE.contains(&config.automation.lease_seconds) {
        let (first, last) = (
            AutomationConfig::LEASE.start(),
            AutomationConfig::LEASE.end(),
        );
        let detail = format!("expected {first} to {last} seconds");
        error(findings, "automation.lease_seconds", detail);
    }
    if let Some(Err(invalid)) = config.automation.broker() {
        let private = match invalid {
            InvalidBroker::Plaintext => " with `automation.broker_private_network`",
            InvalidBroker::NotAUrl => "",
        };
        error(findings, "automation.broker", format!("{invalid}{private}"));
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
            "limits.requests_per_identity_per_minute",
            Some(limits.requests_per_identity_per_minute),
        ),
        (
            "limits.requests_per_token_per_minute",
            Some(limits.requests_per_token_per_minute),
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

    #[test]
    fn there_are_at_most_sixteen_webhooks() {
        let webhook = "[[notify.webhooks]]\nurl = 'https://a.example.com'\nform = 'slack'\n";
        assert!(!errors(&webhook.repeat(16)).contains(&"notify.webhooks"));
        assert!(errors(&webhook.repeat(17)).contains(&"notify.webhooks"));
    }
}
