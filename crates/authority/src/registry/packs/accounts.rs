//! The service accounts of a pack's actions: made with the action, switched off when it goes.

use countersign_model::{
    action::ActionSet,
    identity::Kind,
    name::IdentityName,
    pack::{PackAction, account_of},
    permission::Person,
    reason::Reason,
    registry::{Noun, PackDoc, Party, Record, Status},
    scope::Scope,
};
use serde_json::{Map, Value};

use crate::{
    command::{Command, WriteTx},
    long_lived::SCOPE,
    registry::{
        identities::{self, CreateIdentity, DisableIdentity, EnableIdentity},
        rights,
    },
    rejection::{Rejection, refuse},
};

/// Makes what is missing, and gives each account what its action needs: no more, no less.
pub(super) fn provide(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    project: &Record,
    doc: &PackDoc,
    before: Option<&PackDoc>,
) -> Result<(), Rejection> {
    for action in &doc.actions {
        provide_one(tx, person, project, doc, action)?;
    }
    let gone = before.into_iter().flat_map(|before| &before.actions);
    for action in gone.filter(|action| doc.action(&action.name).is_none()) {
        if let Some(account) = living(tx, project, &doc.part(&action.name))?
            && matches!(account.status, Status::Active | Status::Orphaned)
        {
            let disable = DisableIdentity {
                identity: account.id.to_string(),
                if_version: None,
                reason: Some(TAKEN_OUT.to_owned()),
            };
            disable.run(tx)?;
        }
    }
    Ok(())
}

/// The living accounts of a pack's actions.
pub(super) fn of(
    tx: &mut WriteTx<'_, '_>,
    doc: &PackDoc,
    project: &Record,
) -> Result<Vec<Record>, Rejection> {
    let mut accounts = Vec::with_capacity(doc.actions.len());
    for action in &doc.actions {
        accounts.extend(living(tx, project, &doc.part(&action.name))?);
    }
    Ok(accounts)
}

fn provide_one(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    project: &Record,
    doc: &PackDoc,
    action: &PackAction,
) -> Result<(), Rejection> {
    let reference = doc.part(&action.name);
    let needs = needs(action);
    let Some(account) = found(tx, project, &reference)? else {
        return create(tx, person, project, doc, &reference, action, needs);
    };
    let own = rights::doc(account.identity())?;
    if account.status == Status::Disabled && own.status_reason.as_deref() == Some(TAKEN_OUT) {
        let enable = EnableIdentity {
            identity: account.id.to_string(),
            if_version: None,
            reason: Some("its action is in the pack again".to_owned()),
        };
        enable.run(tx)?;
    }
    let account = tx.get(account.id)?;
    let mut own = rights::doc(account.identity())?.clone();
    if own.allowed_actions != needs {
        own.allowed_actions = needs;
        identities::put_edit(tx, person, &account, own, None)?;
    }
    Ok(())
}

fn create(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    project: &Record,
    doc: &PackDoc,
    reference: &str,
    action: &PackAction,
    needs: ActionSet,
) -> Result<(), Rejection> {
    let name: IdentityName = match account_of(reference).parse() {
        Ok(name) => name,
        Err(error) => return refuse(Reason::Unprocessable, format!("{reference}: {error}")),
    };
    let sponsor = match doc.sponsor {
        Party::Team(team) => format!("team:{team}"),
        Party::User(user) => user.to_string(),
    };
    let purpose = match action.description.as_str() {
        "" => format!("executes {reference}"),
        said => said.to_owned(),
    };
    let create = CreateIdentity {
        project: Some(project.id.to_string()),
        sponsor: Some(sponsor),
        purpose: Some(purpose),
        environments: Some(Vec::new()),
        resources: Some(Vec::new()),
        allowed_actions: needs,
        metadata: Map::from_iter([
            (
                SCOPE.to_owned(),
                Value::from(Scope::ActionExecution.as_str()),
            ),
            (ACTION.to_owned(), Value::from(reference)),
        ]),
        ..CreateIdentity::new(Kind::ServiceAccount, name, "")
    };
    // By who asks for the pack: whoever countersigns it answers for nothing and manages nothing.
    let account = create.doc(tx, person, project, Vec::new())?;
    identities::put_new(tx, person, None, account).map(drop)
}

/// The account of an action. One of that name which is somebody's own, or is deleted, is never taken for it.
pub(crate) fn found(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
    reference: &str,
) -> Result<Option<Record>, Rejection> {
    let name = account_of(reference);
    let Some(account) = tx.find(Noun::Identity, &name)? else {
        return Ok(None);
    };
    if account.status == Status::Deleted || !is_of(&account, project, reference)? {
        let detail = format!(
            "the name `{name}` is or was that of another identity, so action `{reference}` cannot run as it: give the action another name"
        );
        return refuse(Reason::NameTaken, detail);
    }
    Ok(Some(account))
}

/// The account that an action has had, while it lives: nothing, when a person deleted it.
fn living(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
    reference: &str,
) -> Result<Option<Record>, Rejection> {
    match tx.find(Noun::Identity, &account_of(reference))? {
        Some(account) if account.status != Status::Deleted => {
            Ok(is_of(&account, project, reference)?.then_some(account))
        }
        Some(_) | None => Ok(None),
    }
}

fn is_of(account: &Record, project: &Record, reference: &str) -> Result<bool, Rejection> {
    let doc = rights::doc(account.identity())?;
    Ok(doc.kind == Kind::ServiceAccount
        && doc.project_id == project.id.cast()
        && doc.metadata.get(ACTION).and_then(Value::as_str) == Some(reference))
}

/// What an execution of the action does at Countersign's own API.
fn needs(action: &PackAction) -> ActionSet {
    let names = [
        Some("execution.read"),
        Some("execution.update"),
        (!action.keys.is_empty()).then_some("key.read"),
        (!action.starts.is_empty()).then_some("action.execute"),
    ];
    let names = names.into_iter().flatten();
    names.filter_map(|name| name.parse().ok()).collect()
}

/// Under this name the action stands in the free data of its service account.
const ACTION: &str = "action_ref";

/// Why an account is switched off by this file, so that it switches no other on again.
const TAKEN_OUT: &str = "its action is no longer in the pack";
