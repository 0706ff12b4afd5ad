//! The authority: what the server calls. It decides on facts, records, and releases.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use arc_swap::ArcSwap;
use countersign_crypto::jose::Verified;
use countersign_model::{
    Id, Timestamp,
    evidence::{Event, Grain, Started},
    id,
    reason::{Reason, Refusal},
    registry::{Noun, SigningAlg, TenantDoc},
    time::Seconds,
    token::AccessClaims,
};
use countersign_store::{Cursor, Pending, Store, StoreError, Tx, WriteMode, changes, evidence, installation, keys as key_rows, records, revocations, seen};
use thiserror::Error;

use crate::{
    client_auth::{self, Authenticated, Wanted},
    command::{Actor, Command, Door, Execution, Permit, Revocation},
    ctx::Ctx,
    evaluation::{self, DecisionSums, EvaluationAnswer, EvaluationRequest},
    enrolment::{SESSION_LIFETIME, SignedInUser},
    evidence::seal::{Draft, Sealed},
    facts::{FactCache, Facts},
    grants::{self, TokenRequest},
    introspections::IntrospectionSums,
    issue::{self, IssuePlan, Recorded, Recording, Released},
    keys::{self, KeyRing, Tenant, Use},
    log::Log,
    refusals::{About, RefusalSums},
    registry::tenants::CreateTenant,
    rejection::{Fault, Rejection, Stop},
    revoked::RevokedSet,
    secrets::Secrets,
    tokens::{self, RevokeOwn, TokenCache},
};

/// How far the clock may go back before tokens are refused (T22).
const CLOCK_STEP: Seconds = Seconds(5);

/// Where the latest instant that was used is kept.
const CLOCK_MARK: &str = "clock_mark";

/// Where it is kept whether a server runs, or stopped.
const RUNNING: &str = "running";

/// How many last uses wait to be written; beyond it the newest are left out until the next flush.
const USES: usize = 65_536;

/// How many rows of a feed are read at once.
const FEED_PAGE: u32 = 1000;

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
    #[error("the key file (id {found}) is not the one that this database was written with (id {expected}); give the right one with `keys.file`")]
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
    pub(crate) secrets: Secrets,
    pub(crate) ring: ArcSwap<KeyRing>,
    tokens: TokenCache,
    refusals: RefusalSums,
    decisions: DecisionSums,
    introspections: IntrospectionSums,
    used: Mutex<HashMap<Id<id::Record>, seen::Seen>>,
    /// The latest instant that was ever recorded, in microseconds.
    clock_mark: AtomicI64,
    log: Log,
    feeds: Mutex<Feeds>,
}

/// Where the followers of this replica stand.
#[derive(Clone, Copy)]
struct Feeds {
    changes: Cursor,
    revocations: Cursor,
}

/// News from other replicas.
pub struct News {
    changes: countersign_store::Page<changes::Change>,
    revocations: countersign_store::Page<revocations::Revocation>,
}

impl Authority {
    /// Opens the application on a store; makes the first tenant when there is none. Blocks.
    ///
    /// # Errors
    /// When the database or the keys cannot be used.
    pub fn open(store: Store, settings: Settings, secrets: Secrets, ctx: &Ctx) -> Result<Self, StartError> {
        let found = secrets.key_file.id().to_string();
        let mine = found.clone();
        let expected = store.write(WriteMode::Housekeeping, move |tx| key_rows::remember_key_file(tx, &mine)).wait()?;
        if expected != found {
            return Err(StartError::OtherKeyFile { expected, found });
        }
        let door = Door { store, facts: Arc::new(FactCache::default()), revoked: Arc::new(RevokedSet::default()) };
        let mark = door.store.read(|tx| installation::read(tx, CLOCK_MARK)).wait()?;
        let mark = mark.and_then(|text| text.parse().ok()).map_or(ctx.now, Timestamp::from_micros);
        let feeds = door.store.read(|tx| Ok::<_, StoreError>(Feeds { changes: changes::latest(tx)?, revocations: Cursor::START })).wait()?;
        let log = Log::open(&door.store, &secrets, &settings.issuer, ctx)?;
        let authority = Self {
            log,
            door,
            settings,
            secrets,
            ring: ArcSwap::default(),
            tokens: TokenCache::default(),
            refusals: RefusalSums::default(),
            decisions: DecisionSums::default(),
            introspections: IntrospectionSums::default(),
            used: Mutex::default(),
            clock_mark: AtomicI64::new(mark.micros()),
            feeds: Mutex::new(feeds),
        };
        if authority.door.store.read(records::tenants).wait()?.is_empty() {
            authority.make_tenant(ctx, first_tenant()?)?.wait_for_start()?;
        }
        authority.reload_keys(ctx.now)?;
        while authority.apply(authority.news(ctx.now).wait().map_err(Fault::from)?, ctx.now)? {}
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
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
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
    pub fn execute<C: Command>(&self, ctx: &Ctx, permit: &Permit, command: C) -> Execution<C::Output> {
        self.door.execute(ctx.clone(), permit.clone(), command)
    }

    /// Authenticates the client of a token request.
    ///
    /// # Errors
    /// A refusal of somebody who proved nothing, or what must be looked up first.
    pub fn authenticate_client(&self, ctx: &Ctx, request: &TokenRequest, facts: &Facts) -> Result<Authenticated, Stop> {
        self.clock_stands(ctx)?;
        let environment = match request.environment.as_deref().map(str::parse).transpose() {
            Ok(environment) => environment,
            Err(error) => return Err(Refusal::new(Reason::BadRequest, format!("{error}")).into()),
        };
        let purpose = request.approval_id.as_ref().map_or_else(|| "token".to_owned(), |id| format!("approval:{id}"));
        let wanted = Wanted { environment: environment.as_ref(), purpose: &purpose };
        let mut authenticated =
            client_auth::authenticate(ctx, &request.tenant, &request.proof, &wanted, &self.secrets, facts)?;
        if let Some(stated) = &request.run {
            if authenticated.run.is_some() {
                let detail = "`run` is for callers with a secret; this one's issuer says which run it is";
                return Err(Refusal::new(Reason::BadRequest, detail).into());
            }
            let (identity, credential) = (authenticated.identity.id.cast(), authenticated.credential.id.cast());
            authenticated.run = Some(client_auth::claimed_run::read(stated, identity, credential)?);
        }
        self.not_revoked(request.tenant.id, &authenticated)?;
        Ok(authenticated)
    }

    /// A run or issuer that was revoked gets no new tokens either.
    fn not_revoked(&self, tenant: Id<id::Tenant>, authenticated: &Authenticated) -> Result<(), Refusal> {
        let revoked = &self.door.revoked;
        let run = authenticated.run.as_ref().map(|run| (Grain::Run, run.key.clone()));
        let issuer = authenticated.issuer_id.map(|issuer| (Grain::Issuer, issuer.to_string()));
        match run.into_iter().chain(issuer).find(|(grain, target)| revoked.contains(tenant, *grain, target)) {
            Some((grain, _)) => {
                Err(Refusal::new(Reason::RunNotTrusted, format!("the {} was revoked", grain.as_str())))
            }
            None => Ok(()),
        }
    }

    /// Decides on a token request of an authenticated client, and plans the token.
    ///
    /// # Errors
    /// A refusal of somebody who proved who they are, or what must be looked up first.
    pub fn plan_token(&self, ctx: &Ctx, request: &TokenRequest, authenticated: &Authenticated, facts: &Facts) -> Result<IssuePlan, Stop> {
        let granted = grants::decide(request, authenticated.clone(), facts, ctx.now)?;
        issue::plan_for_identity(ctx, request, &granted, facts)
    }

    /// Plans the session of a person who signed in.
    ///
    /// # Errors
    /// A fault, or what must be looked up first.
    pub fn plan_session(&self, ctx: &Ctx, tenant: &Tenant, signed_in: &SignedInUser, permit: &Permit, facts: &Facts) -> Result<IssuePlan, Stop> {
        let missing = || Fault::Invariant("a tenant without a record".to_owned());
        let record = facts.record(tenant.id, tenant.id)?.ok_or_else(missing)?;
        Ok(issue::plan_for_user(ctx, tenant, &record, &signed_in.user, SESSION_LIFETIME, signed_in.evidence, permit.txn())?)
    }

    /// The permit of who presents an enrolment code: the system's, for the tenant of the code.
    #[must_use]
    pub fn enrolment_permit(&self, ctx: &Ctx, tenant: &Tenant) -> Permit {
        Permit::system(tenant.id, ctx.id())
    }

    /// Records the evidence of a planned token.
    pub fn record(&self, plan: IssuePlan) -> Recording {
        issue::record(&self.door.store, plan)
    }

    /// Signs a token whose evidence is durable, and notes the use of what it was made with.
    ///
    /// # Errors
    /// A fault of the keys.
    pub fn release(&self, ctx: &Ctx, tenant: &Tenant, used: &[Id<id::Record>], recorded: Recorded) -> Result<Released, Fault> {
        let released = issue::release(tenant, recorded, ctx.now)?;
        self.note_use(ctx, used);
        self.clock_mark.fetch_max(ctx.now.micros(), Ordering::Relaxed);
        Ok(released)
    }

    /// Verifies a bearer token: form, signature, issuer, audience, time. Revocation comes with the permit.
    ///
    /// # Errors
    /// `token_invalid` or `token_expired`.
    pub fn verify_token(&self, ctx: &Ctx, tenant: &Tenant, token: &str, audience: Option<&str>) -> Result<Arc<Verified<AccessClaims>>, Refusal> {
        self.tokens.verify(tenant, token, audience, ctx.now).map_err(|error| tokens::refusal(&error))
    }

    /// Whether nothing revoked the token since.
    ///
    /// # Errors
    /// `token_revoked`, or what must be looked up first.
    pub fn alive(&self, claims: &AccessClaims, facts: &Facts) -> Result<(), Stop> {
        tokens::alive(facts, &self.door.revoked, claims)
    }

    /// The permit of who holds a live token.
    ///
    /// # Errors
    /// `token_revoked`, or what must be looked up first.
    pub fn permit(&self, verified: &Verified<AccessClaims>, facts: &Facts) -> Result<Permit, Stop> {
        tokens::permit(facts, &self.door.revoked, verified)
    }

    /// Starts to revoke a token for who holds it.
    pub fn revoke_own(&self, ctx: &Ctx, verified: &Verified<AccessClaims>) -> Execution<()> {
        let claims = verified.claims();
        let actor = Actor::Identity { id: claims.identity_id, subject: claims.sub.clone() };
        let permit = Permit { tenant_id: claims.tenant_id, actor, txn: claims.txn, parents: vec![claims.jti] };
        let command = RevokeOwn { jti: claims.jti, expires_at: Timestamp::from_seconds(claims.exp) };
        self.execute(ctx, &permit, command)
    }

    /// Decides on a question of who holds a live token: in memory, when the facts are there.
    ///
    /// # Errors
    /// A refusal when the bearer may not ask this, or what must be looked up first.
    pub fn evaluate(&self, ctx: &Ctx, claims: &AccessClaims, request: &EvaluationRequest, facts: &Facts) -> Result<EvaluationAnswer, Stop> {
        evaluation::evaluate(ctx, facts, claims, request)
    }

    /// Counts a decision. True when the sums should be flushed now.
    pub fn note_decision(&self, claims: &AccessClaims, request: &EvaluationRequest, answer: &EvaluationAnswer) -> bool {
        self.decisions.note(claims, request, answer)
    }

    /// Counts an introspection. True when the sums should be flushed now.
    pub fn note_introspection(&self, tenant: Id<id::Tenant>, client: Id<id::Identity>, active: bool) -> bool {
        self.introspections.note(tenant, client, active)
    }

    /// Records the decisions and introspections that wait: called every 100 ms, and before the server stops.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn flush_decisions(&self, ctx: &Ctx) -> Result<Option<Pending<Result<(), StoreError>>>, Fault> {
        let mut sealed = self.decisions.drain(ctx)?;
        sealed.extend(self.introspections.drain(ctx)?);
        if sealed.is_empty() {
            return Ok(None);
        }
        let write = move |tx: &mut Tx<'_>| sealed.iter().try_for_each(|one| evidence::insert(tx, &one.row));
        Ok(Some(self.door.store.write(WriteMode::Append, write)))
    }

    /// Records the start of the server. When the last one ended without a stop, what was buffered then
    /// is a gap, and the record says since when. Blocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn record_start(&self, ctx: &Ctx) -> Result<(), Fault> {
        let Some(tenant) = self.tenant(None) else { return Ok(()) };
        let mark = Timestamp::from_micros(self.clock_mark.load(Ordering::Relaxed));
        let running = self.door.store.read(|tx| installation::read(tx, RUNNING)).wait()?;
        // Other replicas may be running rightly; a database of our own says for certain.
        let alone = self.door.store.reads_inline();
        let gap_since = (alone && running.is_some_and(|running| running == "yes")).then_some(mark);
        let event = Event::Started(Started { version: env!("CARGO_PKG_VERSION").to_owned(), gap_since });
        let sealed = Draft::new(ctx.id(), event).seal(ctx, tenant.id)?;
        let write = move |tx: &mut Tx<'_>| {
            installation::replace(tx, RUNNING, "yes")?;
            evidence::insert(tx, &sealed.row)
        };
        Ok(self.door.store.write(WriteMode::Housekeeping, write).wait()?)
    }

    /// Notes that the server stopped, and lost nothing.
    pub fn record_stop(&self) -> Pending<Result<(), StoreError>> {
        self.door.store.write(WriteMode::Housekeeping, |tx| installation::replace(tx, RUNNING, "no"))
    }

    /// Records a refusal of somebody who proved something, before the answer leaves.
    ///
    /// # Errors
    /// A fault: without evidence there is no answer but 503.
    pub fn record_refusal(&self, ctx: &Ctx, tenant: Id<id::Tenant>, about: &About<'_>, refusal: &Refusal) -> Result<Pending<Result<(), StoreError>>, Fault> {
        let sealed = crate::refusals::seal(ctx, tenant, about, refusal)?;
        Ok(self.door.store.write(WriteMode::Append, move |tx| evidence::insert(tx, &sealed.row)))
    }

    /// Counts a refusal of somebody who proved nothing.
    pub fn note_refusal(&self, ctx: &Ctx, tenant: Id<id::Tenant>, asked: &'static str, claimed: Option<&str>, refusal: &Refusal) {
        self.refusals.note(ctx, tenant, asked, claimed, refusal.reason);
    }

    /// Records what was counted: called every ten seconds, and before the server stops.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn flush_refusals(&self, ctx: &Ctx) -> Result<Pending<Result<(), StoreError>>, Fault> {
        let sealed: Vec<Sealed> = self.refusals.drain(ctx)?;
        Ok(self.door.store.write(WriteMode::Append, move |tx| sealed.iter().try_for_each(|one| evidence::insert(tx, &one.row))))
    }

    /// Notes that records were used now.
    pub fn note_use(&self, ctx: &Ctx, used: &[Id<id::Record>]) {
        let mut uses = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for record in used {
            if uses.len() < USES || uses.contains_key(record) {
                let source = ctx.source.clone().unwrap_or_default();
                uses.insert(*record, seen::Seen { record_id: *record, last_seen_at: ctx.now, source });
            }
        }
    }

    /// Writes the last uses: called every second, and before the server stops.
    pub fn flush_uses(&self) -> Pending<Result<(), StoreError>> {
        let uses: Vec<_> = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner)).into_values().collect();
        let mark = self.clock_mark.load(Ordering::Relaxed).to_string();
        self.door.store.write(WriteMode::Housekeeping, move |tx| {
            if !uses.is_empty() {
                seen::touch(tx, &uses)?;
                installation::replace(tx, CLOCK_MARK, &mark)?;
            }
            Ok(())
        })
    }

    /// Reads what changed elsewhere. Give it to [`Self::apply`].
    pub fn news(&self, now: Timestamp) -> Pending<Result<News, StoreError>> {
        let feeds = *self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        self.door.store.read(move |tx| {
            Ok(News {
                changes: changes::after(tx, feeds.changes, FEED_PAGE)?,
                revocations: revocations::after(tx, feeds.revocations, now, FEED_PAGE)?,
            })
        })
    }

    /// Applies news. True when there is more.
    ///
    /// # Errors
    /// When keys changed and cannot be unwrapped.
    pub fn apply(&self, news: News, now: Timestamp) -> Result<bool, Fault> {
        let mut keys_changed = false;
        for change in &news.changes.items {
            self.door.facts.invalidate(change.tenant_id, change.noun, change.record_id);
            keys_changed |= change.noun == Noun::Tenant;
        }
        for one in &news.revocations.items {
            self.door.revoked.insert(&Revocation {
                tenant_id: one.tenant_id,
                grain: one.grain,
                target: one.target.clone(),
                generation: one.epoch,
                until: one.until_at,
            });
        }
        if keys_changed {
            self.reload_keys(now)?;
        }
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.changes = news.changes.next;
        feeds.revocations = news.revocations.next;
        Ok(news.changes.more || news.revocations.more)
    }

    /// Reads all tenants and keys again. Blocks for two reads; keys change rarely.
    ///
    /// # Errors
    /// When a key cannot be unwrapped.
    pub fn reload_keys(&self, now: Timestamp) -> Result<(), Fault> {
        let (tenants, rows) =
            self.door.store.read(|tx| Ok::<_, StoreError>((records::tenants(tx)?, key_rows::all(tx)?))).wait()?;
        let ring = KeyRing::build(&self.settings.issuer, &self.secrets.key_file, &tenants, &rows, now)?;
        self.ring.store(Arc::new(ring));
        self.tokens.clear();
        Ok(())
    }

    /// Starts to make a tenant with its first keys.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn make_tenant(&self, ctx: &Ctx, doc: TenantDoc) -> Result<Execution<Id<id::Tenant>>, Fault> {
        let id: Id<id::Tenant> = ctx.id();
        let uses = [Use::Access(SigningAlg::Es256), Use::LongLived];
        let made: Result<Vec<_>, _> = uses.into_iter().map(|using| keys::make(ctx, &self.secrets.key_file, id, using, ctx.now)).collect();
        let permit = Permit::system(id, ctx.id());
        Ok(self.execute(ctx, &permit, CreateTenant { doc, keys: made? }))
    }

    /// Refuses while the clock stands before what was already recorded (T22).
    fn clock_stands(&self, ctx: &Ctx) -> Result<(), Refusal> {
        let mark = Timestamp::from_micros(self.clock_mark.load(Ordering::Relaxed));
        if ctx.now + CLOCK_STEP < mark {
            return Err(Refusal::new(
                Reason::ClockUntrusted,
                format!("the server's clock says {}, and records exist of {mark}: set the clock", ctx.now),
            ));
        }
        Ok(())
    }
}

impl Execution<Id<id::Tenant>> {
    /// On the first start of two replicas one of them makes the tenant; the other finds the name taken.
    fn wait_for_start(self) -> Result<(), Fault> {
        match self.wait() {
            Ok(_) => Ok(()),
            Err(Rejection::Refused(refusal)) if refusal.reason == Reason::NameTaken => Ok(()),
            Err(Rejection::Refused(refusal)) => Err(Fault::Invariant(refusal.detail)),
            Err(Rejection::Fault(fault)) => Err(fault),
        }
    }
}

fn first_tenant() -> Result<TenantDoc, Fault> {
    let name = "default".parse().map_err(|error| Fault::Invariant(format!("{error}")))?;
    Ok(TenantDoc { name, first: true, refuse_unknown_actions: false, orphan_grace_seconds: Seconds::days(30).0 })
}
