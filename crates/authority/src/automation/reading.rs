//! Reading: trigger types, rules, events and executions, as far as the reader may see their project.

use countersign_model::{
    Id, Timestamp,
    enforce::Work,
    execution::{Enforcement, Event, Execution, ExecutionState},
    id,
    pack::{BUILT_IN_TRIGGERS, Rule},
    permission::Person,
    reason::Reason,
    registry::{Noun, PackDoc, Status},
    scope::Scope,
    token::{AccessClaims, PrincipalType},
};
use countersign_store::{Tx, events, executions};

use super::caller::carries;
use crate::{
    command::Permit,
    registry::{
        reading::{self, Projects},
        rights,
    },
    rejection::{Rejection, refuse},
    rows,
};

/// How many executions one page looks at, so that a list of which a reader may see little ends in time.
const MOST_LOOKED_AT: usize = 5_000;
const PAGE: u32 = 500;

/// As many rules as a sensor works by.
const MOST_RULES: usize = 1_000;

/// Who reads: a person, or a program within its own project.
pub struct Reader {
    tenant: Id<id::Tenant>,
    who: Who,
    projects: Projects,
}

enum Who {
    Person(Person),
    /// Lives in this project.
    Program(Id<id::Project>),
}

impl Reader {
    /// The caller, who may perform this action of class `read` on this work.
    ///
    /// # Errors
    /// A refusal, or a fault.
    pub fn of(
        tx: &mut Tx<'_>,
        permit: &Permit,
        token: &AccessClaims,
        action: &'static str,
        work: Work<'_>,
    ) -> Result<Self, Rejection> {
        let tenant = permit.tenant_id();
        let who = if token.identity_type == PrincipalType::User {
            Who::Person(reading::reader(tx, permit)?)
        } else {
            Who::Program(program(tx, tenant, token, action, work)?)
        };
        Ok(Self {
            tenant,
            who,
            projects: Projects::default(),
        })
    }

    fn sees(&mut self, tx: &mut Tx<'_>, project: Id<id::Project>) -> Result<bool, Rejection> {
        match &self.who {
            Who::Person(person) => self.projects.shows(tx, self.tenant, person, project),
            Who::Program(own) => Ok(*own == project),
        }
    }
}

/// The project of a program whose token carries the action for this work.
fn program(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    token: &AccessClaims,
    action: &'static str,
    work: Work<'_>,
) -> Result<Id<id::Project>, Rejection> {
    let identity = rows::by_id(tx, tenant, token.identity_id.cast())?;
    let Some(doc) = identity.as_ref().and_then(|record| record.identity()) else {
        return refuse(
            Reason::TokenRevoked,
            "token revoked: its identity is unknown",
        );
    };
    carries(token, doc, action, work)?;
    Ok(doc.project_id)
}

/// Whether something waits for this worker: anything, or the execution that a message named.
///
/// # Errors
/// A refusal of who is no worker, or of an execution that its project does not have; or a fault.
pub fn is_due(
    tx: &mut Tx<'_>,
    permit: &Permit,
    token: &AccessClaims,
    only: Option<Id<id::Execution>>,
    now: Timestamp,
) -> Result<bool, Rejection> {
    permit.program()?;
    let tenant = permit.tenant_id();
    let project = program(tx, tenant, token, "execution.claim", Work::Other)?;
    let Some(only) = only else {
        return Ok(!executions::due(tx, project, now, 1)?.is_empty());
    };
    match executions::by_id(tx, only)? {
        Some(found) if found.project_id == project => {
            Ok(found.state == ExecutionState::Scheduled && found.due_at <= now)
        }
        // A message that names it is none of this project's: the worker must not take it for one that is over.
        Some(_) | None => refuse(Reason::NotFound, format!("there is no execution {only}")),
    }
}

/// A trigger type, by reference, with what it is.
pub type TriggerOfPack = (String, String);

/// The trigger types that the reader can name, in the order of their references.
///
/// # Errors
/// A fault.
pub fn triggers(
    tx: &mut Tx<'_>,
    reader: &mut Reader,
    token: &AccessClaims,
) -> Result<Vec<TriggerOfPack>, Rejection> {
    let mut found: Vec<TriggerOfPack> = BUILT_IN_TRIGGERS
        .iter()
        .map(|(name, what)| ((*name).to_owned(), (*what).to_owned()))
        .collect();
    for doc in packs(tx, reader)? {
        let own = doc.triggers.iter();
        found.extend(own.map(|one| (doc.part(&one.name), one.description.clone())));
    }
    // A sensor is told of its own.
    if token.scope == Scope::Sensor.as_str() {
        let own = token
            .metadata
            .as_deref()
            .map(|metadata| &metadata.trigger_types);
        found.retain(|(reference, _)| own.is_some_and(|own| own.contains(reference)));
    }
    found.sort();
    Ok(found)
}

/// A rule, its reference and its project.
#[derive(Debug, Clone)]
pub struct RuleOfPack {
    /// The reference: `billing.nightly`.
    pub reference: String,
    /// The project.
    pub project_id: Id<id::Project>,
    /// The rule.
    pub rule: Rule,
}

/// The rules that the reader may see, of one trigger type or of all, in the order of their references.
///
/// # Errors
/// A fault.
pub fn rules(
    tx: &mut Tx<'_>,
    reader: &mut Reader,
    trigger_type: Option<&str>,
) -> Result<Vec<RuleOfPack>, Rejection> {
    let mut found = Vec::new();
    for doc in packs(tx, reader)? {
        let own = doc.rules.iter();
        let own = own.filter(|rule| trigger_type.is_none_or(|only| rule.trigger.as_str() == only));
        found.extend(own.map(|rule| RuleOfPack {
            reference: doc.part(&rule.name),
            project_id: doc.project_id,
            rule: rule.clone(),
        }));
    }
    found.sort_by(|one, other| one.reference.cmp(&other.reference));
    found.truncate(MOST_RULES);
    Ok(found)
}

fn packs(tx: &mut Tx<'_>, reader: &mut Reader) -> Result<Vec<PackDoc>, Rejection> {
    let mut seen = Vec::new();
    for record in rows::all(tx, reader.tenant, Noun::Pack)? {
        let doc = rights::doc(record.pack())?;
        if record.status == Status::Active && reader.sees(tx, doc.project_id)? {
            seen.push(doc.clone());
        }
    }
    Ok(seen)
}

/// An event, with the rules that fired.
///
/// # Errors
/// `not_found`, also when the reader may not see it, or a fault.
pub fn event(
    tx: &mut Tx<'_>,
    reader: &mut Reader,
    id: Id<id::Event>,
) -> Result<(Event, Vec<Enforcement>), Rejection> {
    let found = events::by_id(tx, id)?.filter(|found| found.tenant_id == reader.tenant);
    match found {
        Some(event) if reader.sees(tx, event.project_id)? => {
            let enforcements = events::enforcements(tx, id)?;
            Ok((event, enforcements))
        }
        Some(_) | None => refuse(Reason::NotFound, format!("there is no event {id}")),
    }
}

/// An execution.
///
/// # Errors
/// `not_found`, also when the reader may not see it, or a fault.
pub fn execution(
    tx: &mut Tx<'_>,
    reader: &mut Reader,
    id: Id<id::Execution>,
) -> Result<Execution, Rejection> {
    let found = executions::by_id(tx, id)?.filter(|found| found.tenant_id == reader.tenant);
    match found {
        Some(execution) if reader.sees(tx, execution.project_id)? => Ok(execution),
        Some(_) | None => refuse(Reason::NotFound, format!("there is no execution {id}")),
    }
}

/// Which executions to list.
#[derive(Debug, Clone, Default)]
pub struct ListExecutions {
    /// Only those in this state.
    pub state: Option<ExecutionState>,
    /// Only those of this action.
    pub action_ref: Option<String>,
    /// Only those before this one.
    pub before: Option<Id<id::Execution>>,
    /// At most so many.
    pub limit: usize,
}

/// Part of a list.
#[derive(Debug, Clone, Default)]
pub struct ExecutionPage {
    /// The executions, newest first.
    pub items: Vec<Execution>,
    /// Where the next page begins, when there may be more.
    pub next: Option<Id<id::Execution>>,
}

/// The executions that the reader may see, newest first.
///
/// # Errors
/// A fault.
pub fn executions(
    tx: &mut Tx<'_>,
    reader: &mut Reader,
    wanted: &ListExecutions,
) -> Result<ExecutionPage, Rejection> {
    let mut page = ExecutionPage::default();
    let (mut before, mut looked_at) = (wanted.before, 0);
    while looked_at < MOST_LOOKED_AT {
        let query = executions::ExecutionQuery {
            state: wanted.state,
            action_ref: wanted.action_ref.as_deref(),
            before,
            limit: PAGE,
        };
        let found = executions::list(tx, reader.tenant, &query)?;
        let last = found.len() < PAGE as usize;
        looked_at += found.len();
        for execution in found {
            before = Some(execution.id);
            if reader.sees(tx, execution.project_id)? {
                page.items.push(execution);
            }
            if page.items.len() >= wanted.limit {
                page.next = before;
                return Ok(page);
            }
        }
        if last {
            return Ok(page);
        }
    }
    page.next = before;
    Ok(page)
}
