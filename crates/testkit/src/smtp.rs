//! A mail relay for tests: SMTP (RFC 5321) over TCP on loopback, with STARTTLS (RFC 3207) where it is asked for.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// A message that a relay took.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's receivers.
    pub to: Vec<String>,
    /// Headers and text, as they came.
    pub text: String,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// What the client signed in with (`AUTH PLAIN`), in base64.
    pub auth: Option<String>,
}

/// A mail relay on loopback.
pub struct MailRelay {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    tls: Option<TlsAcceptor>,
    mails: Mutex<Vec<Mail>>,
    /// What it answers to `RCPT`: 250, or a refusal.
    answer: AtomicU16,
    /// What it greets with: 220, or a refusal.
    greeting: AtomicU16,
    /// What it answers to `AUTH`: 235, or a refusal.
    signed_in: AtomicU16,
}

impl MailRelay {
    /// One that offers no encryption.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn plain() -> Self {
        Self::start(None).await
    }

    /// One that offers STARTTLS, with the certificate for 127.0.0.1 of the tests.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn starttls(certificate: &str, key: &str) -> Self {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        Self::start(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            tls,
            mails: Mutex::default(),
            answer: AtomicU16::new(250),
            greeting: AtomicU16::new(220),
            signed_in: AtomicU16::new(235),
        });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { address, state }
    }

    /// Its URL, with this user information before the host.
    #[must_use]
    pub fn url(&self, user: &str) -> String {
        format!("smtp://{user}{}", self.address)
    }

    /// What it answers to receivers from now on: 250, 451, 550.
    pub fn answer(&self, code: u16) {
        self.state.answer.store(code, Ordering::SeqCst);
    }

    /// What it greets with from now on: 220, 554.
    pub fn greet(&self, code: u16) {
        self.state.greeting.store(code, Ordering::SeqCst);
    }

    /// What it answers to who signs in from now on: 235, 535.
    pub fn sign_in(&self, code: u16) {
        self.state.signed_in.store(code, Ordering::SeqCst);
    }

    /// What it took so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        let mails = self.state.mails.lock();
        mails.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One connection: in the clear, and then encrypted where the client asks for it.
async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut stream = BufReader::new(stream);
    let greeting = state.greeting.load(Ordering::SeqCst);
    let greeting = format!("{greeting} relay ESMTP\r\n");
    if stream.write_all(greeting.as_bytes()).await.is_err() {
        return;
    }
    let offer = state.tls.is_some();
    if !talk(&mut stream, &state, offer, false).await {
        return;
    }
    let Some(acceptor) = &state.tls else { return };
    // INVARIANT: what came in the clear before the handshake is not read after it (CVE-2011-0411).
    if let Ok(stream) = acceptor.accept(stream.into_inner()).await {
        talk(&mut BufReader::new(stream), &state, false, true).await;
    }
}

/// Answers commands until the end. Says whether the client wants to encrypt.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    state: &State,
    offer: bool,
    encrypted: bool,
) -> bool {
    let mut mail = Mail {
        encrypted,
        ..Mail::default()
    };
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return false;
        }
        let command = line.trim_end().to_owned();
        let verb = command.split(' ').next().unwrap_or_default();
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" if offer => "250-relay\r\n250 STARTTLS".to_owned(),
            "EHLO" => "250-relay\r\n250 AUTH PLAIN".to_owned(),
            "STARTTLS" if offer => {
                return stream.write_all(b"220 go ahead\r\n").await.is_ok();
            }
            "AUTH" => {
                mail.auth = command.split(' ').nth(2).map(str::to_owned);
                format!("{} said", state.signed_in.load(Ordering::SeqCst))
            }
            "MAIL" => {
                mail.from = command;
                "250 ok".to_owned()
            }
            "RCPT" => {
                mail.to.push(command);
                format!("{} said", state.answer.load(Ordering::SeqCst))
            }
            "DATA" => {
                if stream.write_all(b"354 go on\r\n").await.is_err() {
                    return false;
                }
                loop {
                    line.clear();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                        return false;
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    mail.text.push_str(&line);
                }
                let mails = state.mails.lock();
                mails
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(mail.clone());
                "250 taken".to_owned()
            }
            "QUIT" => {
                let _ = stream.write_all(b"221 bye\r\n").await;
                return false;
            }
            "NOOP" | "RSET" => "250 ok".to_owned(),
            _ => "502 what".to_owned(),
        };
        if stream
            .write_all(format!("{answer}\r\n").as_bytes())
            .await
            .is_err()
        {
            return false;
        }
    }
}
