//! The queue between server and workers where that is RabbitMQ: whose is which, what a message says, and where the broker is.
//!
//! A project has a queue of its own and one for its dead letters, so that RabbitMQ's permissions can hold the wall between projects,
//! too. The server declares both and writes; a worker reads the first alone. A message is the id of an execution and nothing
//! else: it is worth nothing to who cannot claim that execution over HTTPS, as a worker of its project.

use std::{fmt, net::IpAddr, str, time::Duration};

use countersign_model::{Id, id};
use lapin::{
    Connection, ConnectionProperties,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use thiserror::Error;
use tokio::time::timeout;
use url::Url;

/// The longest that a connection takes to be made: name, TCP, TLS and the sign-in.
const CONNECT: Duration = Duration::from_secs(10);

/// A peer that is silent for twice as long is gone, in seconds: what it had is given to another.
const HEARTBEAT_SECONDS: u16 = 15;

/// The queue of a project's executions.
#[must_use]
pub fn executions_of(project: Id<id::Project>) -> String {
    format!("countersign.executions.{project}")
}

/// The queue of messages of a project that no worker could do anything with.
#[must_use]
pub fn dead_letters_of(project: Id<id::Project>) -> String {
    format!("countersign.dead-letters.{project}")
}

/// The whole of a message.
#[must_use]
pub fn message(execution: Id<id::Execution>) -> String {
    execution.to_string()
}

/// The execution that a message names; nothing when it is none of ours.
#[must_use]
pub fn execution_in(message: &[u8]) -> Option<Id<id::Execution>> {
    str::from_utf8(message).ok()?.parse().ok()
}

/// Where a broker is, and as whom to connect. It is shown without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    tls: bool,
    host: String,
    port: u16,
    vhost: String,
    user: String,
    password: String,
}

/// An address is not one of a broker that is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidBroker {
    /// It is no such URL.
    #[error(
        "expected `amqps://USER:PASSWORD@HOST:PORT/VHOST`, without `?` and `#`; a `/` in the name of a virtual host is `%2f`"
    )]
    NotAUrl,
    /// Whoever is on the way could read the password.
    #[error(
        "`amqp://` beyond this machine sends the password in the clear: take `amqps://`, or say that the network is private"
    )]
    Plaintext,
}

impl Broker {
    /// Reads a URL. Without TLS only on loopback, unless the network in between is private.
    ///
    /// # Errors
    /// What is wrong with it; never what it says.
    pub fn parse(text: &str, private_network: bool) -> Result<Self, InvalidBroker> {
        let url = Url::parse(text).map_err(|_| InvalidBroker::NotAUrl)?;
        let tls = match url.scheme() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err(InvalidBroker::NotAUrl),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(InvalidBroker::NotAUrl)?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBroker::NotAUrl);
        }
        if !tls && !private_network && !is_loopback(&host) {
            return Err(InvalidBroker::Plaintext);
        }
        let decoded = |text: &str| decode(text).ok_or(InvalidBroker::NotAUrl);
        Ok(Self {
            tls,
            host,
            port: url.port().unwrap_or(if tls { 5671 } else { 5672 }),
            vhost: match url.path() {
                "" | "/" => "/".to_owned(),
                path => decoded(path.trim_start_matches('/'))?,
            },
            user: match url.username() {
                "" => "guest".to_owned(),
                user => decoded(user)?,
            },
            password: decoded(url.password().unwrap_or("guest"))?,
        })
    }

    /// Connects, as who `name` says.
    ///
    /// # Errors
    /// Why not.
    pub async fn connect(&self, name: &str) -> Result<Connection, BrokerError> {
        let uri = AMQPUri {
            scheme: if self.tls {
                AMQPScheme::AMQPS
            } else {
                AMQPScheme::AMQP
            },
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: self.user.clone(),
                    password: self.password.clone(),
                },
                host: self.host.clone(),
                port: self.port,
            },
            vhost: self.vhost.clone(),
            query: AMQPQueryString {
                heartbeat: Some(HEARTBEAT_SECONDS),
                ..AMQPQueryString::default()
            },
        };
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = Connection::connect_uri(uri, properties);
        match timeout(CONNECT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(BrokerError::of(error)),
            Err(_) => Err(BrokerError::away("no answer in time")),
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        let colon = self.host.contains(':');
        let (open, close) = if colon { ("[", "]") } else { ("", "") };
        let Self { host, port, .. } = self;
        write!(f, "{scheme}://{open}{host}{close}:{port}")
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A broker did not do what it was asked for.
#[derive(Debug, Error)]
#[error("{detail}")]
pub struct BrokerError {
    detail: String,
    /// It said no: user, password, virtual host or permission.
    pub refused: bool,
}

impl BrokerError {
    /// It is not there.
    #[must_use]
    pub fn away(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            refused: false,
        }
    }

    /// What the library says.
    #[must_use]
    pub fn of(error: lapin::Error) -> Self {
        // 403 of AMQP 0-9-1 §1.1, also where a virtual host is not the user's; 530 where there is none of that name.
        let code = match error.kind() {
            lapin::ErrorKind::ProtocolError(error) => error.get_id(),
            _ => 0,
        };
        Self {
            detail: error.to_string(),
            refused: matches!(code, 403 | 530),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Undoes the percent-encoding of RFC 3986 §2.1.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_whole_and_shown_without_its_user_and_password() {
        let broker =
            Broker::parse("amqps://bill:p%40ss%2F@rabbit.example.com/ops%2Fone", false).unwrap();
        assert_eq!(
            (broker.user.as_str(), broker.password.as_str()),
            ("bill", "p@ss/")
        );
        assert_eq!((broker.vhost.as_str(), broker.port), ("ops/one", 5671));
        assert_eq!(
            format!("{broker} {broker:?}"),
            "amqps://rabbit.example.com:5671 amqps://rabbit.example.com:5671"
        );
        // The library's own reading of this one is `localhost`.
        let broker = Broker::parse("amqps://[2001:db8::1]:9/%2f", false).unwrap();
        assert_eq!(
            (broker.host.as_str(), broker.vhost.as_str()),
            ("2001:db8::1", "/")
        );
        assert_eq!(broker.to_string(), "amqps://[2001:db8::1]:9");
    }

    #[test]
    fn no_password_goes_over_a_network_in_the_clear() {
        for local in [
            "amqp://localhost",
            "amqp://u:p@127.0.0.1:5672/%2f",
            "amqp://[::1]",
        ] {
            assert!(Broker::parse(local, false).is_ok(), "{local}");
        }
        for far in [
            "amqp://u:p@rabbit",
            "amqp://10.0.0.1",
            "amqp://localhost.example.com",
        ] {
            assert_eq!(
                Broker::parse(far, false),
                Err(InvalidBroker::Plaintext),
                "{far}"
            );
            assert!(Broker::parse(far, true).is_ok(), "{far}");
        }
        for wrong in [
            "",
            "rabbit",
            "http://u:hunter2@rabbit",
            "amqps://u:hunter2@",
            "amqps://rabbit?verify=none",
            "amqps://%zz@rabbit",
        ] {
            let error = Broker::parse(wrong, true).unwrap_err();
            assert!(!error.to_string().contains("hunter2"));
            assert_eq!(error, InvalidBroker::NotAUrl, "{wrong}");
        }
    }

    #[test]
    fn a_message_is_the_id_of_an_execution_and_nothing_else_is_one() {
        let id: Id<id::Execution> = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21".parse().unwrap();
        assert_eq!(message(id), "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21");
        assert_eq!(execution_in(message(id).as_bytes()), Some(id));
        for other in [
            "",
            "{}",
            " 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21",
            "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21\n",
        ] {
            assert_eq!(execution_in(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(execution_in(&[0xff; 36]), None);
    }
}
