//! E-mail over SMTP (RFC 5321): encrypted beyond loopback, plain text, one message a connection.

use std::time::{Duration, UNIX_EPOCH};

use countersign_model::{Timestamp, name::Email};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        response::Response,
    },
};
use url::Url;

use super::{NotifyError, delivery::Sent};
use crate::config::SmtpConfig;

/// Sends mail through one relay.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// What a mail says, in plain text.
#[derive(Clone)]
pub struct Mail {
    /// Its subject, in one line.
    pub subject: String,
    /// Its text.
    pub text: String,
}

impl Mailer {
    /// A mailer for this relay. It connects when there is something to send.
    ///
    /// # Errors
    /// When URL, sender or certificates cannot be used. No message holds the URL: it may have a password.
    pub fn new(config: &SmtpConfig) -> Result<Self, NotifyError> {
        let relay = Relay::parse(config)?;
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(relay.host.clone())
                .port(relay.port)
                .timeout(Some(COMMAND_TIMEOUT))
                .tls(relay.tls(config)?);
        if let Some((user, password)) = relay.credentials {
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self {
            transport: builder.build(),
            from: config.from.parse().map_err(|_| NotifyError::From)?,
        })
    }

    /// Sends one message to one person. INVARIANT: neither the address nor the text is logged.
    pub async fn send(&self, to: &Email, id: &str, mail: Mail, now: Timestamp) -> Sent {
        let message = match self.message(to, id, mail, now) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!("a notification does not fit into an e-mail: {error}");
                return Sent::Refused;
            }
        };
        let Ok((sent, of_us)) = tokio::time::timeout(WHOLE_TIMEOUT, self.attempt(message)).await
        else {
            tracing::warn!(
                error = "time-out",
                "the mail relay does not take a notification: time-out"
            );
            return Sent::Failed;
        };
        let Err(error) = sent else {
            return Sent::Taken;
        };
        let status = error.status().map_or(0, u16::from);
        if error.is_permanent() && !of_us {
            tracing::warn!(
                smtp.status = u64::from(status),
                "the mail relay refuses a notification for good: {status}"
            );
            return Sent::Refused;
        }
        let kind = kind(&error);
        tracing::warn!(
            error = kind,
            smtp.status = u64::from(status),
            "the mail relay does not take a notification: {kind}"
        );
        Sent::Failed
    }

    /// Sends, and says whether a refusal for good (5yz, RFC 5321 §4.2.1) is of us and not of the message: a relay that
    /// takes no mail now, or a password that was rotated, is set right by whoever runs this.
    async fn attempt(&self, message: Message) -> (Result<Response, Error>, bool) {
        let sent = self.transport.send(message).await;
        let of_us = match &sent {
            Err(error) if error.is_permanent() => {
                !matches!(self.transport.test_connection().await, Ok(true))
            }
            _ => false,
        };
        (sent, of_us)
    }

    pub(super) fn message(
        &self,
        to: &Email,
        id: &str,
        mail: Mail,
        now: Timestamp,
    ) -> Result<Message, lettre::error::Error> {
        let seconds = u64::try_from(now.seconds()).unwrap_or_default();
        let host = self.from.email.domain();
        let invalid = lettre::error::Error::MissingTo;
        Message::builder()
            .from(self.from.clone())
            .to(to.as_str().parse().map_err(|_| invalid)?)
            .subject(mail.subject)
            // The same on every try: whoever gets it twice can tell.
            .message_id(Some(format!("<{id}@{host}>")))
            .date(UNIX_EPOCH + Duration::from_secs(seconds))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text)
    }
}

/// What a URL of the configuration says.
struct Relay {
    host: String,
    port: u16,
    secure: bool,
    credentials: Option<(String, String)>,
}

impl Relay {
    fn parse(config: &SmtpConfig) -> Result<Self, NotifyError> {
        let text = config.url.as_ref().map(|url| url.expose().as_str());
        let url: Url = text
            .unwrap_or_default()
            .parse()
            .map_err(|_| NotifyError::Smtp)?;
        let (secure, port) = match url.scheme() {
            "smtps" => (true, 465),
            "smtp" => (false, 587),
            _ => return Err(NotifyError::Smtp),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(NotifyError::Smtp)?.trim_matches(['[', ']']);
        let plain =
            |text: &str| percent_decoded(text).filter(|text| !text.chars().any(char::is_control));
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) => Some((
                plain(user).ok_or(NotifyError::Smtp)?,
                plain(password).ok_or(NotifyError::Smtp)?,
            )),
            _ => return Err(NotifyError::Smtp),
        };
        Ok(Self {
            host: host.to_owned(),
            port: url.port().unwrap_or(port),
            secure,
            credentials,
        })
    }

    /// INVARIANT: beyond loopback nothing is sent in the clear; a relay without STARTTLS gets nothing.
    fn tls(&self, config: &SmtpConfig) -> Result<Tls, NotifyError> {
        if !self.secure && config.ca_file.is_none() && is_loopback(&self.host) {
            return Ok(Tls::None);
        }
        let mut parameters = TlsParameters::builder(self.host.clone());
        if let Some(file) = &config.ca_file {
            let pem = std::fs::read(file).map_err(|_| NotifyError::Certificates)?;
            let roots = Certificate::from_pem(&pem).map_err(|_| NotifyError::Certificates)?;
            parameters = parameters.add_root_certificate(roots);
        }
        let parameters = parameters.build().map_err(|_| NotifyError::Certificates)?;
        Ok(if self.secure {
            Tls::Wrapper(parameters)
        } else {
            Tls::Required(parameters)
        })
    }
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let pair = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// The error without what a relay said, which may name people.
fn kind(error: &Error) -> &'static str {
    if error.is_timeout() {
        "time-out"
    } else if error.is_tls() {
        "no encryption that can be trusted"
    } else if error.is_permanent() {
        "it refuses this server"
    } else if error.is_transient() {
        "not now"
    } else if error.is_client() {
        "it cannot do what is asked"
    } else {
        "no connection"
    }
}

/// `Auto-Submitted: auto-generated` (RFC 3834 §5): nobody's holiday note answers.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// How long a relay may take for one answer.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one message may take: others wait behind it.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(25);
