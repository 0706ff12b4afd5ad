//! `identity create`: the identity, what it needs that is missing, and a `curl` that works.

use clap::Args;
use countersign_api::{
    Client, NameOrId,
    audiences::{Audience, CreateAudience},
    client::{Changed, Resource},
    credentials::{CreateCredential, CreatedCredential},
    environments::{CreateEnvironment, Environment},
    identities::{CreateIdentity, Identity},
    projects::{CreateProject, Project},
};
use countersign_model::{
    identity::Kind,
    name::{AudienceName, EnvironmentName, IdentityName, ProjectName},
    registry::{CredentialType, SigningAlg},
};
use serde::Serialize;

use super::fields::Fields;
use crate::{
    app::App,
    failure::Failure,
    input::{choose, word},
    view,
};

/// A new identity.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name, unique in the tenant
    name: IdentityName,
    /// What it is: agent, api_key, bot, oauth_client, pipeline, service_account, workload; without it a terminal asks
    /// which question you will have to answer, and a script gets service_account
    #[arg(long, value_parser = word::<Kind>)]
    kind: Option<Kind>,
    /// Where it lives; without it, your personal project
    #[arg(long)]
    project: Option<String>,
    /// A resource server that it may call; made when there is none of that name; once for each
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<AudienceName>,
    #[command(flatten)]
    fields: Fields,
    /// The account of another system whose place it takes, as `countersign observed list` names it
    #[arg(long, value_name = "OBSERVED")]
    replaces: Option<NameOrId>,
    /// Make no credential
    #[arg(long)]
    no_credential: bool,
}

/// What `identity create` made.
#[derive(Debug, Serialize)]
struct Made {
    identity: Identity,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<CreatedCredential>,
    #[serde(skip_serializing_if = "Option::is_none")]
    curl: Option<String>,
}

impl Create {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let kind = match self.kind {
            Some(kind) => kind,
            None => ask_for_kind(app)?,
        };
        self.make_what_is_missing(app, &client).await?;
        let mut create = CreateIdentity::new(kind, self.name.clone());
        self.fields.fill(&mut create);
        create.replaces = self.replaces.clone();
        create.project = self.project.as_deref().map(NameOrId::from);
        if !self.audiences.is_empty() {
            create.audiences = Some(
                self.audiences
                    .iter()
                    .map(|name| NameOrId::from(name.as_str()))
                    .collect(),
            );
        }
        let identity = match client
            .create::<Identity>(&create, Some(&app.idempotency_key()))
            .await?
        {
            Changed::Done(identity) => identity,
            waits @ Changed::Waits(_) => return app.changed(&waits, ""),
        };
        app.out.talk(&format!(
            "identity `{}` created; {} answers for it",
            identity.meta.name, identity.sponsor
        ));
        for warning in &identity.meta.warnings {
            app.out.warn(warning);
        }
        let credential = self.credential(app, &client, &identity).await?;
        let curl = credential.as_ref().and_then(|credential| {
            // One environment is taken without asking; of several the request must choose.
            let several = identity.environments.len() > 1;
            let environment = self.fields.environments().first().filter(|_| several);
            curl(credential, &self.audiences, environment)
        });
        self.show(
            app,
            Made {
                identity,
                credential,
                curl,
            },
        )
    }

    async fn make_what_is_missing(&self, app: &App, client: &Client) -> Result<(), Failure> {
        // A personal project comes with its person and is never made.
        if let Some(name) = self
            .project
            .as_deref()
            .filter(|name| !name.starts_with('~'))
            && missing::<Project>(client, name).await?
        {
            let name: ProjectName = name
                .parse()
                .map_err(|error| Failure::usage(format!("{error}")))?;
            let project = CreateProject {
                name: name.clone(),
                description: String::new(),
                members: Vec::new(),
                allowed_actions: None,
            };
            make::<Project>(app, client, &project, &format!("project `{name}`")).await?;
        }
        for name in &self.audiences {
            if missing::<Audience>(client, name).await? {
                let audience = CreateAudience {
                    name: name.clone(),
                    signing_alg: SigningAlg::default(),
                    served_by: Vec::new(),
                    max_feed_age_seconds: None,
                    max_feed_age_irreversible_seconds: None,
                    description: String::new(),
                };
                make::<Audience>(app, client, &audience, &format!("audience `{name}`")).await?;
            }
        }
        for name in self.fields.environments() {
            if missing::<Environment>(client, name).await? {
                // Whatever is called production is protected until somebody says otherwise.
                let protected = name.as_str() == "production";
                let environment = CreateEnvironment {
                    name: name.clone(),
                    protected,
                    description: String::new(),
                };
                make::<Environment>(app, client, &environment, &format!("environment `{name}`"))
                    .await?;
                if !protected {
                    app.out.warn(&format!(
                        "environment `{name}` was not there and is not protected; \
                         `countersign environment update {name} --protected true` protects it"
                    ));
                }
            }
        }
        Ok(())
    }

    /// A secret, or an opaque key, unless the identity is to have none.
    async fn credential(
        &self,
        app: &App,
        client: &Client,
        identity: &Identity,
    ) -> Result<Option<CreatedCredential>, Failure> {
        let credential_type = match identity.kind {
            Kind::ApiKey => CredentialType::ApiKey,
            _ => CredentialType::ClientSecret,
        };
        if self.no_credential || self.fields.excludes_secrets() {
            let next = format!(
                "countersign credential create {} --type trust-rule ..",
                identity.meta.name
            );
            app.out.talk(&format!("it has no credential yet: `{next}`"));
            return Ok(None);
        }
        let create = CreateCredential {
            credential_type,
            label: None,
            expires_at: None,
            jwk: None,
            trust: None,
            ca: None,
            subject: None,
            certificate: None,
            tls_client_certificate_bound_access_tokens: None,
        };
        match client
            .create_credential(&identity.meta.id.to_string(), &create)
            .await?
        {
            Changed::Done(credential) => Ok(Some(credential)),
            Changed::Waits(approval) => {
                app.out.talk(&format!(
                    "its credential waits for a second person: approval {}",
                    approval.id
                ));
                Ok(None)
            }
        }
    }

    fn show(&self, app: &App, made: Made) -> Result<(), Failure> {
        if made.credential.is_some() {
            app.out
                .warn("the secret is shown this once and never again");
        }
        app.out.data(&made, |json| {
            let mut text = view::details(&json["identity"]);
            if let Some(credential) = &made.credential {
                text.push_str(&format!("\n\nclient id:      {}", credential.client_id));
                let secrets = [
                    ("client secret:", &credential.client_secret),
                    ("api key:", &credential.api_key),
                ];
                for (label, secret) in secrets {
                    if let Some(secret) = secret {
                        text.push_str(&format!("\n{label:15} {}", secret.expose()));
                    }
                }
            }
            if let Some(curl) = &made.curl {
                text.push_str(&format!("\n\nA token:\n{curl}"));
            }
            text
        })
    }
}

/// The kind that answers the question which will be asked one day, with what it proves and where it is weak.
fn ask_for_kind(app: &App) -> Result<Kind, Failure> {
    let questions = ASKED.map(|kind| kind.profile().question.to_owned());
    let question = "Which of these must you be able to answer afterwards?";
    let Some(at) = choose(question, &questions)? else {
        return Ok(Kind::ServiceAccount);
    };
    let kind = ASKED.get(at).copied().unwrap_or(Kind::ServiceAccount);
    let profile = kind.profile();
    app.out.talk(&format!(
        "{}: for {}; it proves {}, and its weakness: {}",
        profile.name, profile.best_for, profile.proves, profile.weakness
    ));
    Ok(kind)
}

/// The most usual first; the others as one chooses.
const ASKED: [Kind; 7] = [
    Kind::ServiceAccount,
    Kind::ApiKey,
    Kind::OauthClient,
    Kind::Workload,
    Kind::Pipeline,
    Kind::Bot,
    Kind::Agent,
];

async fn missing<R: Resource>(client: &Client, name: &str) -> Result<bool, Failure> {
    match client.show::<R>(name).await {
        Ok(_) => Ok(false),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) => Err(error.into()),
    }
}

async fn make<R: Resource>(
    app: &App,
    client: &Client,
    create: &R::Create,
    what: &str,
) -> Result<(), Failure> {
    match client
        .create::<R>(create, Some(&app.idempotency_key()))
        .await?
    {
        Changed::Done(_) => {
            app.out.talk(&format!("{what} created"));
            Ok(())
        }
        waits @ Changed::Waits(_) => app.changed(&waits, ""),
    }
}

/// A request for a token that works as it stands in any shell.
fn curl(
    credential: &CreatedCredential,
    audiences: &[AudienceName],
    environment: Option<&EnvironmentName>,
) -> Option<String> {
    let secret = credential.client_secret.as_ref()?;
    let mut text = format!(
        "curl -sS -u {} \\\n  -d grant_type=client_credentials",
        quoted(&format!("{}:{}", credential.client_id, secret.expose()))
    );
    // One audience need not be named; of several, the first is as good an example as any.
    if let Some(audience) = audiences.first() {
        text.push_str(&format!(
            " \\\n  --data-urlencode {}",
            quoted(&format!("audience={audience}"))
        ));
    }
    if let Some(environment) = environment {
        text.push_str(&format!(" \\\n  -d environment={environment}"));
    }
    text.push_str(&format!(" \\\n  {}", credential.token_endpoint));
    Some(text)
}

/// The text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_curl_stands_as_it_is() {
        let credential: CreatedCredential = serde_json::from_value(json!({
            "id": "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21", "name": "cs_abc", "version": 1, "status": "active",
            "created_at": "2026-11-22T09:00:00Z", "updated_at": "2026-11-22T09:00:00Z",
            "identity": {"id": "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b22", "name": "triage"},
            "type": "client-secret", "label": "", "client_id": "triage-7f", "client_secret": "s3'cret",
            "token_endpoint": "http://127.0.0.1:8400/oauth2/token",
        }))
        .unwrap();
        let text = curl(
            &credential,
            &["https://api.example.com".parse().unwrap()],
            None,
        )
        .unwrap();
        assert_eq!(
            text,
            "curl -sS -u 'triage-7f:s3'\\''cret' \\\n  -d grant_type=client_credentials \\\n  \
             --data-urlencode 'audience=https://api.example.com' \\\n  http://127.0.0.1:8400/oauth2/token"
        );
    }
}
