//! Making a service account with its first token: an identity of the registry like any other, in the words of seed 004.

use std::sync::Arc;

use countersign_model::{
    action::{ActionClass, ActionSet},
    identity::Kind,
    name::IdentityName,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Noun, Record, Status},
    scope::{Bundle, Holder, Scope},
    token_metadata::TokenMetadata,
};
use serde_json::{Map, Value};

use super::{
    Given, RenewAt, SCOPE, authority_of,
    chains::{Deciding, new_doc},
    check_metadata, lifetime,
};
use crate::{
    approvals::references,
    command::{Command, Verdict, WriteTx},
    issue::Held,
    registry::{identities::CreateIdentity, rights},
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// Makes a service account with its first token.
#[derive(Clone)]
pub struct CreateServiceAccount {
    /// The issuer.
    pub tenant: Arc<Tenant>,
    /// Its name, which is its subject: `sensor:core.timer`.
    pub name: IdentityName,
    /// What its tokens are for.
    pub scope: Scope,
    /// What it is for.
    pub description: Option<String>,
    /// How many days its tokens live; what is usual for the scope when absent.
    pub ttl_days: Option<i64>,
    /// What its tokens are bound to.
    pub metadata: TokenMetadata,
    /// Where it lives; the caller's personal project when absent.
    pub project: Option<String>,
    /// Who answers; the caller when absent.
    pub sponsor: Option<String>,
    /// Who administers it; the caller when absent.
    pub managers: Option<Vec<String>>,
    /// After which share of its life a token is to be renewed.
    pub renew_at: RenewAt,
    /// The trust domain in the subjects of workloads: the server's setting.
    pub trust_domain: String,
}

impl Command for CreateServiceAccount {
    type Output = Given;

    const NAME: &'static str = "service account create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Given>, Rejection> {
        let person = rights::editor(tx)?;
        for_identities(self.scope)?;
        not_buried(tx, &person, &self.name)?;
        check_metadata(self.scope, &self.metadata)?;
        lifetime(self.scope, self.ttl_days)?;
        let identity = CreateIdentity {
            project: self.project.clone(),
            sponsor: self.sponsor.clone(),
            managers: self.managers.clone(),
            purpose: self.description.clone(),
            allowed_actions: bundle(tx, self.scope)?,
            metadata: data(self.scope, &self.metadata)?,
            ..CreateIdentity::new(Kind::ServiceAccount, self.name.clone(), &*self.trust_domain)
        };
        let created = match identity.run(tx)? {
            Verdict::Done(created) => created,
            Verdict::RefusedWithEffects(refusal) => {
                return Ok(Verdict::RefusedWithEffects(refusal));
            }
        };
        let asked = First {
            tenant: &self.tenant,
            scope: self.scope,
            metadata: self.metadata.clone(),
            ttl_days: self.ttl_days,
            renew_at: self.renew_at,
            grant: "service_account",
        };
        let mut given = asked.give(tx, created.identity)?;
        given.warnings = created.warnings;
        Ok(Verdict::Done(given))
    }
}

/// The first token of a new chain.
pub(super) struct First<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) scope: Scope,
    pub(super) metadata: TokenMetadata,
    pub(super) ttl_days: Option<i64>,
    pub(super) renew_at: RenewAt,
    pub(super) grant: &'static str,
}

impl First<'_> {
    /// Gives it to an identity, in a story of its own.
    pub(super) fn give(
        self,
        tx: &mut WriteTx<'_, '_>,
        identity: Record,
    ) -> Result<Given, Rejection> {
        check_metadata(self.scope, &self.metadata)?;
        let ttl = lifetime(self.scope, self.ttl_days)?;
        let decided = authority_of::decide(tx, &self.tenant.issuer, &identity, self.scope)?;
        let mut refs = Vec::with_capacity(6);
        references::of_identity(tx, identity.id.cast(), &mut refs)?;
        refs.extend(super::actor(tx));
        let deciding = Deciding {
            tenant: self.tenant,
            held: Held::Identity(&identity, &decided.project),
            actions: decided.actions,
            policies: decided.policies,
            grant: self.grant,
            txn: tx.ctx().id(),
            refs,
            parents: Vec::new(),
            percent: self.renew_at.of(self.scope),
        };
        let doc = new_doc(self.metadata, ttl, None);
        let (chain, recorded) = deciding.begin(tx, self.scope, doc)?;
        Ok(Given {
            holder: identity,
            chain,
            recorded,
            warnings: Vec::new(),
        })
    }
}

/// Says of a name that was deleted that it was, to who may know.
fn not_buried(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    name: &IdentityName,
) -> Result<(), Rejection> {
    let Some(buried) = tx.find(Noun::Identity, name)? else {
        return Ok(());
    };
    let doc = rights::doc(buried.identity())?;
    let project = rights::project_of(tx, doc)?;
    if buried.status != Status::Deleted || !person.sees(doc, rights::doc(project.project())?) {
        return Ok(());
    }
    let detail = format!(
        "service account `{name}` was deleted, and a name is never given out again: take another; a token that leaked is replaced with `revoke_others`, without deleting"
    );
    refuse(Reason::NameTaken, detail)
}

/// Refuses a scope that no service account has.
pub(super) fn for_identities(scope: Scope) -> Result<(), Refusal> {
    match scope.profile().holder {
        Holder::Identity => Ok(()),
        Holder::Execution => refuse(
            Reason::Unprocessable,
            "an `action_execution` token is made when an execution begins, and never asked for",
        ),
        Holder::Person => refuse(
            Reason::Unprocessable,
            format!("a `{scope}` token is a person's, who signs in: a program never does"),
        ),
    }
}

fn bundle(tx: &mut WriteTx<'_, '_>, scope: Scope) -> Result<ActionSet, Rejection> {
    Ok(match scope.profile().bundle {
        Bundle::Listed(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
        Bundle::EveryRead => rights::catalogue(tx)?
            .actions()
            .filter(|action| action.class == ActionClass::Read)
            .map(|action| action.name.clone())
            .collect(),
        Bundle::Every | Bundle::OfThePerson => ActionSet::default(),
    })
}

/// What stands in the free data of the identity, so that its next token is like its first.
fn data(scope: Scope, metadata: &TokenMetadata) -> Result<Map<String, Value>, Rejection> {
    let mut data = match serde_json::to_value(metadata)? {
        Value::Object(data) => data,
        _ => Map::new(),
    };
    data.insert(SCOPE.to_owned(), Value::from(scope.as_str()));
    Ok(data)
}
