//! What a long-lived token of an identity may do now: decided anew at each issue and each renewal.

use countersign_model::{
    action::ActionSet,
    evidence::{Reference, Role},
    name::ActionName,
    narrow::narrow,
    reason::Reason,
    registry::{IdentityDoc, Noun, Party, Record, ScopeDoc, Status},
    scope::Scope,
};

use super::defined;
use crate::{
    command::WriteTx,
    evidence::seal::refer,
    grants, loosening,
    policy::{GuardRails, PolicyRequest},
    registry::rights,
    rejection::{Fault, Rejection, refuse},
    rows,
};

/// Its actions, and the policies that decided.
pub(super) struct Decided {
    pub(super) project: Record,
    pub(super) actions: ActionSet,
    /// The scope of the organisation that narrowed them.
    pub(super) part: Option<ScopeDoc>,
    /// The same as evidence names it.
    pub(super) named: Option<Reference>,
    pub(super) policies: Vec<String>,
}

/// Narrows the bundle of the scope by the organisation's part of it, the identity, its project and the guard rails.
pub(super) fn decide(
    tx: &mut WriteTx<'_, '_>,
    issuer: &str,
    identity: &Record,
    scope: Scope,
) -> Result<Decided, Rejection> {
    let doc = rights::doc(identity.identity())?;
    grants::may_get_tokens(identity, doc, tx.now())?;
    let project = rights::project_of(tx, doc)?;
    if project.status != Status::Active {
        return refuse(
            Reason::IdentityDisabled,
            "the identity's project is not active",
        );
    }
    if loosening::is_guarded(doc, &rights::protected(tx)?) {
        let detail = format!(
            "`{}` needs approval or reaches a protected environment: it gets no token that lives longer than an hour",
            doc.name
        );
        return refuse(Reason::Forbidden, detail);
    }
    let part = defined::in_tx(tx, doc, scope)?;
    let catalogue = rights::catalogue(tx)?;
    let bundles = |action: &ActionName| {
        let class = catalogue.class(action);
        let leaves = |(_, part): &defined::Definition| part.leaves(action, class);
        scope.bundles(action, class) && part.as_ref().is_none_or(leaves)
    };
    let bundle: ActionSet = doc
        .allowed_actions
        .iter()
        .filter(|action| bundles(action))
        .cloned()
        .collect();
    let ceiling = rights::doc(project.project())?.allowed_actions.as_ref();
    let bounds: Vec<&ActionSet> = [Some(&bundle), ceiling].into_iter().flatten().collect();
    let possible = narrow(&bounds, &[&doc.denied_actions]);
    let (actions, policies) = under_rails(tx, issuer, &project, doc, &possible)?;
    if actions.is_empty() {
        let detail = format!(
            "nothing of what a `{scope}` token is for is allowed to `{}` now",
            doc.name
        );
        return refuse(Reason::ActionNotAllowed, detail);
    }
    let named = part
        .as_ref()
        .map(|(id, part)| refer(Role::Target, *id, Some(&part.name)));
    Ok(Decided {
        project,
        actions,
        part: part.map(|(_, part)| part),
        named,
        policies,
    })
}

fn under_rails(
    tx: &mut WriteTx<'_, '_>,
    issuer: &str,
    project: &Record,
    doc: &IdentityDoc,
    possible: &ActionSet,
) -> Result<(ActionSet, Vec<String>), Rejection> {
    let rails: Vec<_> = tx
        .all(Noun::Policy)?
        .iter()
        .filter_map(Record::policy)
        .map(|policy| (policy.name.clone(), policy.cedar.clone()))
        .collect();
    if rails.is_empty() {
        return Ok((possible.clone(), Vec::new()));
    }
    let rails = GuardRails::compile(&rails).map_err(|error| {
        Fault::Invariant(format!("a stored guard rail does not compile: {error}"))
    })?;
    let catalogue = rights::catalogue(tx)?;
    let tenant = tx.tenant_id();
    let sponsor = match (
        doc.sponsor,
        rows::by_id(tx.peek(), tenant, doc.sponsor.record_id())?,
    ) {
        (Party::Team(_), Some(record)) => format!("team:{}", record.name),
        (Party::User(_), Some(record)) => format!("user:{}", record.name),
        (_, None) => String::new(),
    };
    let (mut left, mut policies) = (ActionSet::default(), Vec::new());
    for action in possible.iter() {
        let decision = rails.decide(&PolicyRequest {
            identity: doc,
            project: &project.name,
            sponsor: &sponsor,
            action,
            class: catalogue.class(action),
            group: catalogue.group(action),
            environment: None,
            audience: Some(issuer),
            resource: None,
            run: None,
            approved: false,
        });
        if decision.allowed {
            left.0.insert(action.clone());
        }
        for policy in decision.determining {
            if !policies.contains(&policy) {
                policies.push(policy);
            }
        }
    }
    Ok((left, policies))
}
