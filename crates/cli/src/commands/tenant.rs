//! `tenant`: the caller's own.

use clap::{Args, Subcommand};
use countersign_api::{
    keys::SecretText,
    tenants::{PutProvider, UpdateTenant},
};
use countersign_model::registry::Registration;

use crate::{
    app::App,
    failure::Failure,
    input::{pair, word},
    prompt, view,
};

/// The tenant that you are signed in to
#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Show it
    #[command(after_help = "Example:\n  countersign tenant show")]
    Show,
    /// Edit it
    #[command(after_help = "Example:\n  countersign tenant update --refuse-unknown-actions true")]
    Update(Update),
    /// Let people sign in through the company's OIDC provider; its secret is read from stdin
    #[command(
        after_help = "Example:\n  countersign tenant set-provider https://login.example.com \\\n    --client-id countersign --name 'Example Login' --private-key-jwt"
    )]
    SetProvider(Box<SetProvider>),
    /// Let nobody sign in through a provider any more
    #[command(after_help = "Example:\n  countersign tenant remove-provider")]
    RemoveProvider(RemoveProvider),
}

/// The provider, as a whole.
#[derive(Debug, Args)]
pub struct SetProvider {
    /// Its identifier, byte for byte as in `iss`
    issuer: String,
    /// What the button calls it
    #[arg(long)]
    name: String,
    /// What this server is called there
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Prove who this server is with the tenant's own key: there is no secret
    #[arg(long, conflicts_with = "keep_secret")]
    private_key_jwt: bool,
    /// Keep the secret that was set before
    #[arg(long)]
    keep_secret: bool,
    /// A class of authentication that it takes (repeat)
    #[arg(long)]
    acr: Vec<String>,
    /// How old a sign-in there may be, in minutes; twelve hours
    #[arg(long, value_name = "MINUTES")]
    max_age_minutes: Option<u32>,
    /// The claim that lists a person's groups
    #[arg(long, value_name = "CLAIM")]
    groups_claim: Option<String>,
    /// Which group is which team (repeat)
    #[arg(long, value_name = "GROUP=TEAM", value_parser = pair)]
    team: Vec<(String, String)>,
    /// A group that lets in; who loses the last of them has left (repeat)
    #[arg(long, value_name = "GROUP")]
    access_group: Vec<String>,
    /// Let in who was invited and never signed in, by an address that the provider verified
    #[arg(long)]
    admit_invited: bool,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// Why.
#[derive(Debug, Args)]
pub struct RemoveProvider {
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Whether an action outside the catalogue is an error instead of a warning
    #[arg(long, value_name = "true|false")]
    refuse_unknown_actions: Option<bool>,
    /// How long an identity that nobody answers for still gets tokens, in days
    #[arg(long, value_name = "DAYS")]
    orphan_grace_days: Option<u32>,
    /// Whether people decide on approvals with a passkey's signature alone, in the console
    #[arg(long, value_name = "true|false")]
    approvals_need_passkey: Option<bool>,
    /// Who lets people in: owners of the tenant alone (off), or of projects too (invitation)
    #[arg(long, value_name = "off|invitation", value_parser = word::<Registration>)]
    registration: Option<Registration>,
    /// The identity of the company's directory, which may use /scim/v2; nobody when it is empty
    #[arg(long, value_name = "NAME|ID")]
    provisioner: Option<String>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

impl Tenant {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Show => {
                let client = app.client()?;
                app.out.data(&client.tenant(&()).await?, view::details)
            }
            Self::Update(args) => {
                let update = UpdateTenant {
                    refuse_unknown_actions: args.refuse_unknown_actions,
                    orphan_grace_seconds: args
                        .orphan_grace_days
                        .map(|days| i64::from(days) * 86_400),
                    approvals_need_passkey: args.approvals_need_passkey,
                    registration: args.registration,
                    provisioner: args.provisioner,
                    reason: args.reason,
                    ..UpdateTenant::default()
                };
                edit(app, &update).await
            }
            Self::SetProvider(args) => {
                let update = UpdateTenant {
                    reason: args.reason.clone(),
                    provider: Some(args.provider().await?),
                    ..UpdateTenant::default()
                };
                edit(app, &update).await
            }
            Self::RemoveProvider(args) => {
                let update = UpdateTenant {
                    remove_provider: true,
                    reason: args.reason,
                    ..UpdateTenant::default()
                };
                edit(app, &update).await
            }
        }
    }
}

impl SetProvider {
    async fn provider(self) -> Result<PutProvider, Failure> {
        let client_secret = if self.private_key_jwt || self.keep_secret {
            None
        } else {
            let asked = format!(
                "secret of `{}` at the provider (not shown): ",
                self.client_id
            );
            let text = prompt::secret(&asked, prompt::Ending::Cut).await?;
            Some(SecretText::new(text))
        };
        Ok(PutProvider {
            name: self.name,
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret,
            private_key_jwt: self.private_key_jwt,
            acr: self.acr,
            max_age_seconds: self.max_age_minutes.map(|minutes| i64::from(minutes) * 60),
            groups_claim: self.groups_claim,
            teams: self.team.into_iter().collect(),
            access_groups: self.access_group,
            admit_invited: self.admit_invited,
        })
    }
}

async fn edit(app: &App, update: &UpdateTenant) -> Result<(), Failure> {
    let client = app.client()?;
    let before = client.tenant(&()).await?;
    let etag = before.meta.etag();
    let after = client.update_tenant(update, Some(&etag)).await?;
    app.changed(&after, "tenant updated")
}
