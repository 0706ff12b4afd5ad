//! The stage: a server, a CI issuer, two people, and what they registered.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs as _},
    path::PathBuf,
};

use countersign_api::{
    Client,
    client::Changed,
    credentials::CreateCredential,
    log::LogKey,
    manifests::{Document, ManifestRequest, Plan},
    sessions::CreateSession,
    users::CreateLinkedAccount,
    users::LinkedAccount,
};
use countersign_crypto::Secret;
use countersign_model::{
    name::Email,
    registry::{CredentialType, TenantRole},
};
use countersign_server::{
    admin,
    clock::Clock,
    config::{self, Config},
    fixture_issuer::FixtureIssuer,
    serve::{ServeOptions, Server},
};

use super::{script::Script, target::Target};
use crate::{
    failure::Failure,
    home::{Home, Server as SignIn},
};

/// The people of the story.
pub const DANA: &str = "dana@example.com";
/// The second person.
pub const LEE: &str = "lee@example.com";
/// The project.
pub const PROJECT: &str = "payments";
/// The identity.
pub const IDENTITY: &str = "release-promoter-prod";
/// The resource server.
pub const AUDIENCE: &str = "production-deployer";
/// Who runs it.
const GUARD: &str = "deploy-guard";
/// The GitHub account that triggers the run: `actor_id` of its claims.
const ACTOR_ID: &str = "12";

/// The document of the pipeline, as anybody would write it.
const PIPELINE: &str = include_str!("release-promoter-prod.yaml");

/// Everything that runs.
pub struct Stage {
    /// The server.
    pub server: Server,
    /// The CI system's issuer.
    pub ci: FixtureIssuer,
    /// Dana, who owns the project and triggers the run.
    pub dana: Client,
    /// Lee, who owns the tenant too, and was made so by nobody who asks.
    pub lee: Client,
    /// Nobody.
    pub nobody: Client,
    /// The deploy target.
    pub target: Target,
    /// The log's key, pinned at the first sign-in.
    pub log_key: LogKey,
    /// Where the sign-in for the command line is.
    pub home: PathBuf,
    directory: PathBuf,
    config: Config,
}

impl Stage {
    /// Sets it.
    pub async fn set(script: &mut Script<'_>) -> Result<Self, Failure> {
        script.step("A server and a CI issuer, both on loopback");
        let directory = fresh_directory()?;
        let config = configuration(&directory)?;
        let server = Server::start(ServeOptions {
            config: config.clone(),
            clock: Clock::system(),
        })
        .await?;
        let base = server.issuer().to_owned();
        let ci = FixtureIssuer::start()
            .await
            .map_err(|error| Failure::failed(error.to_string()))?;
        script.good(&format!(
            "server {base}, its data on SQLite in {}",
            directory.display()
        ));
        script.good(&format!(
            "CI issuer {}, with the claims of GitHub Actions",
            ci.url()
        ));

        script.step("Two people sign in with one-time codes; nobody has a password");
        let nobody = Client::new(&base, None)?;
        let (dana, log_key, sign_in) = enrol(&config, &nobody, DANA, TenantRole::Owner).await?;
        let (lee, ..) = enrol(&config, &nobody, LEE, TenantRole::Owner).await?;
        let log_key = log_key.ok_or_else(|| Failure::failed("the server gave no log key"))?;
        let home = directory.join("home");
        Home::open_at(home.clone())?.remember(&base, sign_in)?;
        script.good("dana@example.com and lee@example.com, both owners of the tenant");
        script.note(&format!(
            "the key of the server's log is pinned now: {}",
            log_key.verifier_key
        ));

        script.step("Dana registers the pipeline, and who may call what");
        script.verbatim(PIPELINE);
        let manifest = manifest(ci.url());
        apply(&dana, "pipeline.yaml", &manifest).await?;
        dana.create::<LinkedAccount>(&linked(ci.url()), None)
            .await?;
        script.good("pipeline release-promoter-prod in project payments; Dana answers for it");
        script.good("only runs of repository 456789 on main, in environment production, are it");
        script.good("GitHub account 12 (octocat) is Dana: what she triggers, she cannot approve");

        script.step("The deploy target stands behind a guard");
        let target = Target::start(&dana, &base, GUARD, AUDIENCE).await?;
        script.good(&format!(
            "{} lets in what carries deploy.release for production",
            target.url
        ));
        Ok(Self {
            server,
            ci,
            dana,
            lee,
            nobody,
            target,
            log_key,
            home,
            directory,
            config,
        })
    }

    /// The issuer of the server.
    pub fn issuer(&self) -> &str {
        self.server.issuer()
    }

    /// Its base URL.
    pub fn base(&self) -> String {
        self.issuer().to_owned()
    }

    /// A one-time code with which Dana comes in by browser, and makes a passkey there.
    pub fn code(&self) -> Result<Secret<String>, Failure> {
        Ok(admin::enrol(
            &self.config,
            &Clock::system(),
            email(DANA)?,
            None,
            None,
        )?)
    }

    /// A place in the throw-away directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Ends everything, and removes the directory.
    pub async fn strike(self) -> Result<(), Failure> {
        let Self {
            server,
            ci,
            target,
            directory,
            ..
        } = self;
        target.stop().await;
        drop(ci);
        server.stop().await?;
        std::fs::remove_dir_all(&directory).map_err(|error| {
            Failure::failed(format!("cannot remove `{}`: {error}", directory.display()))
        })
    }
}

fn fresh_directory() -> Result<PathBuf, Failure> {
    let directory = std::env::temp_dir().join(format!("countersign-demo-{}", std::process::id()));
    std::fs::create_dir(&directory).map_err(|error| {
        Failure::failed(format!("cannot make `{}`: {error}", directory.display()))
    })?;
    Ok(directory)
}

/// Where the server listens, and what it calls itself: by name, because browsers have no passkeys for addresses of numbers.
fn address() -> std::io::Result<(SocketAddr, String)> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let named = ("localhost", free.port())
        .to_socket_addrs()
        .is_ok_and(|mut all| all.any(|one| one == free));
    let issuer = if named {
        format!("http://localhost:{}", free.port())
    } else {
        format!("http://{free}")
    };
    Ok((free, issuer))
}

fn configuration(directory: &std::path::Path) -> Result<Config, Failure> {
    let (listen, issuer) = address()
        .map_err(|error| Failure::failed(format!("there is no free port on loopback: {error}")))?;
    let flags = [
        ("data.dir", directory.join("data").display().to_string()),
        ("server.listen", listen.to_string()),
        ("server.issuer", issuer),
        ("federation.allow_loopback_issuers", "true".to_owned()),
        ("logging.level", "error".to_owned()),
    ];
    // The demo is the same whatever the environment says.
    config::load(None, std::iter::empty::<(String, String)>(), &flags)
        .map_err(|error| Failure::failed(error.to_string()))
}

fn email(text: &str) -> Result<Email, Failure> {
    text.parse()
        .map_err(|error| Failure::failed(format!("{error}")))
}

async fn enrol(
    config: &Config,
    nobody: &Client,
    person: &str,
    role: TenantRole,
) -> Result<(Client, Option<LogKey>, SignIn), Failure> {
    let code = admin::enrol(config, &Clock::system(), email(person)?, Some(role), None)?;
    let session = nobody
        .create_session(&CreateSession {
            code: code.expose().clone(),
            ttl_days: None,
        })
        .await?;
    let client = nobody.with_token(Some(session.token.clone()));
    let sign_in = SignIn {
        token: Some(session.token),
        expires_at: Some(session.expires_at),
        refresh_token: None,
        user: Some(session.user.name),
        issuer: Some(session.issuer),
        log_key: session.log_key.clone(),
    };
    Ok((client, session.log_key, sign_in))
}

/// The pipeline's document, completed with where its runs come from; and what it needs around it.
fn manifest(ci: &str) -> String {
    format!(
        "project: {{name: {PROJECT}, description: Takes the money, members: [{{user: {DANA}, role: owner}}]}}
---
issuer: {{url: \"{ci}\", profile: github}}
---
identity:
  kind: service_account
  name: {GUARD}
  project: {PROJECT}
  purpose: Guards the production deployer
---
audience: {{name: {AUDIENCE}, served_by: [{GUARD}]}}
---
{PIPELINE}  project: {PROJECT}
  sponsor: {DANA}
  managers: [{DANA}, {LEE}]
  purpose: Promotes releases to production
  audiences: [{AUDIENCE}]
  trust:
    - issuer: \"{ci}\"
      environments: [production]
      match: {{repository_id: \"456789\", repository_owner_id: \"123456\", ref: refs/heads/main, environment: production, event_name: [push, workflow_dispatch]}}
"
    )
}

/// Applies a manifest.
pub async fn apply(dana: &Client, file: &str, text: &str) -> Result<Plan, Failure> {
    let request = ManifestRequest {
        documents: vec![Document {
            attached: false,
            file: file.to_owned(),
            text: text.to_owned(),
        }],
        ..ManifestRequest::default()
    };
    let plan = dana.apply(&request).await?;
    if plan.applied {
        return Ok(plan);
    }
    let said: Vec<String> = plan
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.message.clone())
        .collect();
    Err(Failure::failed(format!(
        "the manifest was not applied: {}",
        said.join("; ")
    )))
}

/// A client secret of an identity, with its client id.
pub async fn client_secret(
    dana: &Client,
    identity: &str,
    label: &str,
) -> Result<(String, Secret<String>), Failure> {
    let create = CreateCredential {
        credential_type: CredentialType::ClientSecret,
        label: Some(label.to_owned()),
        expires_at: None,
        jwk: None,
        trust: None,
        ca: None,
        subject: None,
        certificate: None,
        tls_client_certificate_bound_access_tokens: None,
    };
    let Changed::Done(created) = dana.create_credential(identity, &create).await? else {
        return Err(Failure::failed(format!(
            "the credential of {identity} waits for a second person"
        )));
    };
    let secret = created
        .client_secret
        .ok_or_else(|| Failure::failed("the server gave no secret"))?;
    Ok((created.client_id, Secret::new(secret.expose().to_owned())))
}

fn linked(ci: &str) -> CreateLinkedAccount {
    CreateLinkedAccount {
        issuer: ci.to_owned(),
        subject: ACTOR_ID.to_owned(),
        user: DANA.into(),
    }
}
