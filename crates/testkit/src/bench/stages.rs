//! The figures of a running server, one after the other.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use tokio::time::sleep;
use url::form_urlencoded;

use crate::{
    load::{Load, Requests, once},
    options::Options,
    process::{Serving, memory, processor_time},
    report::Figure,
    world::{self, Client, World},
};

/// What is measured of one child.
pub struct Stages<'a> {
    /// How.
    pub options: &'a Options,
    /// The child.
    pub serving: &'a Serving,
    /// Which round: the second one finds many records.
    pub round: &'static str,
    /// What came of it so far.
    pub figures: Vec<Figure>,
}

impl Stages<'_> {
    /// One figure at each number of connections.
    ///
    /// # Errors
    /// When an answer is not 200.
    pub async fn measure(
        &mut self,
        name: &'static str,
        requests: &Requests,
        keep: usize,
    ) -> anyhow::Result<Vec<Bytes>> {
        let next = Arc::new(AtomicU64::new(0));
        let (pid, mut answers) = (self.serving.pid(), Vec::new());
        if !self.options.wants(name) {
            return Ok(answers);
        }
        for connections in self.options.connections.clone() {
            self.quiet().await?;
            let load = Load {
                address: self.serving.address,
                connections,
                span: self.options.span(),
                requests: Arc::clone(requests),
                keep,
            };
            let warm = Load {
                span: load.span / 10,
                keep: 0,
                ..load.clone()
            };
            warm.run(&next).await?;
            let before = processor_time(pid)?;
            let loaded = load
                .run(&next)
                .await
                .with_context(|| format!("{name} at {connections} connections"))?;
            let processor = processor_time(pid)?.saturating_sub(before);
            if loaded.latencies.is_empty() {
                println!("{name} at {connections} connections: nothing is left to send");
                break;
            }
            let count = loaded.latencies.len();
            let figure = Figure {
                name,
                round: self.round,
                connections,
                rate: loaded.rate(),
                p50: loaded.quantile(0.5),
                p99: loaded.quantile(0.99),
                processor: processor.as_secs_f64() * 1e6 / count as f64,
                memory: memory(pid)?.now,
            };
            println!("{figure}");
            self.figures.push(figure);
            answers.extend(loaded.answers);
        }
        Ok(answers)
    }

    /// Waits until the server does nothing: what one figure leaves to be done is not the next one's.
    async fn quiet(&self) -> anyhow::Result<()> {
        for _ in 0..PATIENCE {
            let before = processor_time(self.serving.pid())?;
            sleep(LOOK).await;
            if processor_time(self.serving.pid())?.saturating_sub(before) <= LOOK / 10 {
                break;
            }
        }
        Ok(())
    }

    /// Everything that is measured of the server itself.
    ///
    /// # Errors
    /// When an answer is not 200.
    pub async fn server(&mut self, world: &World) -> anyhow::Result<()> {
        let clients = world.clients.len();
        self.measure("healthz", &gets("/healthz"), 0).await?;
        let issued = self
            .measure(
                "issue ES256",
                &posts(TOKEN, None, forms(world, world::ES256)),
                KEPT,
            )
            .await?;
        self.measure(
            "issue RS256",
            &posts(TOKEN, None, forms(world, world::RS256)),
            0,
        )
        .await?;
        let mut tokens = tokens(&issued)?;
        while tokens.len() < clients {
            tokens.push(self.token(world, tokens.len()).await?);
        }
        // One for each identity: more than a guard sees at a time, fewer than are remembered.
        let live: Vec<&(String, usize)> = tokens.iter().rev().take(clients).collect();
        let serving = world.serving.as_ref().context("nobody introspects")?;
        let proof = basic(serving);
        let asked = live
            .iter()
            .map(|(token, _)| encode(&[("token", token)]))
            .collect();
        self.measure(
            "introspection",
            &posts("/oauth2/introspect", Some(proof), asked),
            0,
        )
        .await?;
        let bearers: Vec<&str> = live.iter().map(|(token, _)| token.as_str()).collect();
        self.evaluation(
            "evaluation",
            bearers.iter().take(PROGRAMS).copied().collect(),
        )
        .await?;
        self.evaluation("evaluation, 1 each", bearers).await?;
        let dead: Vec<Bytes> = tokens
            .iter()
            .map(|(token, owner)| {
                let client = &world.clients[owner % clients];
                encode(&[
                    ("token", token),
                    ("client_id", &client.id),
                    ("client_secret", &client.secret),
                ])
            })
            .collect();
        self.measure("revocation", &once_each("/oauth2/revoke", dead), 0)
            .await?;
        Ok(())
    }

    async fn evaluation(&mut self, name: &'static str, tokens: Vec<&str>) -> anyhow::Result<()> {
        let body = Bytes::from(format!(
            r#"{{"action":{{"name":"{}"}},"resource":{{"type":"service","id":"web"}}}}"#,
            world::ACTION
        ));
        let bearers: Vec<String> = tokens
            .iter()
            .map(|token| format!("Bearer {token}"))
            .collect();
        let requests: Requests = Arc::new(move |number| {
            let bearer = pick(&bearers, number)?;
            let request = Request::post(EVALUATION).header(header::AUTHORIZATION, bearer.as_str());
            request
                .header(header::HOST, HOST)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(body.clone()))
                .ok()
        });
        let first = requests(0).context("no token to ask with")?;
        let (status, answer) = once(self.serving.address, first).await?;
        if status == 404 {
            println!("evaluation: the server does not answer {EVALUATION}");
            return Ok(());
        }
        anyhow::ensure!(
            String::from_utf8_lossy(&answer).contains(r#""decision":true"#),
            "evaluation says {status}: {}",
            String::from_utf8_lossy(&answer)
        );
        self.measure(name, &requests, 0).await?;
        Ok(())
    }

    async fn token(&self, world: &World, number: usize) -> anyhow::Result<(String, usize)> {
        let form = form(&world.clients[number % world.clients.len()], world::ES256);
        let request = post(TOKEN, None, form).context("no request")?;
        let (_, answer) = once(self.serving.address, request).await?;
        tokens(&[answer])?.pop().context("no token")
    }
}

/// The tokens of answers, each with the number of its client.
fn tokens(answers: &[Bytes]) -> anyhow::Result<Vec<(String, usize)>> {
    let read = |answer: &Bytes| -> anyhow::Result<(String, usize)> {
        let body: serde_json::Value = serde_json::from_slice(answer)?;
        let token = body["access_token"]
            .as_str()
            .context("an answer without a token")?
            .to_owned();
        let payload = token.split('.').nth(1).context("not a JWT")?;
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload)?;
        let claims: serde_json::Value = serde_json::from_slice(&payload)?;
        let client = claims["client_id"]
            .as_str()
            .and_then(|id| id.rsplit('-').next())
            .and_then(|text| text.parse().ok());
        Ok((token, client.context("a client without a number")?))
    };
    answers.iter().map(read).collect()
}

/// Always the same `GET`.
pub fn gets(path: &'static str) -> Requests {
    Arc::new(move |_| {
        Request::get(path)
            .header(header::HOST, HOST)
            .body(Full::default())
            .ok()
    })
}

/// Forms, again and again.
pub fn posts(path: &'static str, authorization: Option<String>, forms: Vec<Bytes>) -> Requests {
    Arc::new(move |number| {
        post(
            path,
            authorization.as_deref(),
            pick(&forms, number)?.clone(),
        )
    })
}

/// Forms, each once.
fn once_each(path: &'static str, forms: Vec<Bytes>) -> Requests {
    Arc::new(move |number| {
        post(
            path,
            None,
            forms.get(usize::try_from(number).ok()?)?.clone(),
        )
    })
}

fn post(path: &str, authorization: Option<&str>, body: Bytes) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::post(path)
        .header(header::HOST, HOST)
        .header(header::CONTENT_TYPE, FORM);
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    request.body(Full::new(body)).ok()
}

/// The token requests of all clients, for a resource server.
pub fn forms(world: &World, audience: &str) -> Vec<Bytes> {
    world
        .clients
        .iter()
        .map(|client| form(client, audience))
        .collect()
}

fn form(client: &Client, audience: &str) -> Bytes {
    encode(&[
        ("grant_type", "client_credentials"),
        ("client_id", &client.id),
        ("client_secret", &client.secret),
        ("audience", audience),
    ])
}

fn encode(pairs: &[(&str, &str)]) -> Bytes {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
        .into()
}

fn basic(client: &Client) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!(
            "{}:{}",
            encoded(&client.id),
            encoded(&client.secret)
        ))
    )
}

fn pick<T>(all: &[T], number: u64) -> Option<&T> {
    all.get(usize::try_from(number).ok()? % all.len().max(1))
}

/// Where tokens are asked for.
pub const TOKEN: &str = "/oauth2/token";
const EVALUATION: &str = "/access/v1/evaluation";
const FORM: &str = "application/x-www-form-urlencoded";
const HOST: &str = "127.0.0.1";

/// How many programs ask for decisions, each with its own token: equal decisions within 100 ms are one record.
const PROGRAMS: usize = 64;

/// How long the server's processor time is looked at, and how often, until it does nothing.
const LOOK: Duration = Duration::from_millis(200);
const PATIENCE: u32 = 300;

/// How many tokens are kept to be revoked later, at each number of connections.
const KEPT: usize = 60_000;
