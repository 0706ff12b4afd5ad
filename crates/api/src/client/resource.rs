//! The registry's nouns: list, show, create, update and delete are the same for each.

use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};

use super::{Changed, Client, ClientError, Headers};
use crate::{
    actions::{Action, CreateAction, UpdateAction},
    audiences::{Audience, CreateAudience, UpdateAudience},
    environments::{CreateEnvironment, Environment, UpdateEnvironment},
    identities::{CreateIdentity, Identity, ListIdentities, UpdateIdentity},
    issuers::{CreateIssuer, Issuer, UpdateIssuer},
    observed::{ListObserved, ObservedAccount},
    packs::Pack,
    paging::{ListQuery, Page},
    policies::{CreatePolicy, Policy, UpdatePolicy},
    projects::{CreateProject, Project, UpdateProject},
    reference::{Meta, Why},
    scopes::{CreateScope, DefinedScope, UpdateScope},
    teams::{CreateTeam, Team, UpdateTeam},
    users::{CreateLinkedAccount, CreateUser, LinkedAccount, UpdateUser, User},
};

/// A noun of the registry: where it is, and what its requests look like.
pub trait Resource: Serialize + DeserializeOwned + Send {
    /// The path segment under `/api`.
    const PATH: &'static str;
    /// The filters of its list.
    type List: Serialize + Sync;
    /// What makes a new one.
    type Create: Serialize + Sync;
    /// What edits one.
    type Update: Serialize + Sync;

    /// What every record says.
    fn meta(&self) -> &Meta;
}

macro_rules! resources {
    ($($record:ident: $path:literal, $list:ty, $create:ty, $update:ty;)*) => {
        $(
            impl Resource for $record {
                const PATH: &'static str = $path;
                type List = $list;
                type Create = $create;
                type Update = $update;

                fn meta(&self) -> &Meta {
                    &self.meta
                }
            }
        )*
    };
}

resources! {
    Action: "actions", ListQuery, CreateAction, UpdateAction;
    Audience: "audiences", ListQuery, CreateAudience, UpdateAudience;
    DefinedScope: "scopes", ListQuery, CreateScope, UpdateScope;
    Environment: "environments", ListQuery, CreateEnvironment, UpdateEnvironment;
    Identity: "identities", ListIdentities, CreateIdentity, UpdateIdentity;
    Issuer: "issuers", ListQuery, CreateIssuer, UpdateIssuer;
    // A linked account is never edited: it is deleted and made again.
    LinkedAccount: "linked-accounts", ListQuery, CreateLinkedAccount, ();
    // An observed account is made and edited by imports.
    ObservedAccount: "observed-accounts", ListObserved, (), ();
    // A pack is made and edited by manifests.
    Pack: "packs", ListQuery, (), ();
    Policy: "policies", ListQuery, CreatePolicy, UpdatePolicy;
    Project: "projects", ListQuery, CreateProject, UpdateProject;
    Team: "teams", ListQuery, CreateTeam, UpdateTeam;
    User: "users", ListQuery, CreateUser, UpdateUser;
}

impl Client {
    /// One page of the records that the filters leave.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn list<R: Resource>(&self, query: &R::List) -> Result<Page<R>, ClientError> {
        self.get(&["api", R::PATH], query).await
    }

    /// The record of this id or name.
    ///
    /// # Errors
    /// When there is none, the server refuses or cannot be reached.
    pub async fn show<R: Resource>(&self, id: &str) -> Result<R, ClientError> {
        self.get(&["api", R::PATH, id], &()).await
    }

    /// Makes a record. The key makes a repetition harmless.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn create<R: Resource>(
        &self,
        create: &R::Create,
        idempotency_key: Option<&str>,
    ) -> Result<Changed<R>, ClientError> {
        let headers = Headers {
            idempotency_key,
            if_match: None,
        };
        self.change(Method::POST, &["api", R::PATH], create, headers)
            .await
    }

    /// Edits a record. With an entity tag it is refused when somebody else was faster.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn update<R: Resource>(
        &self,
        id: &str,
        update: &R::Update,
        if_match: Option<&str>,
    ) -> Result<Changed<R>, ClientError> {
        let headers = Headers {
            idempotency_key: None,
            if_match,
        };
        self.change(Method::PATCH, &["api", R::PATH, id], update, headers)
            .await
    }

    /// Deletes a record; its names stay taken. An answer that waits is a request for approval.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn delete<R: Resource>(
        &self,
        id: &str,
        why: &Why,
        if_match: Option<&str>,
    ) -> Result<Changed<()>, ClientError> {
        let segments = ["api", R::PATH, id];
        let headers = Headers {
            idempotency_key: None,
            if_match,
        };
        let request = headers
            .onto(self.request(Method::DELETE, &segments))
            .query(why);
        let (status, answer) = self.send(request).await?;
        if status == reqwest::StatusCode::ACCEPTED {
            return Ok(Changed::Waits(Box::new(self.json(&segments, &answer)?)));
        }
        Ok(Changed::Done(()))
    }
}
