//! Scheduling: an action becomes an execution that waits for a worker.

use countersign_model::{
    Id,
    evidence::{Event as Evidenced, ExecutionScheduled, Role},
    execution::{Behind, DATA_BYTES, Execution, ExecutionDoc, ExecutionState, WAITS_AT_MOST},
    id,
    pack::PackAction,
    reason::{Reason, Refusal},
    registry::{Noun, PackDoc, Record, Status},
};
use countersign_store::executions;
use serde_json::{Map, Value};

use crate::{
    approvals::{open_execution, references, room_for_execution},
    command::WriteTx,
    evidence::seal::refer,
    registry::{packs, rights},
    rejection::{Rejection, refuse},
};

/// How deep executions start each other: deeper is a circle.
const DEEPEST: u32 = 10;

/// What is to be executed, and why.
pub(super) struct Scheduling<'a> {
    pub(super) project: &'a Record,
    pub(super) action_ref: &'a str,
    pub(super) parameters: Map<String, Value>,
    pub(super) rule: Option<String>,
    pub(super) event_id: Option<Id<id::Event>>,
    /// The execution that starts it.
    pub(super) parent: Option<&'a Execution>,
    /// Who may be behind it.
    pub(super) behind: Behind,
    /// Whether people countersign it also when its action does not require that.
    pub(super) requires_approval: bool,
    pub(super) txn: Id<id::Transaction>,
    pub(super) parents: Vec<Id<id::Evidence>>,
}

/// Schedules it, with its evidence.
pub(super) fn schedule(
    tx: &mut WriteTx<'_, '_>,
    asked: Scheduling<'_>,
) -> Result<Execution, Rejection> {
    let depth = asked.parent.map_or(0, |parent| parent.doc.depth + 1);
    if depth > DEEPEST {
        let detail =
            format!("executions start each other at most {DEEPEST} deep: this is a circle");
        return refuse(Reason::Unprocessable, detail);
    }
    let (pack, name) = find(tx, asked.project, asked.action_ref)?;
    let action = action_of(rights::doc(pack.pack())?, &name, asked.action_ref)?;
    let parameters = complete(action, asked.parameters)?;
    let Some(account) = packs::account(tx, asked.project, asked.action_ref)? else {
        let detail = format!("action `{}` has no service account", asked.action_ref);
        return refuse(Reason::Unprocessable, detail);
    };
    let requires_approval = asked.requires_approval || action.requires_approval;
    // INVARIANT: nothing refuses after the record is made. A rule that starts nothing is no error of its event, and what was
    // written until then stays.
    if requires_approval {
        room_for_execution(tx, &account)?;
    }
    let id: Id<id::Execution> = tx.ctx().id();
    let mut refs = Vec::with_capacity(8);
    references::of_identity(tx, account.id.cast(), &mut refs)?;
    refs.push(refer(Role::Execution, id, Some(asked.action_ref)));
    refs.extend(
        asked
            .rule
            .as_ref()
            .map(|rule| refer(Role::Rule, rule, None)),
    );
    refs.extend(asked.event_id.map(|event| refer(Role::Event, event, None)));
    let event = Evidenced::ExecutionScheduled(ExecutionScheduled {
        execution_id: id,
        action_ref: asked.action_ref.to_owned(),
        rule: asked.rule.clone(),
        script_sha256: action.script.as_ref().map(|script| script.sha256.clone()),
        requires_approval,
    });
    let mut draft = tx.draft(event).refs(refs).parents(asked.parents);
    draft.txn = asked.txn;
    let scheduled = tx.evidence(draft)?;
    let now = tx.now();
    let mut execution = Execution {
        id,
        tenant_id: tx.tenant_id(),
        project_id: asked.project.id.cast(),
        action_ref: asked.action_ref.to_owned(),
        state: ExecutionState::Scheduled,
        attempt: 0,
        worker_id: None,
        due_at: now,
        lease_until: Some(now + WAITS_AT_MOST),
        created_at: now,
        ended_at: None,
        event_id: asked.event_id,
        doc: ExecutionDoc {
            identity_id: account.id.cast(),
            parameters,
            rule: asked.rule,
            workflow_id: asked.parent.map(|parent| parent.id),
            depth,
            txn: asked.txn,
            scheduled,
            token: None,
            worker: None,
            started_at: None,
            result: None,
            exit_code: None,
            stdout: String::new(),
            stderr: String::new(),
            reason: None,
            countersigned: None,
            behind: asked.behind,
        },
    };
    if requires_approval {
        let approval = open_execution(tx, &execution, action, &account)?;
        execution.state = ExecutionState::Waiting;
        execution.lease_until = Some(approval.expires_at);
        execution.doc.countersigned = Some(Box::new(approval.waits));
    }
    executions::insert(tx.rows(), &execution)?;
    Ok(execution)
}

/// The living pack of an action, in this project, and the action's name in it.
pub(super) fn find(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
    action_ref: &str,
) -> Result<(Record, String), Rejection> {
    let unknown = || {
        let shown: String = action_ref
            .chars()
            .take(128)
            .flat_map(char::escape_debug)
            .collect();
        let how = if action_ref.starts_with("core.") {
            "`countersign pack install core` brings those that come with Countersign"
        } else {
            "an action is named `PACK.ACTION`, and `countersign pack list` shows which there are"
        };
        let detail = format!(
            "there is no action `{shown}` in project `{}`: {how}",
            project.name
        );
        Rejection::from(Refusal::new(Reason::NotFound, detail))
    };
    let (pack, name) = countersign_model::pack::split(action_ref).ok_or_else(unknown)?;
    let found = tx.find(Noun::Pack, pack)?.filter(|record| {
        record.status == Status::Active
            && record.pack().is_some_and(|doc| {
                doc.project_id == project.id.cast() && doc.action(name).is_some()
            })
    });
    Ok((found.ok_or_else(unknown)?, name.to_owned()))
}

/// The action of a name.
pub(super) fn action_of<'a>(
    doc: &'a PackDoc,
    name: &str,
    action_ref: &str,
) -> Result<&'a PackAction, Rejection> {
    doc.action(name).ok_or_else(|| {
        Refusal::new(
            Reason::NotFound,
            format!("there is no action `{action_ref}` any more"),
        )
        .into()
    })
}

/// The parameters with what stands where they say nothing; refuses what is missing, unknown or too long.
fn complete(
    action: &PackAction,
    mut given: Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    let wrong = |detail: String| Refusal::new(Reason::Unprocessable, detail);
    if let Some(unknown) = given
        .keys()
        .find(|name| !action.parameters.contains_key(*name))
    {
        let known: Vec<_> = action.parameters.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", known.join(", "))
        };
        let shown: String = unknown
            .chars()
            .take(64)
            .flat_map(char::escape_debug)
            .collect();
        return Err(wrong(format!(
            "the action has no parameter `{shown}`: {known}"
        )));
    }
    for (name, parameter) in &action.parameters {
        if given.contains_key(name) {
            continue;
        }
        match &parameter.default {
            Some(default) => drop(given.insert(name.clone(), default.clone())),
            None if parameter.required => {
                return Err(wrong(format!(
                    "parameter `{name}` is missing, and required"
                )));
            }
            None => {}
        }
    }
    size("parameters", &given)?;
    Ok(given)
}

/// Refuses what is longer than a row holds.
pub(super) fn size(what: &str, data: &Map<String, Value>) -> Result<(), Refusal> {
    let bytes = serde_json::to_string(data).map_or(usize::MAX, |text| text.len());
    if bytes <= DATA_BYTES {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::Unprocessable,
        format!("`{what}` takes at most {DATA_BYTES} bytes of JSON, and has {bytes}"),
    ))
}
