//! Starting an action by hand, or from another execution.

use countersign_model::{
    Id,
    enforce::Work,
    execution::Execution,
    id,
    reason::Reason,
    registry::{Noun, ProjectRole},
    scope::Scope,
    token::AccessClaims,
};
use countersign_store::executions;
use serde_json::{Map, Value};

use super::{
    behind, caller,
    schedule::{self, Scheduling, schedule},
};
use crate::{
    command::{Command, Verdict, WriteTx},
    registry::rights,
    rejection::{Rejection, refuse},
};

/// Starts an action.
#[derive(Debug, Clone)]
pub struct Execute {
    /// Who starts it.
    pub token: AccessClaims,
    /// Which: `core.echo`.
    pub action_ref: String,
    /// Its parameters.
    pub parameters: Map<String, Value>,
}

impl Command for Execute {
    type Output = Execution;

    const NAME: &'static str = "action execute";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Execution>, Rejection> {
        let project = self.project(tx)?;
        let parent = self.parent(tx)?;
        let own = parent.as_ref().map(|parent| parent.id.to_string());
        let work = match &own {
            Some(own) => Work::Execution(own),
            None => Work::Action(&self.action_ref),
        };
        caller::must(
            tx,
            &self.token,
            &project,
            "action.execute",
            work,
            ProjectRole::Editor,
        )?;
        if let Some(parent) = &parent {
            let (pack, name) = schedule::find(tx, &project, &parent.action_ref)?;
            let action = schedule::action_of(rights::doc(pack.pack())?, &name, &parent.action_ref)?;
            if !action
                .starts
                .iter()
                .any(|one| one.as_str() == self.action_ref)
            {
                let detail = format!(
                    "action `{}` does not say in `starts` that it starts `{}`",
                    parent.action_ref, self.action_ref
                );
                return refuse(Reason::Forbidden, detail);
            }
        }
        let asked = Scheduling {
            project: &project,
            action_ref: &self.action_ref,
            parameters: self.parameters.clone(),
            rule: None,
            event_id: None,
            parent: parent.as_ref(),
            behind: behind::of(tx, &self.token, parent.as_ref())?,
            requires_approval: false,
            txn: parent
                .as_ref()
                .map_or_else(|| tx.ctx().id(), |parent| parent.doc.txn),
            parents: vec![self.token.jti],
        };
        schedule(tx, asked).map(Verdict::Done)
    }
}

impl Execute {
    /// The project of the action's pack, as the caller may know it.
    fn project(
        &self,
        tx: &mut WriteTx<'_, '_>,
    ) -> Result<countersign_model::registry::Record, Rejection> {
        let Ok(person) = tx.acting_person() else {
            return caller::project_of(tx, &self.token, None);
        };
        let pack = countersign_model::pack::split(&self.action_ref).map(|(pack, _)| pack);
        let found = match pack {
            Some(pack) => tx.find(Noun::Pack, pack)?,
            None => None,
        };
        let doc = found.as_ref().and_then(|record| record.pack());
        if let Some(doc) = doc {
            let project = tx.get(doc.project_id)?;
            if person.role_in(rights::doc(project.project())?).is_some() {
                return Ok(project);
            }
        }
        // Whoever may not see the pack is told what is told of one that is not there.
        rights::personal_project(tx, &person)
    }

    /// The execution whose token this is.
    fn parent(&self, tx: &mut WriteTx<'_, '_>) -> Result<Option<Execution>, Rejection> {
        if self.token.scope != Scope::ActionExecution.as_str() {
            return Ok(None);
        }
        let own = self.token.metadata.as_ref();
        let own = own.and_then(|metadata| metadata.execution_id.as_ref());
        let id: Option<Id<id::Execution>> = own.and_then(|id| id.to_string().parse().ok());
        let found = match id {
            Some(id) => executions::by_id(tx.peek(), id)?,
            None => None,
        };
        let tenant = tx.tenant_id();
        match found {
            Some(found) if found.tenant_id == tenant && found.runs_under(self.token.jti) => {
                Ok(Some(found))
            }
            Some(_) | None => refuse(Reason::Forbidden, "this token's execution is over"),
        }
    }
}
