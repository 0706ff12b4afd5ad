//! Making a service account with its first token: an identity of the registry like any other, in the words of seed 004.

use std::sync::Arc;

use countersign_model::{
    action::ActionSet,
    identity::Kind,
    name::{ActionName, IdentityName, ScopeWord},
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Noun, Record, ScopeDoc, Status},
    scope::{Bundle, Holder, Scope},
    token_metadata::TokenMetadata,
};
use serde_json::{Map, Value};

use super::{
    DEFINED_SCOPE, Given, RenewAt, SCOPE, authority_of,
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
    /// What its tokens are for: a built-in scope, or one of the organisation.
    pub scope: ScopeWord,
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
        let (scope, part) = meant(tx, &self.scope)?;
        not_buried(tx, &person, &self.name)?;
        check_metadata(scope, &self.metadata)?;
        lifetime(scope, part.as_ref(), self.ttl_days)?;
        let identity = CreateIdentity {
            project: self.project.clone(),
            sponsor: self.sponsor.clone(),
            managers: self.managers.clone(),
            purpose: self.description.clone(),
            allowed_actions: bundle(tx, scope, part.as_ref())?,
            metadata: data(scope, part.as_ref(), &self.metadata)?,
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
            scope,
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
        let decided = authority_of::decide(tx, &self.tenant.issuer, &identity, self.scope)?;
        let ttl = lifetime(self.scope, decided.part.as_ref(), self.ttl_days)?;
        let mut refs = Vec::with_capacity(6);
        references::of_identity(tx, identity.id.cast(), &mut refs)?;
        refs.extend(super::actor(tx));
        refs.extend(decided.named);
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

/// The built-in scope that a word means, and the organisation's part of it when it is one of those.
fn meant(
    tx: &mut WriteTx<'_, '_>,
    word: &ScopeWord,
) -> Result<(Scope, Option<ScopeDoc>), Rejection> {
    if let Ok(scope) = word.parse() {
        for_identities(scope)?;
        return Ok((scope, None));
    }
    let found = tx.find(Noun::Scope, word)?;
    let living = found.filter(|record| record.status == Status::Active);
    match living.as_ref().and_then(Record::scope) {
        Some(part) => Ok((part.parent, Some(part.clone()))),
        None => refuse(
            Reason::Unprocessable,
            format!(
                "there is no scope `{word}`: expected `sensor`, `webhook`, `readonly`, or one that an owner of the tenant defined"
            ),
        ),
    }
}

/// Refuses a scope that no service account has.
fn for_identities(scope: Scope) -> Result<(), Refusal> {
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

fn bundle(
    tx: &mut WriteTx<'_, '_>,
    scope: Scope,
    part: Option<&ScopeDoc>,
) -> Result<ActionSet, Rejection> {
    let catalogue = rights::catalogue(tx)?;
    let bundled = |action: &&ActionName| {
        let class = catalogue.class(action);
        scope.bundles(action, class) && part.is_none_or(|part| part.leaves(action, class))
    };
    let names = catalogue.actions().map(|action| &action.name);
    Ok(match scope.profile().bundle {
        Bundle::EveryRead | Bundle::Listed(_) => names.filter(bundled).cloned().collect(),
        Bundle::Every | Bundle::OfThePerson => ActionSet::default(),
    })
}

/// What stands in the free data of the identity, so that its next token is like its first.
fn data(
    scope: Scope,
    part: Option<&ScopeDoc>,
    metadata: &TokenMetadata,
) -> Result<Map<String, Value>, Rejection> {
    let mut data = match serde_json::to_value(metadata)? {
        Value::Object(data) => data,
        _ => Map::new(),
    };
    data.insert(SCOPE.to_owned(), Value::from(scope.as_str()));
    if let Some(part) = part {
        data.insert(DEFINED_SCOPE.to_owned(), Value::from(part.name.as_str()));
    }
    Ok(data)
}
