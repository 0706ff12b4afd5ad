//! What writes without evidence: a closed list. Nothing here changes what anybody may do.
//!
//! The sequencer ([`crate::log`]), the archive, the counters of bills ([`crate::billing`]), last uses, kept attempts, command lines that wait for a person
//! ([`crate::sessions`]), questions to browsers and when those were seen ([`crate::passkeys`]), what puts values of keys under
//! another data key ([`crate::data_keys`]), where a message goes ([`crate::notices`]), the notes of running servers and the migrations of the store are the others that do.
//! Expiry of identities is not among them: it changes state, so it is a command with evidence.

use countersign_model::{Id, Timestamp, id, time::Seconds, token::AccessClaims};
pub use countersign_store::executions::ToPublish;
use countersign_store::{
    Pending, StoreError, Tx, WriteMode, attempts, chains, changes, codes, devices, events,
    executions, idempotency, invitations, leases, log,
    outbox::{self, Message},
    passkeys, replay, revocations, sessions,
};

use crate::{
    archive,
    authority::Authority,
    automation::may_claim,
    command::{Execution, Permit},
    ctx::Ctx,
    registry::identities::{ExpireIdentities, Expired},
    rejection::Rejection,
};

/// What is cleaned up, a row for each table that only grows otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanUp {
    /// Bodies of records that are sealed in files of the archive.
    ArchivedBodies,
    /// Refused attempts whose time is over.
    Attempts,
    /// Questions to browsers that nobody answered.
    Ceremonies,
    /// Changes that every replica has read.
    Changes,
    /// Checkpoints between those that are kept.
    Checkpoints,
    /// Events from before the last month.
    Events,
    /// Executions that were over before the last month.
    Executions,
    /// Used enrolment codes that have lapsed.
    Codes,
    /// Messages that nobody took.
    DeadMessages,
    /// Command lines that nobody confirmed in time.
    DeviceRequests,
    /// Idempotency keys whose time is over.
    IdempotencyKeys,
    /// Invitations that nobody used.
    Invitations,
    /// Refresh tokens of sign-ins that are over.
    RefreshTokens,
    /// Assertions that are dead anyway.
    Replays,
    /// Revocations that stop nothing any more: what they revoked is dead, leeway included (T11).
    Revocations,
    /// People's sign-ins that were over a month ago.
    Sessions,
    /// Chains of long-lived tokens that died a month ago.
    TokenChains,
}

impl CleanUp {
    /// Every row of the list.
    pub const ALL: [Self; 17] = [
        Self::ArchivedBodies,
        Self::Attempts,
        Self::Ceremonies,
        Self::Changes,
        Self::Checkpoints,
        Self::Codes,
        Self::DeadMessages,
        Self::DeviceRequests,
        Self::Events,
        Self::Executions,
        Self::IdempotencyKeys,
        Self::Invitations,
        Self::RefreshTokens,
        Self::Replays,
        Self::Revocations,
        Self::Sessions,
        Self::TokenChains,
    ];

    /// What it removes, in one word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ArchivedBodies => "archived_bodies",
            Self::Attempts => "attempts",
            Self::Ceremonies => "ceremonies",
            Self::Changes => "changes",
            Self::Checkpoints => "checkpoints",
            Self::Codes => "codes",
            Self::DeadMessages => "dead_messages",
            Self::DeviceRequests => "device_requests",
            Self::Events => "events",
            Self::Executions => "executions",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Invitations => "invitations",
            Self::RefreshTokens => "refresh_tokens",
            Self::Replays => "replays",
            Self::Revocations => "revocations",
            Self::Sessions => "sessions",
            Self::TokenChains => "token_chains",
        }
    }

    fn run(self, tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StoreError> {
        match self {
            Self::ArchivedBodies => archive::empty(tx, BATCH),
            Self::Attempts => attempts::prune(tx, now, BATCH),
            Self::Ceremonies => passkeys::prune(tx, now, BATCH),
            Self::Changes => changes::prune(tx, now - KEEP_CHANGES, BATCH),
            Self::Checkpoints => log::prune_checkpoints(tx, now - KEEP_CHECKPOINTS, BATCH),
            Self::Codes => codes::prune(tx, now - KEEP_CODES, BATCH),
            Self::DeadMessages => outbox::prune_dead(tx, now - KEEP_DEAD_MESSAGES, BATCH),
            Self::DeviceRequests => devices::prune(tx, now - KEEP_CODES, BATCH),
            Self::Events => events::prune(tx, now - KEEP_AUTOMATION, BATCH),
            Self::Executions => executions::prune(tx, now - KEEP_AUTOMATION, BATCH),
            Self::IdempotencyKeys => idempotency::prune(tx, now, BATCH),
            Self::Invitations => invitations::prune(tx, now, BATCH),
            Self::RefreshTokens => sessions::prune_tokens(tx, now, BATCH),
            Self::Replays => replay::prune(tx, now, BATCH),
            Self::Revocations => revocations::prune(tx, now, BATCH),
            Self::Sessions => sessions::prune(tx, now - KEEP_CHAINS, BATCH),
            Self::TokenChains => chains::prune(tx, now - KEEP_CHAINS, BATCH),
        }
    }
}

/// A message that waits in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMessage(pub(crate) Message);

impl DueMessage {
    /// Its id: the same on every try.
    #[must_use]
    pub const fn id(&self) -> Id<id::Evidence> {
        self.0.id
    }

    /// Whose it is.
    #[must_use]
    pub const fn tenant_id(&self) -> Id<id::Tenant> {
        self.0.tenant_id
    }

    /// The payload, as it was written.
    #[must_use]
    pub fn payload(&self) -> &str {
        &self.0.payload
    }

    /// Whether nobody has looked at where it goes.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.0.channel.is_empty()
    }

    /// How often it was tried.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.0.attempts).unwrap_or(u32::MAX)
    }
}

/// What became of telling the broker of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub execution: ToPublish,
    /// Whether it knows of it.
    pub published: bool,
    /// When it is told again, unless a worker has it by then.
    pub again_at: Timestamp,
}

impl Authority {
    /// Removes one batch of what is over. Says how many went and whether there may be more.
    pub fn clean_up(
        &self,
        what: CleanUp,
        now: Timestamp,
    ) -> Pending<Result<(u64, bool), StoreError>> {
        self.store().write(WriteMode::Housekeeping, move |tx| {
            let removed = what.run(tx, now)?;
            Ok((removed, removed >= u64::from(BATCH)))
        })
    }

    /// Forgets, in this replica's memory, revocations that stop nothing any more.
    pub fn forget_revocations(&self, now: Timestamp) {
        self.revoked().prune(now);
    }

    /// Marks identities of a tenant that are past their expiry, one batch from there on.
    pub fn expire_identities(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        from: ExpireIdentities,
    ) -> Execution<Expired> {
        self.execute(ctx, &Permit::system(tenant, ctx.id()), from)
    }

    /// A worker was heard of: puts off when its executions are lost. Answers those that are not its own any more. One that may
    /// claim none any more keeps none either.
    pub fn hear_of(
        &self,
        tenant: Id<id::Tenant>,
        worker: AccessClaims,
        alive: Vec<(Id<id::Execution>, u32)>,
        until: Timestamp,
    ) -> Pending<Result<Vec<Id<id::Execution>>, Rejection>> {
        self.store().write(WriteMode::Housekeeping, move |tx| {
            may_claim(tx, tenant, &worker)?;
            let worker = worker.identity_id;
            let mut gone = Vec::new();
            for (id, attempt) in &alive {
                if !executions::extend(tx, *id, worker, *attempt, until)? {
                    gone.push(*id);
                }
            }
            Ok(gone)
        })
    }

    /// Whether a tenant has executions that are overdue.
    pub fn has_overdue(
        &self,
        tenant: Id<id::Tenant>,
        now: Timestamp,
    ) -> Pending<Result<bool, StoreError>> {
        self.store()
            .read(move |tx| Ok(!executions::overdue(tx, tenant, now, 1)?.is_empty()))
    }

    /// The executions that the broker is to be told of, the longest overdue first, at most so many.
    pub fn executions_to_publish(
        &self,
        now: Timestamp,
        most: u32,
    ) -> Pending<Result<Vec<ToPublish>, StoreError>> {
        self.store()
            .read(move |tx| executions::to_publish(tx, now, most))
    }

    /// The broker was told of executions, or was not.
    pub fn broker_told(&self, told: Vec<Told>) -> Pending<Result<(), StoreError>> {
        self.store().write(WriteMode::Housekeeping, move |tx| {
            for Told {
                execution,
                published,
                again_at,
            } in &told
            {
                // One that was claimed meanwhile is the worker's.
                executions::publish_again(tx, execution, *published, *again_at)?;
            }
            Ok(())
        })
    }

    /// Takes or renews this replica's turn at a job that one replica does at a time.
    pub fn take_turn(
        &self,
        job: &'static str,
        holder: &str,
        now: Timestamp,
        span: Seconds,
    ) -> Pending<Result<bool, StoreError>> {
        let holder = holder.to_owned();
        self.store().write(WriteMode::Housekeeping, move |tx| {
            leases::acquire(tx, job, &holder, now, now + span)
        })
    }

    /// Gives this replica's turn back before its time.
    pub fn end_turn(&self, job: &'static str, holder: &str) -> Pending<Result<(), StoreError>> {
        let holder = holder.to_owned();
        self.store().write(WriteMode::Housekeeping, move |tx| {
            leases::release(tx, job, &holder).map(drop)
        })
    }

    /// The messages whose time has come, oldest first.
    pub fn due_messages(&self, now: Timestamp) -> Pending<Result<Vec<DueMessage>, StoreError>> {
        self.store().read(move |tx| {
            Ok(outbox::due(tx, now, MESSAGES)?
                .into_iter()
                .map(DueMessage)
                .collect())
        })
    }

    /// The message was taken.
    pub fn message_delivered(&self, message: &DueMessage) -> Pending<Result<(), StoreError>> {
        let id = message.id();
        self.store().write(WriteMode::Housekeeping, move |tx| {
            outbox::complete(tx, id).map(drop)
        })
    }

    /// The message was not taken: again at this time, or never.
    pub fn message_failed(
        &self,
        message: &DueMessage,
        again_at: Option<Timestamp>,
    ) -> Pending<Result<(), StoreError>> {
        let message = message.0.clone();
        self.store().write(WriteMode::Housekeeping, move |tx| {
            outbox::retry(tx, &message, again_at).map(drop)
        })
    }
}

/// Rows that one transaction removes: some milliseconds.
const BATCH: u32 = 500;

/// Messages that one run sends.
const MESSAGES: u32 = 50;

/// A replica that was away longer than this must be started anew: what changed meanwhile is gone.
const KEEP_CHANGES: Seconds = Seconds::days(7);
const KEEP_CHECKPOINTS: Seconds = Seconds::days(7);

/// Far longer than any code is good.
const KEEP_CODES: Seconds = Seconds::days(1);
/// Lists say for so long that the last token, or a sign-in, is over. What revoked it is kept by itself.
const KEEP_CHAINS: Seconds = Seconds::days(30);
/// As long as somebody asks what came of it: after that the evidence tells.
const KEEP_AUTOMATION: Seconds = Seconds::days(30);
const KEEP_DEAD_MESSAGES: Seconds = Seconds::days(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_what_is_cleaned_up_is_closed() {
        for one in CleanUp::ALL {
            let listed = match one {
                CleanUp::ArchivedBodies
                | CleanUp::Attempts
                | CleanUp::Ceremonies
                | CleanUp::Changes
                | CleanUp::Checkpoints
                | CleanUp::Codes
                | CleanUp::DeadMessages
                | CleanUp::DeviceRequests
                | CleanUp::Events
                | CleanUp::Executions
                | CleanUp::IdempotencyKeys
                | CleanUp::Invitations
                | CleanUp::RefreshTokens
                | CleanUp::Replays
                | CleanUp::Revocations
                | CleanUp::Sessions
                | CleanUp::TokenChains => {
                    CleanUp::ALL.iter().filter(|other| **other == one).count()
                }
            };
            assert_eq!(listed, 1, "{one:?}");
        }
    }
}
