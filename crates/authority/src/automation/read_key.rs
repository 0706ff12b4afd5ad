//! The one way out for the value of a key: to a running execution of an action that declares it, in the key's own project.

use std::sync::Arc;

use countersign_crypto::{Secret, Sender};
use countersign_model::{
    Id,
    enforce::Work,
    evidence::{Event as Evidenced, KeyRead as KeyReadEvent, Role},
    execution::Execution,
    id,
    name::KeyName,
    reason::{Reason, Refusal},
    registry::{Noun, ProjectRole, Record},
    scope::Scope,
    token::AccessClaims,
    token_metadata::ForeignId,
};
use countersign_store::executions;

use super::{caller, schedule, values};
use crate::{
    authority::Authority,
    command::{Command, Verdict, WriteTx},
    ctx::Ctx,
    evidence::seal::refer,
    registry::rights,
    rejection::{Rejection, refuse},
    secrets::Secrets,
};

/// Reads the newest version of a key with the token of an execution.
#[derive(Clone)]
pub struct ReadKey {
    /// The execution's token.
    pub token: AccessClaims,
    /// The key.
    pub key: KeyName,
    /// The key file.
    pub secrets: Arc<Secrets>,
}

/// A value whose read is on record.
#[derive(Debug)]
pub struct KeyRead {
    /// The value.
    pub value: Secret<String>,
    /// Its version.
    pub version: u32,
    key_id: Id<id::Record>,
}

impl Command for ReadKey {
    type Output = KeyRead;

    const NAME: &'static str = "key read";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<KeyRead>, Rejection> {
        tx.permit().program()?;
        let id = execution_of(&self.token)?;
        let project = caller::project_of(tx, &self.token, None)?;
        let (text, role) = (id.to_string(), ProjectRole::Owner);
        let work = Work::Execution(&text);
        caller::must(tx, &self.token, &project, "key.read", work, role)?;
        let execution = self.running(tx, &project, id)?;
        let declared = declared_keys(tx, &project, &execution.action_ref)?;
        if !declared.iter().any(|name| *name == *self.key) {
            // In the same words whether there is such a key.
            let detail = format!(
                "action `{}` does not declare key `{}`: its pack lists what it reads under `keys`",
                execution.action_ref, self.key
            );
            return refuse(Reason::Forbidden, detail);
        }
        let Some(record) = values::find(tx, &project, &self.key)? else {
            return Err(rights::not_found(Noun::Key, &self.key));
        };
        let version = rights::doc(record.key())?.current_version;
        let value = values::open(tx, &self.secrets, &record, version)?;
        let event = Evidenced::KeyRead(KeyReadEvent {
            key: self.key.clone(),
            version,
            execution_id: id,
            action_ref: execution.action_ref.clone(),
        });
        let refs = [
            refer(
                Role::Identity,
                self.token.identity_id,
                Some(&self.token.sub),
            ),
            refer(Role::Target, record.id, Some(&record.name)),
            refer(Role::Execution, id, Some(&execution.action_ref)),
            refer(Role::Token, self.token.jti, None),
        ];
        tx.evidence(tx.draft(event).refs(refs).parents([self.token.jti]))?;
        Ok(Verdict::Done(KeyRead {
            value,
            version,
            key_id: record.id,
        }))
    }
}

impl ReadKey {
    /// The execution, when it runs and this is the token of its present attempt.
    fn running(
        &self,
        tx: &mut WriteTx<'_, '_>,
        project: &Record,
        id: Id<id::Execution>,
    ) -> Result<Execution, Rejection> {
        let found = executions::by_id(tx.peek(), id)?;
        let found = found.filter(|execution| {
            execution.tenant_id == tx.tenant_id() && execution.project_id == project.id.cast()
        });
        let Some(execution) = found else {
            return refuse(Reason::NotFound, format!("there is no execution {id}"));
        };
        if !execution.runs_under(self.token.jti) {
            return refuse(
                Reason::Forbidden,
                "a key is read while its execution runs, and this attempt of it does not",
            );
        }
        Ok(execution)
    }
}

impl Authority {
    /// Notes that a key was read, for lists; the evidence of it is durable already.
    pub fn note_key_read(&self, ctx: &Ctx, reader: &AccessClaims, read: &KeyRead) {
        let by = Ctx {
            now: ctx.now,
            source: Some(reader.sub.clone()),
            sender: Sender::NOBODY,
            certificate: None,
        };
        self.note_use(&by, &[read.key_id]);
    }
}

/// The keys that an action of a project may read, as its pack says now.
fn declared_keys(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
    action_ref: &str,
) -> Result<Vec<String>, Rejection> {
    let (pack, name) = schedule::find(tx, project, action_ref)?;
    let action = schedule::action_of(rights::doc(pack.pack())?, &name, action_ref)?;
    Ok(action.keys.clone())
}

/// The execution that a token is of.
fn execution_of(token: &AccessClaims) -> Result<Id<id::Execution>, Refusal> {
    let bound = token
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.execution_id.as_ref());
    let id = match bound {
        Some(ForeignId::Text(text)) => text.parse().ok(),
        Some(ForeignId::Number(_)) | None => None,
    };
    let of_execution = token.scope.parse() == Ok(Scope::ActionExecution);
    id.filter(|_| of_execution).ok_or_else(|| {
        Refusal::new(
            Reason::Forbidden,
            "only an execution reads a key, with its own token",
        )
    })
}
