//! `credential`: how identities prove themselves.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use countersign_api::{
    NameOrId,
    client::Changed,
    credentials::{CreateCredential, CreatedCredential, Rotate, TrustInput},
    reference::Why,
};
use countersign_model::{
    Timestamp, certificate::CertificateSubject, name::EnvironmentName, registry::CredentialType,
    trust::Accepted,
};

use crate::{
    app::App,
    clock,
    failure::Failure,
    files,
    input::{confirm, pair, word},
    registry::ListArgs,
    view::{self, Column},
};

/// Credentials: how identities prove themselves
#[derive(Debug, Subcommand)]
pub enum Credential {
    /// Make one; a secret is shown once
    #[command(
        after_help = "Examples:\n  countersign credential create triage --type client-secret -o json\n  \
        countersign credential create deployer --type trust-rule \\\n    \
        --issuer https://token.actions.githubusercontent.com \\\n    --environment production --match repository_id=456789 \\\n    \
        --match repository_owner_id=123456 --match ref=refs/heads/main\n  countersign credential create payroll --type tls-client-auth \\\n    --ca ca.pem --subject dns:payroll.internal"
    )]
    Create(Box<Create>),
    /// List those of an identity
    #[command(after_help = "Example:\n  countersign credential list triage")]
    List(List),
    /// Make its successor, and end it after an overlap
    #[command(
        after_help = "Example:\n  countersign credential rotate SpFTKjWXSAC9RwStJwHf --overlap 3600"
    )]
    Rotate(RotateArgs),
    /// Revoke one: its tokens die at once
    #[command(
        after_help = "Example:\n  countersign credential revoke SpFTKjWXSAC9RwStJwHf --reason leaked"
    )]
    Revoke(RevokeArgs),
}

/// A new credential.
#[derive(Debug, Args)]
pub struct Create {
    /// The identity, by name or id
    identity: String,
    /// Its type: client-secret, public-key, api-key, trust-rule, tls-client-auth, self-signed-tls-client-auth
    #[arg(long = "type", value_name = "TYPE", value_parser = word::<CredentialType>)]
    credential_type: CredentialType,
    /// What people call it
    #[arg(long)]
    label: Option<String>,
    /// When it ends: a time, or a span such as 90d
    #[arg(long, value_name = "TIME|SPAN", value_parser = clock::ahead)]
    expires_at: Option<Timestamp>,
    /// public-key: the file with the key as a JWK, or `-` for stdin
    #[arg(
        long,
        value_name = "FILE",
        required_if_eq("credential_type", "public-key")
    )]
    jwk: Option<PathBuf>,
    /// trust-rule: the issuer
    #[arg(
        long,
        value_name = "URL",
        required_if_eq("credential_type", "trust-rule")
    )]
    issuer: Option<NameOrId>,
    /// trust-rule: an environment that a match may yield; once for each, or with commas
    #[arg(
        long = "environment",
        visible_alias = "env",
        value_name = "ENVIRONMENT",
        value_delimiter = ','
    )]
    environments: Vec<EnvironmentName>,
    /// trust-rule: a claim and a value that it may have; a claim given twice may have either
    #[arg(long = "match", value_name = "CLAIM=VALUE", value_parser = pair)]
    matches: Vec<(String, String)>,
    /// tls-client-auth: the file with the certificate of the authority that signs those of the client, PEM
    #[arg(
        long,
        value_name = "FILE",
        required_if_eq("credential_type", "tls-client-auth")
    )]
    ca: Option<PathBuf>,
    /// tls-client-auth: whom they must be for: dn:CN=payroll,O=Example, dns:NAME, email:ADDRESS, ip:ADDRESS or uri:URI
    #[arg(
        long,
        value_name = "KIND:VALUE",
        required_if_eq("credential_type", "tls-client-auth")
    )]
    subject: Option<CertificateSubject>,
    /// self-signed-tls-client-auth: the file with the certificate, PEM
    #[arg(
        long,
        value_name = "FILE",
        required_if_eq("credential_type", "self-signed-tls-client-auth")
    )]
    certificate: Option<PathBuf>,
    /// Certificates: do not bind tokens to the one that was shown
    #[arg(long)]
    unbound_tokens: bool,
}

/// Whose.
#[derive(Debug, Args)]
pub struct List {
    /// The identity, by name or id
    identity: String,
    #[command(flatten)]
    page: ListArgs,
}

/// Which one, and how.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Its public id or id
    #[arg(value_name = "CREDENTIAL")]
    target: String,
    /// How long the old one still works
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    overlap: i64,
    /// public-key: the file with the new key as a JWK
    #[arg(long, value_name = "FILE")]
    jwk: Option<PathBuf>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// Which one, and why.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its public id or id
    #[arg(value_name = "CREDENTIAL")]
    target: String,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

const COLUMNS: [Column; 6] = [
    Column("CREDENTIAL", "/name"),
    Column("TYPE", "/type"),
    Column("LABEL", "/label"),
    Column("STATUS", "/status"),
    Column("EXPIRES", "/expires_at"),
    Column("LAST USED", "/last_used_at"),
];

impl Credential {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Create(args) => {
                let created = app
                    .client()?
                    .create_credential(&args.identity, &args.request()?)
                    .await?;
                shown_once(app, &created)
            }
            Self::List(args) => args.run(app).await,
            Self::Rotate(args) => {
                let jwk = args.jwk.as_deref().map(json_file).transpose()?;
                let rotate = Rotate {
                    overlap_seconds: Some(args.overlap),
                    jwk,
                    reason: args.reason,
                };
                shown_once(
                    app,
                    &app.client()?
                        .rotate_credential(&args.target, &rotate)
                        .await?,
                )
            }
            Self::Revoke(args) => {
                confirm(
                    &format!("revoke `{}`? what it proved is dead at once", args.target),
                    args.yes,
                )?;
                let revoked = app
                    .client()?
                    .revoke_credential(
                        &args.target,
                        &Why {
                            reason: args.reason,
                        },
                    )
                    .await?;
                app.out.talk(&format!(
                    "credential `{}` of `{}` revoked",
                    revoked.meta.name, revoked.identity.name
                ));
                app.out.data(&revoked, view::details)
            }
        }
    }
}

impl Create {
    fn request(&self) -> Result<CreateCredential, Failure> {
        let trust = self.issuer.clone().map(|issuer| TrustInput {
            issuer,
            environments: self.environments.clone(),
            matches: accepted(&self.matches),
        });
        Ok(CreateCredential {
            credential_type: self.credential_type,
            label: self.label.clone(),
            expires_at: self.expires_at.map(Into::into),
            jwk: self.jwk.as_deref().map(json_file).transpose()?,
            trust,
            ca: self.ca.as_deref().map(files::read).transpose()?,
            subject: self.subject.clone(),
            certificate: self.certificate.as_deref().map(files::read).transpose()?,
            tls_client_certificate_bound_access_tokens: self.unbound_tokens.then_some(false),
        })
    }
}

impl List {
    async fn run(&self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let (mut items, mut after) = (Vec::new(), None);
        loop {
            let page = client
                .credentials(&self.identity, &self.page.query(after, self.page.limit))
                .await?;
            items.extend(page.items);
            after = page.next;
            if after.is_none() || items.len() >= self.page.limit as usize {
                break;
            }
        }
        app.out.data(&items, |json| view::table(&COLUMNS, json))
    }
}

fn shown_once(app: &App, created: &Changed<CreatedCredential>) -> Result<(), Failure> {
    if let Changed::Done(created) = created
        && (created.client_secret.is_some() || created.api_key.is_some())
    {
        app.out
            .warn("the secret is shown this once and never again");
    }
    app.changed(created, "credential created")
}

/// A claim that was given once must have its value, one given again may have either.
fn accepted(pairs: &[(String, String)]) -> BTreeMap<String, Accepted> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (claim, value) in pairs {
        values.entry(claim.clone()).or_default().push(value.clone());
    }
    let one_or_any = |mut values: Vec<String>| match values.pop() {
        Some(only) if values.is_empty() => Accepted::One(only),
        Some(last) => {
            values.push(last);
            Accepted::Any(values)
        }
        None => Accepted::Any(values),
    };
    values
        .into_iter()
        .map(|(claim, values)| (claim, one_or_any(values)))
        .collect()
}

fn json_file(path: &Path) -> Result<serde_json::Value, Failure> {
    serde_json::from_str(&files::read(path)?).map_err(|error| {
        Failure::failed(format!("`{}` is not a JWK: {error}", path.display()))
            .next("a JWK is JSON such as {\"kty\": \"EC\", ..} (RFC 7517)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_given_twice_may_have_either_value() {
        let pairs = [
            ("event_name", "push"),
            ("event_name", "workflow_dispatch"),
            ("ref", "refs/heads/main"),
        ];
        let rule = accepted(&pairs.map(|(claim, value)| (claim.to_owned(), value.to_owned())));
        assert_eq!(
            rule["event_name"],
            Accepted::Any(vec!["push".into(), "workflow_dispatch".into()])
        );
        assert_eq!(rule["ref"], Accepted::One("refs/heads/main".into()));
    }
}
