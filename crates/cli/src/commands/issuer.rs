//! `issuer`: foreign issuers.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_api::issuers::{self, CreateIssuer, Keys, UpdateIssuer};
use countersign_model::registry::IssuerProfile;

use crate::{
    app::App,
    failure::Failure,
    files,
    input::word,
    registry::{self, ActArgs, DeleteArgs, ListArgs, Target},
    view::Column,
};

/// Issuers: CI systems and clusters whose word about runs counts
#[derive(Debug, Subcommand)]
pub enum Issuer {
    /// List issuers
    #[command(after_help = "Example:\n  countersign issuer list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign issuer show https://kubernetes.default.svc")]
    Show(Target),
    /// Make one
    #[command(
        after_help = "Example:\n  countersign issuer create \\\n    https://token.actions.githubusercontent.com --profile github"
    )]
    Create(Create),
    /// Edit one
    #[command(
        after_help = "Example:\n  countersign issuer update https://kubernetes.default.svc --jwks keys.json"
    )]
    Update(Update),
    /// Trust one again that was revoked; credentials from before stay dead
    #[command(after_help = "Example:\n  countersign issuer enable https://kubernetes.default.svc")]
    Enable(ActArgs),
    /// Delete one; its names stay taken
    #[command(
        after_help = "Example:\n  countersign issuer delete https://kubernetes.default.svc --dry-run"
    )]
    Delete(DeleteArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// Its identifier, byte for byte as in `iss`
    url: String,
    /// The platform: github, gitlab, kubernetes, spiffe, oidc
    #[arg(long, value_parser = word::<IssuerProfile>)]
    profile: IssuerProfile,
    #[command(flatten)]
    keys: KeyArgs,
    /// The audience that its tokens must name, instead of this tenant's issuer
    #[arg(long)]
    audience: Option<String>,
    /// A file with extra trusted roots for its HTTPS, PEM
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// The trust domain, for SPIFFE
    #[arg(long, value_name = "DOMAIN")]
    trust_domain: Option<String>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    #[command(flatten)]
    keys: KeyArgs,
    /// The audience that its tokens must name
    #[arg(long)]
    audience: Option<String>,
    /// A file with extra trusted roots for its HTTPS, PEM
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 4] = [
    Column("URL", "/url"),
    Column("PROFILE", "/profile"),
    Column("KEYS", "/keys"),
    Column("STATUS", "/status"),
];

impl Issuer {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<issuers::Issuer>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<issuers::Issuer>(app, &args.target).await,
            Self::Create(args) => {
                registry::create::<issuers::Issuer>(app, "issuer", &args.request()?).await
            }
            Self::Update(args) => {
                registry::update::<issuers::Issuer>(
                    app,
                    "issuer",
                    &args.target,
                    &args.request()?,
                    registry::Lists::NONE,
                )
                .await
            }
            Self::Enable(args) => {
                let changed = app
                    .client()?
                    .enable_issuer(&args.target, &args.why())
                    .await?;
                app.changed(&changed, "issuer enabled: its runs are listened to again")
            }
            Self::Delete(args) => registry::delete::<issuers::Issuer>(app, "issuer", &args).await,
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreateIssuer, Failure> {
        Ok(CreateIssuer {
            url: self.url.clone(),
            profile: self.profile,
            keys: self.keys.keys()?,
            audience: self.audience.clone(),
            ca_bundle: self.ca_bundle.as_deref().map(files::read).transpose()?,
            trust_domain: self.trust_domain.clone(),
        })
    }
}

impl Update {
    fn request(&self) -> Result<UpdateIssuer, Failure> {
        let ca_bundle = self.ca_bundle.as_deref().map(files::read).transpose()?;
        Ok(UpdateIssuer {
            keys: self.keys.keys()?,
            audience: self.audience.clone().map(Some),
            ca_bundle: ca_bundle.map(Some),
            reason: self.reason.clone(),
        })
    }
}

/// Where the keys of an issuer come from; by discovery when nothing is said.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// A file with its key set, which is then pinned
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks: Option<PathBuf>,
    /// The address of its key set
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,
}

impl KeyArgs {
    fn keys(&self) -> Result<Option<Keys>, Failure> {
        if let Some(path) = &self.jwks {
            let set = serde_json::from_str(&files::read(path)?).map_err(|error| {
                Failure::failed(format!("`{}` is not a key set: {error}", path.display()))
                    .next("a key set is JSON such as {\"keys\": [..]} (RFC 7517)")
            })?;
            return Ok(Some(Keys::Inline(set)));
        }
        Ok(self.jwks_uri.clone().map(Keys::Uri))
    }
}
