//! What a child serves: the server itself, and what it is compared with on the same HTTP stack.

use std::{io::Write as _, sync::Arc};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use axum_server::accept::NoDelayAcceptor;
use countersign_api::tokens::{TokenRequest, TokenResponse};
use countersign_crypto::{Secret, SigningAlg, SigningKey, jose};
use countersign_model::token::AccessClaims;
use countersign_server::{
    clock::Clock,
    config::{AutomationConfig, Config},
    http::{form::Form, limits::HEADER_BYTES},
    listener,
    serve::ServeOptions,
};
use hyper_util::rt::TokioTimer;

use crate::{
    options::{Options, Serve},
    world,
};

/// Serves until it is killed.
///
/// # Errors
/// When it cannot.
pub async fn serve(what: Serve, options: &Options) -> anyhow::Result<()> {
    match what {
        Serve::Hello => stack(Router::new().route("/", get(async || "hello"))).await,
        Serve::BareEs256 => stack(bare(SigningAlg::Es256)?).await,
        Serve::BareRs256 => stack(bare(SigningAlg::Rs256)?).await,
        Serve::Countersign => {
            let mut config = Config::default();
            config.server.listen = LISTEN.parse()?;
            config.server.issuer = Some(world::ISSUER.to_owned());
            let data = options.data.clone().context("--data is missing")?;
            if options.database.is_some() {
                config.keys.file = Some(world::key_path(&data));
            }
            config.data.dir = Some(data);
            config.data.database = options.database.clone().map(Secret::new);
            config.automation.broker = options.broker.clone().map(Secret::new);
            // One machine is everybody here.
            config.limits.failures_per_address_per_minute = u32::MAX;
            config.limits.failures_per_client_per_minute = u32::MAX;
            config.limits.requests_per_token_per_minute = u32::MAX;
            config.limits.requests_per_identity_per_minute = u32::MAX;
            if options.soak.is_some() {
                // Dead workers are to be noticed within the run.
                config.automation.lease_seconds = *AutomationConfig::LEASE.start() * 4;
            }
            "warn".clone_into(&mut config.logging.level);
            countersign_server::serve::serve(ServeOptions {
                config,
                clock: Clock::system(),
            })
            .await
        }
    }
}

/// The server's listener with its settings, and nothing of the server around the handler.
async fn stack(router: Router) -> anyhow::Result<()> {
    let listener = listener::bind(LISTEN.parse()?)?;
    println!("listening on http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let mut server = axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor::new());
    let header_timeout = Config::default().limits.header_timeout();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEADER_BYTES);
    Ok(server.serve(router.into_make_service()).await?)
}

/// What signing alone allows.
struct Bare {
    key: SigningKey,
    claims: AccessClaims,
}

fn bare(alg: SigningAlg) -> anyhow::Result<Router> {
    let bare = Bare {
        key: SigningKey::generate(alg)?,
        claims: world::claims()?,
    };
    Ok(Router::new()
        .route("/oauth2/token", post(sign))
        .with_state(Arc::new(bare)))
}

async fn sign(
    State(bare): State<Arc<Bare>>,
    Form(form): Form<TokenRequest>,
) -> Result<axum::Json<TokenResponse>, String> {
    let access_token = jose::sign(&bare.key, jose::typ::ACCESS_TOKEN, &bare.claims)
        .map_err(|error| error.to_string())?;
    Ok(axum::Json(TokenResponse {
        access_token,
        token_type: "Bearer".to_owned(),
        expires_in: bare.claims.lifetime(),
        scope: form.scope,
        issued_token_type: None,
        refresh_token: None,
        authorization_details: None,
        withheld: Vec::new(),
    }))
}

const LISTEN: &str = "127.0.0.1:0";
