//! The door: a command runs in one transaction, and this replica knows of it before anybody is answered.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use countersign_model::{evidence::Event, reason::Refusal};
use countersign_store::{Outcome, Pending, Store, Tx, WriteMode};

use super::{Command, Effects, Permit, Verdict, WriteTx};
use crate::{
    ctx::Ctx,
    facts::FactCache,
    refusals,
    rejection::{Fault, Rejection},
    revoked::RevokedSet,
};

/// Where commands are run.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) store: Store,
    pub(crate) facts: Arc<FactCache>,
    pub(crate) revoked: Arc<RevokedSet>,
}

struct Commit<T> {
    result: Result<T, Refusal>,
    effects: Effects,
}

/// A command on its way. Ready when it is durable, and this replica knows of it.
pub struct Execution<T> {
    pending: Pending<Result<Commit<T>, Rejection>>,
    facts: Arc<FactCache>,
    revoked: Arc<RevokedSet>,
}

impl Door {
    /// Runs a command in one transaction.
    pub(crate) fn execute<C: Command>(
        &self,
        ctx: Ctx,
        permit: Permit,
        command: C,
    ) -> Execution<C::Output> {
        let pending = self.store.write(WriteMode::Serializable, move |tx| {
            run(tx, &ctx, &permit, &command)
        });
        Execution {
            pending,
            facts: Arc::clone(&self.facts),
            revoked: Arc::clone(&self.revoked),
        }
    }
}

fn run<C: Command>(
    tx: &mut Tx<'_>,
    ctx: &Ctx,
    permit: &Permit,
    command: &C,
) -> Result<Commit<C::Output>, Rejection> {
    let ended: Result<(Verdict<C::Output>, Effects), Rejection> = tx.savepoint(|tx| {
        let mut write = WriteTx {
            tx,
            ctx,
            permit,
            effects: Effects::default(),
            also: Vec::new(),
        };
        let verdict = command.run(&mut write)?;
        if write.effects.wrote && write.effects.evidence == 0 {
            return Err(
                Fault::Invariant(format!("`{}` changed state without evidence", C::NAME)).into(),
            );
        }
        Ok(Outcome::Keep((verdict, write.effects)))
    });
    let (refusal, effects) = match ended {
        Ok((Verdict::Done(output), effects)) => {
            return Ok(Commit {
                result: Ok(output),
                effects,
            });
        }
        Ok((Verdict::RefusedWithEffects(refusal), effects)) => (refusal, effects),
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            (refusal, Effects::default())
        }
        Err(fault @ Rejection::Fault(_)) => return Err(fault),
    };
    let mut write = WriteTx {
        tx,
        ctx,
        permit,
        effects,
        also: Vec::new(),
    };
    let event = refusals::event(ctx, C::NAME, &refusal, 1);
    write.evidence(write.draft(Event::Refused(Box::new(event))))?;
    Ok(Commit {
        result: Err(refusal),
        effects: write.effects,
    })
}

impl<T> Future for Execution<T> {
    type Output = Result<T, Rejection>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.pending).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(commit) => Poll::Ready(apply(&self.facts, &self.revoked, commit)),
        }
    }
}

impl<T> Execution<T> {
    /// Blocks until it is done: for the command line and tests.
    ///
    /// # Errors
    /// As the command.
    pub fn wait(self) -> Result<T, Rejection> {
        apply(&self.facts, &self.revoked, self.pending.wait())
    }
}

/// Tells this replica's memory what was committed, before anybody is answered.
fn apply<T>(
    facts: &FactCache,
    revoked: &RevokedSet,
    commit: Result<Commit<T>, Rejection>,
) -> Result<T, Rejection> {
    let commit = commit?;
    for (tenant, noun, record) in &commit.effects.changed {
        facts.invalidate(*tenant, *noun, *record);
    }
    for revocation in &commit.effects.revoked {
        revoked.insert(revocation);
    }
    commit.result.map_err(Rejection::Recorded)
}
