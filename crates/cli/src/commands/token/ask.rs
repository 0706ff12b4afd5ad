//! What a token request asks for, and how the client proves itself.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_api::tokens::TokenRequest;
use countersign_model::{
    name::{ActionName, EnvironmentName},
    token::{ActionDetail, ActionDetailType, ArtifactDigest},
};

use crate::{failure::Failure, files};

/// A client with a secret.
#[derive(Args)]
pub struct ClientArgs {
    /// The identity: its client id, name or id
    #[arg(long, visible_alias = "identity", value_name = "IDENTITY")]
    client_id: Option<String>,
    /// Its secret
    #[arg(
        long,
        value_name = "SECRET",
        env = "COUNTERSIGN_CLIENT_SECRET",
        hide_env_values = true,
        requires = "client_id"
    )]
    client_secret: Option<String>,
    /// The file with its secret, or `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "client_secret")]
    client_secret_file: Option<PathBuf>,
}

impl std::fmt::Debug for ClientArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientArgs")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl ClientArgs {
    /// The client that was named.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Reads a secret from stdin now: it is there once.
    pub fn keep_secret(&mut self) -> Result<(), Failure> {
        if let Some(path) = self
            .client_secret_file
            .take_if(|path| path == Path::new("-"))
        {
            self.client_secret = Some(files::read(&path)?.trim().to_owned());
        }
        Ok(())
    }

    /// Client id and secret, when there is a secret.
    pub fn secret(&self) -> Result<Option<(String, String)>, Failure> {
        let secret = match (&self.client_secret, &self.client_secret_file) {
            (Some(secret), _) => Some(secret.clone()),
            (None, Some(path)) => Some(files::read(path)?.trim().to_owned()),
            (None, None) => None,
        };
        match (&self.client_id, secret) {
            (Some(client_id), Some(secret)) => Ok(Some((client_id.clone(), secret))),
            (None, Some(_)) => {
                Err(Failure::usage("a secret without its client").next("name it with --client-id"))
            }
            (_, None) => Ok(None),
        }
    }

    /// Puts what proves the client into the form.
    pub fn fill(&self, form: &mut TokenRequest) -> Result<(), Failure> {
        form.client_id.clone_from(&self.client_id);
        form.client_secret = self.secret()?.map(|(_, secret)| secret);
        Ok(())
    }
}

/// What the token is to be for.
#[derive(Debug, Args)]
pub struct Ask {
    /// The resource server; needed only when the identity has several
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// Scope words or actions
    #[arg(long, value_name = "SCOPE", conflicts_with = "actions")]
    scope: Option<String>,
    /// Exactly these actions; once for each, or with commas
    #[arg(long = "action", value_name = "ACTION", value_delimiter = ',')]
    actions: Vec<ActionName>,
    /// Where; needed only when several are possible
    #[arg(long, visible_alias = "env", value_name = "ENVIRONMENT")]
    environment: Option<EnvironmentName>,
    /// On exactly this; needed only when the identity lists several
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// With exactly this artifact: sha256:..
    #[arg(long, value_name = "DIGEST", requires = "actions")]
    artifact_digest: Option<ArtifactDigest>,
}

impl Ask {
    /// Whether it says what the token shall be able to do.
    pub fn names_actions(&self) -> bool {
        self.scope.is_some() || !self.actions.is_empty()
    }

    /// Puts into the form what is asked for.
    pub fn fill(&self, form: &mut TokenRequest) -> Result<(), Failure> {
        self.fill_place(form)?;
        form.scope.clone_from(&self.scope);
        if !self.actions.is_empty() {
            self.fill_detail(form, &self.actions, self.artifact_digest.as_ref())?;
        }
        Ok(())
    }

    /// Puts into the form only where and on what: for the token that carries what needs no approval.
    pub fn fill_place(&self, form: &mut TokenRequest) -> Result<(), Failure> {
        form.audience.clone_from(&self.audience);
        form.environment = self.environment.as_ref().map(ToString::to_string);
        if self.resource.is_some() {
            self.fill_detail(form, &[], None)?;
        }
        Ok(())
    }

    fn fill_detail(
        &self,
        form: &mut TokenRequest,
        actions: &[ActionName],
        artifact_digest: Option<&ArtifactDigest>,
    ) -> Result<(), Failure> {
        let detail = ActionDetail {
            detail_type: ActionDetailType::Action,
            actions: actions.to_vec(),
            environment: self.environment.clone(),
            resource: self.resource.clone(),
            artifact_digest: artifact_digest.cloned(),
        };
        let text = serde_json::to_string(&[detail]);
        form.authorization_details =
            Some(text.map_err(|error| Failure::failed(format!("cannot ask: {error}")))?);
        Ok(())
    }
}
