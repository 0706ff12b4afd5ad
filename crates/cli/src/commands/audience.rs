//! `audience`: audiences.

use clap::{Args, Subcommand};
use countersign_api::NameOrId;
use countersign_api::audiences::{self, CreateAudience, UpdateAudience};
use countersign_model::{name::AudienceName, registry::SigningAlg};

use crate::{
    app::App,
    failure::Failure,
    input::word,
    registry::{self, DeleteArgs, ListArgs, Lists, Target},
    view::Column,
};

/// Audiences: resource servers that accept tokens
#[derive(Debug, Subcommand)]
pub enum Audience {
    /// List audiences
    #[command(after_help = "Example:\n  countersign audience list")]
    List(ListArgs),
    /// Show one
    #[command(after_help = "Example:\n  countersign audience show support-automation-api")]
    Show(Target),
    /// Make one
    #[command(
        after_help = "Example:\n  countersign audience create support-automation-api --served-by support-api"
    )]
    Create(Create),
    /// Edit one; a list drops nothing without --replace
    ///
    /// A list that is given takes the place of the whole list. When it leaves out something that the list has now, the edit
    /// is refused, and says what, unless --replace says that it shall be dropped.
    #[command(
        after_help = "Example:\n  countersign audience update support-automation-api --signing-alg RS256"
    )]
    Update(Update),
    /// Delete one; its names stay taken
    #[command(
        after_help = "Example:\n  countersign audience delete support-automation-api --dry-run"
    )]
    Delete(DeleteArgs),
}

/// A new one.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name, which becomes `aud`: a plain name or an absolute URI
    name: AudienceName,
    /// The algorithm of its tokens: ES256 or RS256
    #[arg(long, value_name = "ALG", default_value = "ES256", value_parser = word::<SigningAlg>)]
    signing_alg: SigningAlg,
    /// An identity that runs it and may introspect its tokens; once for each
    #[arg(long, value_name = "IDENTITY")]
    served_by: Vec<NameOrId>,
    /// The greatest age of a guard's revocation feed, in seconds
    #[arg(long, value_name = "SECONDS")]
    max_feed_age: Option<i64>,
    /// The same for irreversible actions
    #[arg(long, value_name = "SECONDS")]
    max_feed_age_irreversible: Option<i64>,
    /// What it is
    #[arg(long, default_value = "")]
    description: String,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    target: String,
    /// The algorithm of its tokens: ES256 or RS256
    #[arg(long, value_name = "ALG", value_parser = word::<SigningAlg>)]
    signing_alg: Option<SigningAlg>,
    /// The identities that run it, all of them; once for each
    #[arg(long, value_name = "IDENTITY")]
    served_by: Option<Vec<NameOrId>>,
    /// The greatest age of a guard's revocation feed, in seconds
    #[arg(long, value_name = "SECONDS")]
    max_feed_age: Option<i64>,
    /// The same for irreversible actions
    #[arg(long, value_name = "SECONDS")]
    max_feed_age_irreversible: Option<i64>,
    /// What it is
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    lists: Lists,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

const COLUMNS: [Column; 5] = [
    Column("NAME", "/name"),
    Column("ALG", "/signing_alg"),
    Column("SERVED BY", "/served_by"),
    Column("DESCRIPTION", "/description"),
    Column("STATUS", "/status"),
];

impl Audience {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::List(args) => {
                registry::list::<audiences::Audience>(app, args.limit, &COLUMNS, |after, left| {
                    args.query(after, left)
                })
                .await
            }
            Self::Show(args) => registry::show::<audiences::Audience>(app, &args.target).await,
            Self::Create(args) => {
                registry::create::<audiences::Audience>(app, "audience", &args.request()?).await
            }
            Self::Update(args) => {
                registry::update::<audiences::Audience>(
                    app,
                    "audience",
                    &args.target,
                    &args.request()?,
                    args.lists,
                )
                .await
            }
            Self::Delete(args) => {
                registry::delete::<audiences::Audience>(app, "audience", &args).await
            }
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreateAudience, Failure> {
        Ok(CreateAudience {
            name: self.name.clone(),
            signing_alg: self.signing_alg,
            served_by: self.served_by.clone(),
            max_feed_age_seconds: self.max_feed_age,
            max_feed_age_irreversible_seconds: self.max_feed_age_irreversible,
            description: self.description.clone(),
        })
    }
}

impl Update {
    fn request(&self) -> Result<UpdateAudience, Failure> {
        Ok(UpdateAudience {
            signing_alg: self.signing_alg,
            served_by: self.served_by.clone(),
            max_feed_age_seconds: self.max_feed_age,
            max_feed_age_irreversible_seconds: self.max_feed_age_irreversible,
            description: self.description.clone(),
            reason: self.reason.clone(),
        })
    }
}
