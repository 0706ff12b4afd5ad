//! The authority: what the server calls. It decides on facts, records, and releases.

mod buffers;
mod first;
mod following;
mod gaps;
mod verifying;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use arc_swap::ArcSwap;
use countersign_model::{
    Id, Timestamp,
    evidence::Grain,
    id,
    reason::{Reason, Refusal},
    time::Seconds,
    token::AccessClaims,
};
use countersign_store::{
    Cursor, Store, StoreError, WriteMode, changes, installation, key_file, records, seen,
};
use thiserror::Error;

pub use buffers::Flushing;
use first::first_tenant;
use following::Feeds;
pub use following::News;
pub(crate) use gaps::running;

use crate::{
    client_auth::{self, Authenticated, ClientProof, Wanted},
    command::{Actor, Command, Door, Execution, Permit},
    ctx::Ctx,
    enrolment::{SESSION_LIFETIME, SignedInUser},
    evaluation::{self, DecisionSums, EvaluationAnswer, EvaluationRequest},
    facts::{FactCache, Facts},
    grants::{self, TokenRequest},
    introspections::IntrospectionSums,
    issue::{self, IssuePlan, Recorded, Recording, Released, UserToken},
    log::Log,
    long_lived::UseSums,
    proved::Proved,
    refusals::RefusalSums,
    rejection::{Fault, Stop},
    revoked::RevokedSet,
    secrets::Secrets,
    signing_keys::{KeyRing, Tenant},
    tokens::{self, TokenCache},
};

/// How far the clock may go back before tokens are refused (T22).
const CLOCK_STEP: Seconds = Seconds(5);

/// Where the latest instant that was used is kept.
const CLOCK_MARK: &str = "clock_mark";

/// What the server's configuration says about the application.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The issuer URL of the first tenant, byte for byte.
    pub issuer: String,
    /// The SPIFFE trust domain of workload subjects.
    pub trust_domain: String,
}

/// Why the authority does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The key file is not the one that this database was used with.
    #[error(
        "the key file (id {found}) is not the one that this database was written with (id {expected}); give the right one with `keys.file`"
    )]
    OtherKeyFile {
        /// The id that the database remembers.
        expected: String,
        /// The id of the file at hand.
        found: String,
    },
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

/// The application.
pub struct Authority {
    pub(crate) door: Door,
    pub(crate) settings: Settings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) ring: ArcSwap<KeyRing>,
    tokens: TokenCache,
    refusals: RefusalSums,
    decisions: DecisionSums,
    introspections: IntrospectionSums,
    pub(crate) token_uses: UseSums,
    used: Mutex<HashMap<Id<id::Record>, seen::Seen>>,
    /// The latest instant that was ever recorded, in microseconds.
    clock_mark: AtomicI64,
    log: Log,
    feeds: Mutex<Feeds>,
    /// Names this process among the servers of the database.
    process: Id<id::Transaction>,
    /// When it was last noted that this process runs, in microseconds.
    beat: AtomicI64,
}

impl Authority {
    /// Opens the application on a store; makes the first tenant when there is none. Blocks.
    ///
    /// # Errors
    /// When the database or the keys cannot be used.
    pub fn open(
        store: Store,
        settings: Settings,
        mut secrets: Secrets,
        ctx: &Ctx,
    ) -> Result<Self, StartError> {
        let found = secrets.key_file.id().to_string();
        let mine = found.clone();
        let known = store
            .write(WriteMode::Housekeeping, move |tx| {
                key_file::remember(tx, &mine)
            })
            .wait()?;
        if known.id != found {
            let expected = known.id;
            return Err(StartError::OtherKeyFile { expected, found });
        }
        if let Some(pepper) = &known.pepper {
            secrets.keep_pepper(pepper)?;
        }
        let door = Door {
            store,
            facts: Arc::new(FactCache::default()),
            revoked: Arc::new(RevokedSet::default()),
        };
        let mark = door
            .store
            .read(|tx| installation::read(tx, CLOCK_MARK))
            .wait()?;
        let mark = mark
            .and_then(|text| text.parse().ok())
            .map_or(ctx.now, Timestamp::from_micros);
        let feeds = door
            .store
            .read(|tx| {
                Ok::<_, StoreError>(Feeds {
                    changes: changes::latest(tx)?,
                    revocations: Cursor::START,
                })
            })
            .wait()?;
        let log = Log::open(&door.store, &secrets, &settings.issuer, ctx)?;
        let authority = Self {
            log,
            door,
            settings,
            secrets: Arc::new(secrets),
            ring: ArcSwap::default(),
            tokens: TokenCache::default(),
            refusals: RefusalSums::default(),
            decisions: DecisionSums::default(),
            introspections: IntrospectionSums::default(),
            token_uses: UseSums::default(),
            used: Mutex::default(),
            clock_mark: AtomicI64::new(mark.micros()),
            feeds: Mutex::new(feeds),
            process: ctx.id(),
            beat: AtomicI64::new(ctx.now.micros()),
        };
        if authority
            .door
            .store
            .read(records::tenants)
            .wait()?
            .is_empty()
        {
            authority
                .make_tenant(ctx, first_tenant()?)?
                .wait_for_start()?;
        }
        authority.reload_keys(ctx.now)?;
        while authority.apply(
            authority.news(ctx.now).wait().map_err(Fault::from)?,
            ctx.now,
        )? {}
        Ok(authority)
    }

    /// The store, for readers.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.door.store
    }

    /// What the configuration says.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What only this installation knows.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The same, for a command that takes it along.
    #[must_use]
    pub fn shared_secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets)
    }

    /// The tenant at the server's own issuer URL, or the one of this name.
    #[must_use]
    pub fn tenant(&self, name: Option<&str>) -> Option<Arc<Tenant>> {
        self.ring.load().tenant(name)
    }

    /// The tenant with this id.
    #[must_use]
    pub fn tenant_by_id(&self, id: Id<id::Tenant>) -> Option<Arc<Tenant>> {
        self.ring.load().by_id(id)
    }

    /// All tenants.
    #[must_use]
    pub fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.ring.load().tenants().to_vec()
    }

    /// A view of the facts for one request.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts::new(Arc::clone(&self.door.facts))
    }

    /// The log.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The revocations by id.
    #[must_use]
    pub fn revoked(&self) -> &RevokedSet {
        &self.door.revoked
    }

    /// Runs a command.
    pub fn execute<C: Command>(
        &self,
        ctx: &Ctx,
        permit: &Permit,
        command: C,
    ) -> Execution<C::Output> {
        self.door.execute(ctx.clone(), permit.clone(), command)
    }

    /// Authenticates the client of a token request.
    ///
    /// # Errors
    /// A refusal of somebody who proved nothing, or what must be looked up first.
    pub fn authenticate_client(
        &self,
        ctx: &Ctx,
        request: &TokenRequest,
        facts: &Facts,
    ) -> Result<Authenticated, Stop> {
        self.clock_stands(ctx)?;
        let environment = match request.environment.as_deref().map(str::parse).transpose() {
            Ok(environment) => environment,
            Err(error) => return Err(Refusal::new(Reason::BadRequest, format!("{error}")).into()),
        };
        let purpose = request
            .approval_id
            .as_ref()
            .map_or_else(|| "token".to_owned(), |id| format!("approval:{id}"));
        let wanted = Wanted {
            environment: environment.as_ref(),
            purpose: &purpose,
        };
        if let ClientProof::AccessToken { client_id, token } = &request.proof {
            return self.authenticate_holder(ctx, request, client_id.as_deref(), token, facts);
        }
        let mut authenticated = client_auth::authenticate(
            ctx,
            &request.tenant,
            &request.proof,
            &wanted,
            &self.secrets,
            facts,
        )?;
        if let Some(stated) = &request.run {
            if authenticated.run.is_some() {
                let detail =
                    "`run` is for callers with a secret; this one's issuer says which run it is";
                return Err(Refusal::new(Reason::BadRequest, detail).into());
            }
            let (identity, credential) = (
                authenticated.identity.id.cast(),
                authenticated.credential.id.cast(),
            );
            authenticated.run = Some(client_auth::claimed_run::read(
                stated, identity, credential,
            )?);
        }
        self.not_revoked(request.tenant.id, &authenticated)?;
        Ok(authenticated)
    }

    /// A run or issuer that was revoked gets no new tokens either.
    fn not_revoked(
        &self,
        tenant: Id<id::Tenant>,
        authenticated: &Authenticated,
    ) -> Result<(), Refusal> {
        let revoked = &self.door.revoked;
        let run = authenticated
            .run
            .as_ref()
            .map(|run| (Grain::Run, run.key.clone()));
        let issuer = authenticated
            .issuer_id
            .map(|issuer| (Grain::Issuer, issuer.to_string()));
        match run
            .into_iter()
            .chain(issuer)
            .find(|(grain, target)| revoked.contains(tenant, *grain, target))
        {
            Some((grain, _)) => Err(Refusal::new(
                Reason::TokenRevoked,
                format!("the {} was revoked", grain.as_str()),
            )),
            None => Ok(()),
        }
    }

    /// Decides on a token request of an authenticated client, and plans the token.
    ///
    /// # Errors
    /// A refusal of somebody who proved who they are, or what must be looked up first.
    pub fn plan_token(
        &self,
        ctx: &Ctx,
        request: &TokenRequest,
        authenticated: &Authenticated,
        facts: &Facts,
    ) -> Result<IssuePlan, Stop> {
        let granted = grants::decide(request, authenticated.clone(), facts, ctx.now)?;
        issue::plan_for_identity(ctx, request, &granted, facts)
    }

    /// Plans the session of a person who signed in.
    ///
    /// # Errors
    /// A fault, or what must be looked up first.
    pub fn plan_session(
        &self,
        ctx: &Ctx,
        tenant: &Tenant,
        signed_in: &SignedInUser,
        permit: &Permit,
        facts: &Facts,
    ) -> Result<IssuePlan, Stop> {
        let missing = || Fault::Invariant("a tenant without a record".to_owned());
        let record = facts.record(tenant.id, tenant.id)?.ok_or_else(missing)?;
        let asked = UserToken {
            tenant,
            tenant_record: &record,
            user: &signed_in.user,
            ends: ctx.now + SESSION_LIFETIME,
            auth_time: ctx.now.seconds(),
            session: None,
            grant: "session",
            client_auth: "enrolment_code",
            parent: signed_in.evidence,
            txn: permit.txn(),
        };
        Ok(issue::plan_for_user(ctx, &asked)?)
    }

    /// The system's permit in a tenant: for who presents an enrolment code, and for jobs.
    #[must_use]
    pub fn system_permit(&self, ctx: &Ctx, tenant: &Tenant) -> Permit {
        Permit::system(tenant.id, ctx.id())
    }

    /// The permit of a client that proved itself: a story of its own.
    #[must_use]
    pub fn client_permit(&self, ctx: &Ctx, tenant: &Tenant, client: &Authenticated) -> Permit {
        let identity = &client.identity;
        Permit {
            tenant_id: tenant.id,
            actor: Actor::Identity {
                id: identity.id.cast(),
                subject: identity
                    .identity()
                    .map_or_else(|| identity.name.clone(), |doc| doc.subject.clone()),
            },
            txn: ctx.id(),
            parents: Vec::new(),
        }
    }

    /// Records the evidence of a planned token.
    pub fn record(&self, plan: IssuePlan) -> Recording {
        issue::record(&self.door.store, plan)
    }

    /// Signs a token whose evidence is durable, and notes the use of what it was made with.
    ///
    /// # Errors
    /// A fault of the keys.
    pub fn release(
        &self,
        ctx: &Ctx,
        tenant: &Tenant,
        used: &[Id<id::Record>],
        recorded: Recorded,
    ) -> Result<Released, Fault> {
        let released = issue::release(tenant, recorded, ctx.now)?;
        self.note_use(ctx, used);
        self.clock_mark
            .fetch_max(ctx.now.micros(), Ordering::Relaxed);
        Ok(released)
    }

    /// Whether nothing revoked the token since.
    ///
    /// # Errors
    /// `token_revoked`, or what must be looked up first.
    pub fn alive(&self, claims: &AccessClaims, facts: &Facts) -> Result<(), Stop> {
        tokens::alive(facts, &self.door.revoked, claims)
    }

    /// The permit of who presents a live token or session.
    ///
    /// # Errors
    /// `token_revoked`, or what must be looked up first.
    pub fn permit(&self, presented: &Proved, facts: &Facts) -> Result<Permit, Stop> {
        tokens::permit(facts, &self.door.revoked, presented)
    }

    /// Decides on a question of who holds a live token: in memory, when the facts are there.
    ///
    /// # Errors
    /// A refusal when the bearer may not ask this, or what must be looked up first.
    pub fn evaluate(
        &self,
        ctx: &Ctx,
        claims: &AccessClaims,
        request: &EvaluationRequest,
        facts: &Facts,
    ) -> Result<EvaluationAnswer, Stop> {
        evaluation::evaluate(ctx, facts, claims, request)
    }

    /// Refuses while the clock stands before what was already recorded (T22).
    pub(crate) fn clock_stands(&self, ctx: &Ctx) -> Result<(), Refusal> {
        let mark = Timestamp::from_micros(self.clock_mark.load(Ordering::Relaxed));
        if ctx.now + CLOCK_STEP < mark {
            return Err(Refusal::new(
                Reason::ClockUntrusted,
                format!(
                    "the server's clock says {}, and records exist of {mark}: set the clock",
                    ctx.now
                ),
            ));
        }
        Ok(())
    }
}
