//! Who may do what with the automation of a project: its members by their roles, and the programs that live in it.

use countersign_model::{
    Id,
    enforce::{self, Request, Work},
    id,
    name::ActionName,
    reason::{Reason, Refusal},
    registry::{IdentityDoc, Noun, ProjectRole, Record, Status},
    token::{AccessClaims, PrincipalType},
};

use countersign_store::Tx;

use crate::{
    command::WriteTx,
    long_lived::still_bound,
    registry::rights,
    rejection::{Rejection, refuse},
    rows,
};

/// The project that a caller works in: what a person names or their own, and the one that a program lives in.
pub(super) fn project_of(
    tx: &mut WriteTx<'_, '_>,
    token: &AccessClaims,
    named: Option<&str>,
) -> Result<Record, Rejection> {
    if token.identity_type == PrincipalType::User {
        let person = tx.acting_person()?;
        return match named {
            Some(text) => rights::project(tx, &person, text),
            None => rights::personal_project(tx, &person),
        };
    }
    let identity = tx.get(token.identity_id)?;
    let project = rights::project_of(tx, rights::doc(identity.identity())?)?;
    match named {
        Some(text) if tx.locate(Noun::Project, text)?.id != project.id => refuse(
            Reason::Forbidden,
            "a program works in the project that it lives in",
        ),
        Some(_) | None => Ok(project),
    }
}

/// Refuses who may not do this in the project: a person whose role there is less, a program that lives elsewhere, or whose
/// token or identity does not carry the action, or is bound to other work.
pub(super) fn must(
    tx: &mut WriteTx<'_, '_>,
    token: &AccessClaims,
    project: &Record,
    action: &'static str,
    work: Work<'_>,
    least: ProjectRole,
) -> Result<(), Rejection> {
    if project.status != Status::Active {
        return refuse(Reason::Unprocessable, "this project is not in use");
    }
    if token.identity_type == PrincipalType::User {
        let person = tx.acting_person()?;
        let role = person.role_in(rights::doc(project.project())?);
        if role.is_none_or(|role| role < least) {
            let detail = format!(
                "this takes the role `{}` in project `{}`",
                least.as_str(),
                project.name
            );
            return refuse(Reason::Forbidden, detail);
        }
        return Ok(());
    }
    let identity = tx.get(token.identity_id)?;
    let doc = rights::doc(identity.identity())?;
    if doc.project_id != project.id.cast() {
        let detail = format!(
            "`{}` lives in another project, and works there alone",
            doc.name
        );
        return refuse(Reason::Forbidden, detail);
    }
    carries(token, doc, action, work)?;
    Ok(())
}

/// Refuses a program that may claim no executions any more, whatever it claimed before.
pub(crate) fn may_claim(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    token: &AccessClaims,
) -> Result<(), Rejection> {
    let found = rows::by_id(tx, tenant, token.identity_id.cast())?;
    let Some(doc) = found.as_ref().and_then(Record::identity) else {
        return refuse(Reason::Forbidden, "only a program keeps executions");
    };
    Ok(carries(token, doc, CLAIM, Work::Other)?)
}

/// The action that a worker needs.
pub(super) const CLAIM: &str = "execution.claim";

/// Refuses a program whose token or identity does not carry the action, or is bound to other work.
pub(crate) fn carries(
    token: &AccessClaims,
    doc: &IdentityDoc,
    action: &'static str,
    work: Work<'_>,
) -> Result<(), Refusal> {
    let action: ActionName = action
        .parse()
        .map_err(|_| Refusal::new(Reason::BadRequest, "not an action"))?;
    let request = Request {
        action: &action,
        resource: None,
        environment: None,
        artifact_digest: None,
    };
    enforce::enforce(token, None, &request)
        .map_err(|denial| Refusal::new(Reason::ActionNotAllowed, denial.to_string()))?;
    // What the identity may do today counts, not what it might when the token was issued.
    if !doc.allowed_actions.contains(&action) || doc.denied_actions.contains(&action) {
        let detail = format!("`{}` is not allowed to perform {action} any more", doc.name);
        return refuse(Reason::ActionNotAllowed, detail);
    }
    enforce::bound(token, &action, work)
        .map_err(|outside| Refusal::new(Reason::Forbidden, outside.to_string()))?;
    still_bound(token, doc, &action, work)
}
