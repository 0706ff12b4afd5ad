//! Every key of the configuration, in one table: for the environment, for errors and for the reference.

use toml::Value;

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its place in the file, dotted.
    pub path: &'static str,
    /// What it holds.
    pub kind: KeyKind,
    /// What holds without it, in words or as TOML.
    pub default: &'static str,
    /// What it is for.
    pub text: &'static str,
    /// A value as somebody would write it, in TOML.
    pub example: &'static str,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Several texts.
    List,
    /// Several tables.
    Tables,
    /// A text.
    Text,
}

impl KeyKind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::List => "list of texts",
            Self::Tables => "list of tables",
            Self::Text => "text",
        }
    }

    /// Reads the text of an environment variable or flag.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Boolean => match text {
                "true" => Ok(Value::Boolean(true)),
                "false" => Ok(Value::Boolean(false)),
                _ => Err("expected `true` or `false`".to_owned()),
            },
            Self::Integer => text
                .parse()
                .map(Value::Integer)
                .map_err(|_| "expected a whole number".to_owned()),
            Self::List if !text.trim_start().starts_with('[') => Ok(Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(|part| Value::String(part.to_owned()))
                    .collect(),
            )),
            Self::List | Self::Tables => toml_array(text),
            Self::Text => Ok(Value::String(text.to_owned())),
        }
    }
}

impl Key {
    /// The environment variable of this key.
    #[must_use]
    pub fn variable(&self) -> String {
        format!(
            "{ENVIRONMENT_PREFIX}{}",
            self.path.replace('.', "__").to_ascii_uppercase()
        )
    }
}

/// The key at this place.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

fn toml_array(text: &str) -> Result<Value, String> {
    let expected =
        || "expected a TOML array such as [\"a\", \"b\"] or [{directory = \"d\"}]".to_owned();
    let document: toml::Table = format!("value = {text}").parse().map_err(|_| expected())?;
    match document.get("value") {
        Some(array @ Value::Array(_)) if document.len() == 1 => Ok(array.clone()),
        _ => Err(expected()),
    }
}

/// How the names of our variables begin. Those without a `__` belong to the command line, not to this file.
pub const ENVIRONMENT_PREFIX: &str = "COUNTERSIGN_";

const fn key(
    path: &'static str,
    kind: KeyKind,
    default: &'static str,
    example: &'static str,
    text: &'static str,
) -> Key {
    Key {
        path,
        kind,
        default,
        text,
        example,
    }
}

/// The table, in the order of the file.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("server.listen", KeyKind::Text, "`127.0.0.1:8400`", "\"0.0.0.0:8400\"",
        "Address and port. Port 0 takes a free one. Beyond loopback it needs `server.issuer`, and TLS or `server.behind_proxy`."),
    key("server.issuer", KeyKind::Text, "`http://ADDRESS` on loopback", "\"https://id.example.com\"",
        "The issuer of the first tenant, byte for byte as tokens carry it. `https`, no path end `/`, no query."),
    key("server.trust_domain", KeyKind::Text, "the issuer's host", "\"id.example.com\"",
        "The SPIFFE trust domain of workload subjects. Subjects are frozen: set it before the first workload."),
    key("server.behind_proxy", KeyKind::Boolean, "`false`", "true",
        "A proxy that terminates TLS stands before this listener. Needs `server.trusted_proxies`."),
    key("server.trusted_proxies", KeyKind::List, "none", "[\"10.0.0.0/8\", \"fd00::/8\"]",
        "The networks of those proxies. Only their `X-Forwarded-For` and `X-Forwarded-Proto` count."),
    key("server.client_certificates", KeyKind::Text, "`none`", "\"tls\"",
        "Where certificates of clients come from (RFC 8705): `tls`, from the handshake, where clients are then asked for one and need none; `proxy`, from the `Client-Cert` header of `server.trusted_proxies` (RFC 9440), which must take it off every request that comes to them; or `none`."),
    key("server.tls.cert", KeyKind::Text, "none", "\"/etc/countersign/tls.crt\"",
        "The certificate chain, PEM. Read again when it changes."),
    key("server.tls.key", KeyKind::Text, "none", "\"/etc/countersign/tls.key\"",
        "The private key of the certificate, PEM. Read again when it changes."),
    key("server.max_connections", KeyKind::Integer, "`8192`", "8192",
        "Connections at a time. Further ones wait in the listener's queue."),
    key("server.metrics_token", KeyKind::Boolean, "`false`", "true",
        "Whether `GET /metrics` asks for a token: one of scope `readonly`, or that of an owner or auditor. One that comes is looked at in any case."),
    key("data.dir", KeyKind::Text, "`countersign-data`", "\"/var/lib/countersign\"",
        "The data directory. Who holds it can make an owner."),
    key("data.database", KeyKind::Text, "SQLite in the data directory", "\"postgres://countersign@db/countersign\"",
        "The URL of a PostgreSQL database. Secret when it holds a password: then prefer the environment."),
    key("keys.file", KeyKind::Text, "`countersign.key` in the data directory", "\"/etc/countersign/countersign.key\"",
        "The key file, mode 0600. Made on the first start on SQLite; on PostgreSQL it is given, never made."),
    key("keys.env", KeyKind::Text, "none", "\"COUNTERSIGN_KEY\"",
        "The environment variable that holds the key file's text, instead of a file."),
    key("federation.allow_loopback_issuers", KeyKind::Boolean, "`false`", "true",
        "Accept issuers on loopback, over plain HTTP: for demonstrations and tests alone."),
    key("federation.private_networks", KeyKind::List, "none", "[\"10.20.0.0/16\"]",
        "Private networks in which issuers and webhooks may be. Link-local addresses never."),
    key("log.publish", KeyKind::Tables, "the directory `checkpoints` in the data directory",
        "[{directory = \"/mnt/witness\"}, {url = \"https://witness.example.com/cs\", method = \"put\"}, {command = [\"/usr/local/bin/keep\", \"--stdin\"]}]",
        "Where checkpoints go, outside the database. Each entry has `directory`, or `url` (and `method`: `put` or `post`), or `command`."),
    key("log.archive.directory", KeyKind::Text, "`log/segments` in the data directory; with `data.database`: none",
        "\"/mnt/archive/countersign\"",
        "Where the bodies of old records go, in files that are never changed. With `data.database` every server must see the same directory. Back it up with the database."),
    key("log.archive.keep_days", KeyKind::Integer, "`90`", "365",
        "How long the bodies of records stay in the database, at least 2. A file holds 1,048,576 records and is written when all of them are older."),
    key("notify.webhooks", KeyKind::Tables, "none",
        "[{url = \"https://hooks.example.com/cs\", secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\", form = \"standard\"}]",
        "Who is told when an approval opens or is decided, an identity is orphaned, a credential is about to end, a review or a renewal is overdue, or a hand-over is offered. `form` is `standard` (Standard Webhooks; needs `secret`), `cloud_events` (the same with CloudEvents as the body) or `slack`. With a `name` it gets what people send there with `countersign user notices`, else everything. With `tenants` it gets the messages of these tenants alone, else of all. At most 16: a message goes to all of them at once."),
    key("notify.smtp.url", KeyKind::Text, "none: no e-mail", "\"smtps://countersign:PASSWORD@mail.example.com\"",
        "The mail relay. `smtps://` (port 465) or `smtp://` with STARTTLS (port 587); in the clear only on loopback. Secret when it holds a password, percent-encoded: then prefer the environment."),
    key("notify.smtp.from", KeyKind::Text, "none", "\"Countersign <countersign@example.com>\"",
        "Who sends the e-mail."),
    key("notify.smtp.ca_file", KeyKind::Text, "what the machine trusts", "\"/etc/countersign/mail-ca.pem\"",
        "Certificates that the relay's may come from, beside those that the machine trusts. With it a relay on loopback must encrypt, too."),
    key("limits.request_timeout_seconds", KeyKind::Integer, "`30`", "30",
        "The longest a request may take, its body included."),
    key("limits.header_timeout_seconds", KeyKind::Integer, "`30`", "30",
        "The longest that a request's headers may take to arrive, and that a connection may idle."),
    key("limits.drain_timeout_seconds", KeyKind::Integer, "`30`", "30",
        "The longest that a stop waits for the requests that run."),
    key("limits.failures_per_client_per_minute", KeyKind::Integer, "`30`", "30",
        "Failed authentications of one client from one address (of IPv6, one /64) before it answers 429."),
    key("limits.failures_per_address_per_minute", KeyKind::Integer, "`120`", "120",
        "Failed authentications from one address (of IPv6, one /64) before it answers 429."),
    key("limits.requests_per_client_per_second", KeyKind::Integer, "no limit", "2000",
        "Token requests of one client before it answers 429."),
    key("limits.requests_per_token_per_minute", KeyKind::Integer, "`600`", "600",
        "Requests with one long-lived token before it answers 429."),
    key("limits.requests_per_identity_per_minute", KeyKind::Integer, "`1200`", "1200",
        "Requests with all long-lived tokens of one identity or person before it answers 429."),
    key("tokens.sensor_renew_percent", KeyKind::Integer, "`80`", "75",
        "After which share of its life, in hundredths, a sensor renews its token: 80 is day 72 of 90. From 50 to 95."),
    key("tokens.user_renew_percent", KeyKind::Integer, "`80`", "75",
        "The same for a person's token of days."),
    key("tokens.fork", KeyKind::Text, "`alert`", "\"kill\"",
        "What becomes of a chain when a token of it is renewed again a minute later or more: two parties hold it. `alert`: it is not renewed any more and is a finding; its tokens live until somebody revokes them. `kill`: they die at once, and what runs with them stops."),
    key("automation.lease_seconds", KeyKind::Integer, "`30`", "10",
        "How long a worker may be silent before its executions are lost: their tokens are revoked, and they are started again where the action allows it. From 2 to 300."),
    key("automation.broker", KeyKind::Text, "none", "\"amqps://countersign:PASSWORD@rabbit.example.com/%2f\"",
        "The URL of a RabbitMQ that is told of executions, for workers with `--broker`. Secret when it holds a password: then prefer the environment. Without TLS only on loopback."),
    key("automation.broker_private_network", KeyKind::Boolean, "`false`", "true",
        "The network to the RabbitMQ is private: `amqp://`, which sends the password in the clear, is allowed beyond loopback."),
    key("logging.format", KeyKind::Text, "`text` on a terminal, `json` elsewhere", "\"json\"",
        "The form of the program's own messages, on standard error."),
    key("logging.level", KeyKind::Text, "`info`", "\"info\"",
        "How much: `error`, `warn`, `info`, `debug`, `trace`."),
];

/// The keys within the entries of a list of tables.
pub const ENTRY_KEYS: &[(&str, &[&str])] = &[
    ("log.publish", &["directory", "url", "method", "command"]),
    ("notify.webhooks", &["url", "secret", "form", "name"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_follow_from_the_path() {
        assert_eq!(
            find("server.tls.cert").unwrap().variable(),
            "COUNTERSIGN_SERVER__TLS__CERT"
        );
    }

    #[test]
    fn lists_are_separated_by_commas_or_toml() {
        let comma = KeyKind::List.parse("10.0.0.0/8, ::1").unwrap();
        let toml = KeyKind::List.parse(r#"["10.0.0.0/8", "::1"]"#).unwrap();
        assert_eq!(comma, toml);
        assert!(KeyKind::Tables.parse("[{directory = 'd'}]").is_ok());
        assert!(KeyKind::Tables.parse("1\nother = 2").is_err());
        assert!(KeyKind::Integer.parse("many").is_err());
        assert!(KeyKind::Boolean.parse("yes").is_err());
    }
}
