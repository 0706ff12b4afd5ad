//! Reading statements: people who own what is billed, and a program that a person gave it, of its own project alone.

use std::collections::BTreeMap;

use countersign_model::{
    Id,
    billing::{Counter, MAX_LINES, Month, READ_STATEMENTS},
    enforce::Work,
    id,
    reason::Reason,
    registry::{Noun, ProjectRole, Record},
    token::AccessClaims,
};
use countersign_store::{
    StoreError, Tx,
    billing::{self, BilledMonth, Counted, Line},
    log,
};

use crate::{
    automation::carries,
    command::{Actor, Permit},
    registry::{reading, rights},
    rejection::{Rejection, refuse},
    rows,
};

/// What was done in a month.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The month.
    pub billed: BilledMonth,
    /// The project, when it is of one.
    pub project: Option<Record>,
    /// The log's name.
    pub origin: String,
    /// What is counted until now; of a month that is closed, what was counted until then.
    pub counted: Counted,
    /// How many entries of that generation are looked at by now, for what came late.
    pub looked_at: i64,
    /// Of a project by identity, of the tenant by project.
    pub lines: Vec<Line>,
}

/// The months in which anything was counted, the newest first.
///
/// # Errors
/// `forbidden` or `action_not_allowed` when the caller may not read them, `not_found`, or a fault.
pub fn months(
    tx: &mut Tx<'_>,
    permit: &Permit,
    token: &AccessClaims,
    project: Option<&str>,
) -> Result<Vec<BilledMonth>, Rejection> {
    let project = may_read(tx, permit, token, project)?;
    let tenant = permit.tenant_id();
    let mut months = billing::months(tx, tenant)?;
    if let Some(project) = project {
        let mut of_project = Vec::new();
        for one in months {
            let own = Some(project.id.cast());
            if !billing::lines(tx, tenant, one.month, own, None, 1)?.is_empty() {
                of_project.push(one);
            }
        }
        months = of_project;
    }
    Ok(months)
}

/// The statement of a month.
///
/// # Errors
/// `forbidden` or `action_not_allowed` when the caller may not read it, `not_found` when nothing was counted, `unprocessable`
/// when it has more than [`MAX_LINES`], or a fault.
pub fn statement(
    tx: &mut Tx<'_>,
    permit: &Permit,
    token: &AccessClaims,
    month: Month,
    project: Option<&str>,
) -> Result<Statement, Rejection> {
    let project = may_read(tx, permit, token, project)?;
    let tenant = permit.tenant_id();
    let own = project.as_ref().map(|project| project.id.cast());
    let mut lines: BTreeMap<Counter, Line> = BTreeMap::new();
    each_line(tx, tenant, month, own, |mut line| {
        if own.is_none() {
            line.counter.identity = None;
            line.identity_name = None;
        }
        match lines.get_mut(&line.counter) {
            Some(sum) => {
                sum.counted = sum.counted.saturating_add(line.counted);
                sum.late = sum.late.saturating_add(line.late);
            }
            None => drop(lines.insert(line.counter, line)),
        }
        lines.len() <= MAX_LINES as usize
    })?;
    if lines.len() > MAX_LINES as usize {
        let detail = format!(
            "the statement has more than {MAX_LINES} lines, which is the most: ask for one project"
        );
        return refuse(Reason::Unprocessable, detail);
    }
    let billed = billing::month(tx, tenant, month)?.filter(|_| !lines.is_empty());
    let Some(billed) = billed else {
        return refuse(Reason::NotFound, format!("nothing was counted in {month}"));
    };
    let now = billing::counted(tx)?;
    let counted = billed.closed.as_ref().map_or(now, |closed| closed.counted);
    let heads = log::heads(tx)?;
    let head = heads
        .into_iter()
        .find(|head| head.generation == counted.generation);
    // Of a generation that was ended by a restore everything was looked at.
    let ended = head.as_ref().map_or(0, |head| head.size);
    let looked_at = if now.generation == counted.generation {
        now.size
    } else {
        ended
    };
    Ok(Statement {
        billed,
        project,
        origin: head.map(|head| head.origin).unwrap_or_default(),
        counted,
        looked_at,
        lines: lines.into_values().collect(),
    })
}

/// Hands on the lines of a month, a page at a time, until no more are wanted.
pub(super) fn each_line(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    month: Month,
    project: Option<Id<id::Project>>,
    mut wanted: impl FnMut(Line) -> bool,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = billing::lines(tx, tenant, month, project, after.as_ref(), PAGE)?;
        let last = page.len() < PAGE as usize;
        after = page.last().map(|line| line.counter);
        for line in page {
            if !wanted(line) {
                return Ok(());
            }
        }
        if last {
            return Ok(());
        }
    }
}

/// INVARIANT: a program reads the statements of the project that it lives in, when a person gave it the action for that, and
/// nothing else of billing; nobody else's program reads any.
fn may_read(
    tx: &mut Tx<'_>,
    permit: &Permit,
    token: &AccessClaims,
    project: Option<&str>,
) -> Result<Option<Record>, Rejection> {
    match permit.actor() {
        Actor::User { .. } => of_person(tx, permit, project),
        Actor::Identity { id, .. } => of_program(tx, permit, *id, token, project).map(Some),
        Actor::System => refuse(Reason::Forbidden, "nobody asked for this statement"),
    }
}

fn of_person(
    tx: &mut Tx<'_>,
    permit: &Permit,
    project: Option<&str>,
) -> Result<Option<Record>, Rejection> {
    let person = reading::reader(tx, permit)?;
    let Some(text) = project else {
        if person.reads_evidence() {
            return Ok(None);
        }
        return refuse(
            Reason::Forbidden,
            "only owners and auditors of the tenant read the bills of all projects: name one with `project`",
        );
    };
    let record = reading::locate(tx, permit, Noun::Project, text)?;
    match person.role_in(rights::doc(record.project())?) {
        Some(ProjectRole::Owner) => Ok(Some(record)),
        _ if person.reads_evidence() => Ok(Some(record)),
        Some(_) => refuse(
            Reason::Forbidden,
            format!(
                "only its owners read the bills of project `{}`",
                record.name
            ),
        ),
        None => Err(rights::not_found(Noun::Project, text)),
    }
}

fn of_program(
    tx: &mut Tx<'_>,
    permit: &Permit,
    identity: Id<id::Identity>,
    token: &AccessClaims,
    project: Option<&str>,
) -> Result<Record, Rejection> {
    let tenant = permit.tenant_id();
    let identity = rows::by_id(tx, tenant, identity.cast())?;
    let doc = rights::doc(identity.as_ref().and_then(Record::identity))?;
    carries(token, doc, READ_STATEMENTS, Work::Other)?;
    let own = rows::by_id(tx, tenant, doc.project_id.cast())?;
    let own = own.ok_or_else(|| rights::not_found(Noun::Project, &doc.project_id.to_string()))?;
    let other = project.is_some_and(|text| text != own.name && text != own.id.to_string());
    if other {
        return refuse(
            Reason::Forbidden,
            "a program reads the statements of the project that it lives in",
        );
    }
    Ok(own)
}

/// Lines that one statement of the database reads.
const PAGE: u32 = 1000;
