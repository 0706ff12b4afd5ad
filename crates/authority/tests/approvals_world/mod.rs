//! A tenant with people, a pipeline that needs approval, and a CI that vouches for its runs.

mod scene;
mod tokens;

pub use scene::Scene;
pub use tokens::{Bearer, actions, artifact, release};

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use countersign_authority::{
    Authority, Ctx, Proved, Rejection, Secrets, Settings, Stop,
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    enrolment::{EnrolmentCode, UseCode},
    facts::Facts,
    log::Log,
    signing_keys::Tenant,
};
use countersign_crypto::{SigningAlg, SigningKey, key_wrap::KeyFile};
use countersign_model::{
    Id, Timestamp, id,
    reason::{Reason, Refusal},
    registry::{Doc, IdentityDoc, Noun, Record, TenantRole},
    time::Seconds,
};
use countersign_store::{Store, StoreConfig, testing::TemporaryDatabase};

pub const ISSUER: &str = "https://id.example";
pub const CI: &str = "https://ci.example";
pub const AUDIENCE: &str = "deploy-api";
pub const SHA: &str = "9f3182061f1e2cca4702c368cbc039b7dc9d4485";
/// The CI's id of the human who triggers runs.
pub const OCTOCAT: &str = "12";

const START: i64 = 1_795_000_000;

/// One database with one or two replicas over it.
pub struct World {
    pub engine: &'static str,
    pub replicas: Vec<Authority>,
    clock: AtomicI64,
    source: Mutex<String>,
    pub ci: SigningKey,
    pub jti: AtomicU64,
    stores: Vec<Store>,
    _directory: Option<tempfile::TempDir>,
    _database: Option<TemporaryDatabase>,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct User {
    pub id: Id<id::User>,
    pub permit: Permit,
    pub token: Proved,
    /// The token as they hold it.
    pub session: String,
}

/// A command made of a closure.
pub struct Do<F>(pub F);

impl<T, F> Command for Do<F>
where
    T: Send + 'static,
    F: Fn(&mut WriteTx<'_, '_>) -> Result<T, Rejection> + Send + 'static,
{
    type Output = T;

    const NAME: &'static str = "test";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<T>, Rejection> {
        (self.0)(tx).map(Verdict::Done)
    }
}

/// Runs a test on SQLite, and on PostgreSQL when `COUNTERSIGN_TEST_POSTGRES` names a server.
pub fn on_each(test: impl Fn(&World)) {
    let world = World::sqlite();
    eprintln!("on {}", world.engine);
    test(&world);
    world.close();
    if let Some(world) = World::postgres() {
        eprintln!("on {}", world.engine);
        test(&world);
        world.close();
    }
}

impl World {
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::sqlite(directory.path())).unwrap();
        Self::open("sqlite", vec![store], Some(directory), None)
    }

    /// Two stores, as of two servers, over one database.
    pub fn postgres() -> Option<Self> {
        let base = std::env::var("COUNTERSIGN_TEST_POSTGRES").ok()?;
        let database = TemporaryDatabase::create(&base).unwrap();
        let open = || {
            let mut config = StoreConfig::postgres(database.url.as_str());
            config.writers = 4;
            config.readers = 2;
            Store::open(config).unwrap()
        };
        let stores = vec![open(), open()];
        Some(Self::open("postgres", stores, None, Some(database)))
    }

    fn open(
        engine: &'static str,
        stores: Vec<Store>,
        directory: Option<tempfile::TempDir>,
        database: Option<TemporaryDatabase>,
    ) -> Self {
        let key_file = KeyFile::generate().unwrap().to_text();
        let ctx = Ctx::internal(Timestamp::from_seconds(START));
        let replicas = stores.iter().map(|store| {
            let secrets = Secrets::new(KeyFile::parse(key_file.expose()).unwrap()).unwrap();
            let settings = Settings {
                issuer: ISSUER.to_owned(),
                trust_domain: "example".to_owned(),
            };
            Authority::open(store.clone(), settings, secrets, &ctx).unwrap()
        });
        Self {
            engine,
            replicas: replicas.collect(),
            clock: AtomicI64::new(START),
            source: Mutex::new("203.0.113.7".to_owned()),
            ci: SigningKey::generate(SigningAlg::Es256).unwrap(),
            jti: AtomicU64::new(1),
            stores,
            _directory: directory,
            _database: database,
        }
    }

    pub fn close(self) {
        let Self {
            replicas,
            stores,
            _directory,
            _database,
            ..
        } = self;
        drop(replicas);
        stores.iter().for_each(Store::close);
    }

    pub fn authority(&self) -> &Authority {
        &self.replicas[0]
    }

    pub fn tenant(&self) -> Arc<Tenant> {
        self.authority().tenant(None).unwrap()
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.clock.load(Ordering::SeqCst))
    }

    pub fn ctx(&self) -> Ctx {
        Ctx {
            now: self.now(),
            source: Some(self.source.lock().unwrap().clone()),
            sender: countersign_crypto::Sender::NOBODY,
            certificate: None,
        }
    }

    /// From now on requests come from this address.
    pub fn come_from(&self, address: &str) {
        address.clone_into(&mut self.source.lock().unwrap());
    }

    /// Moves the clock.
    pub fn pass(&self, span: Seconds) {
        self.clock.fetch_add(span.0, Ordering::SeqCst);
    }

    /// Lets every replica follow what the others did.
    pub fn follow(&self) {
        for replica in &self.replicas {
            while replica
                .apply(replica.news(self.now()).wait().unwrap(), self.now())
                .unwrap()
            {}
        }
    }

    /// Leaves as many records as a tile of the log holds.
    pub fn fill_a_tile(&self) {
        let (ctx, tenant) = (Ctx::internal(self.now()), self.tenant().id);
        self.refuse(&ctx, tenant, 256);
    }

    /// Leaves refusals on record, each of another name.
    pub fn refuse(&self, ctx: &Ctx, tenant: Id<id::Tenant>, count: usize) {
        let refusal = Refusal::new(Reason::CredentialInvalid, "client authentication failed");
        for _ in 0..count {
            let claimed = format!("client-{}", ctx.id::<id::Identity>());
            self.authority()
                .note_refusal(ctx, tenant, "token", Some(&claimed), &refusal);
        }
        while let Some(flushing) = self.authority().flush_refusals(ctx).unwrap() {
            flushing.written.wait().unwrap();
        }
    }

    /// Gives every record its place in the log.
    pub fn sequence(&self) {
        let authority = self.authority();
        let log = Log::open(authority.store(), authority.secrets(), ISSUER, &self.ctx()).unwrap();
        while log
            .sequence(authority.store(), authority.secrets())
            .unwrap()
            .entries
            > 0
        {}
    }

    pub fn run<C: Command>(&self, permit: &Permit, command: C) -> Result<C::Output, Refusal> {
        let done = refused(
            self.authority()
                .execute(&self.ctx(), permit, command)
                .wait(),
        );
        self.follow();
        done
    }

    /// Runs a closure as a command.
    pub fn edit<T: Send + 'static>(
        &self,
        permit: &Permit,
        edit: impl Fn(&mut WriteTx<'_, '_>) -> Result<T, Rejection> + Send + 'static,
    ) -> T {
        self.run(permit, Do(edit)).unwrap()
    }

    /// Changes the document of a record, as the person does it.
    pub fn change(
        &self,
        user: &User,
        record: Id<id::Record>,
        change: impl Fn(&mut Doc) + Send + 'static,
    ) -> Record {
        self.edit(&user.permit, move |tx| {
            let before = tx.get(record)?;
            let mut doc = before.doc.clone();
            change(&mut doc);
            tx.update(&before, doc, &Change::verb("updated"))
        })
    }

    pub fn change_identity(
        &self,
        user: &User,
        identity: &Record,
        change: impl Fn(&mut IdentityDoc) + Send + 'static,
    ) -> Record {
        self.change(user, identity.id, move |doc| match doc {
            Doc::Identity(doc) => change(doc),
            _ => unreachable!(),
        })
    }

    pub fn create(
        &self,
        permit: &Permit,
        name: &str,
        parent: Option<Id<id::Record>>,
        doc: impl Into<Doc>,
    ) -> Record {
        let (name, doc) = (name.to_owned(), doc.into());
        self.edit(permit, move |tx| {
            let new = NewRecord {
                id: None,
                name: name.clone(),
                parent_id: parent,
                doc: doc.clone(),
            };
            tx.create(new, &Change::verb("created"))
        })
    }

    /// Signs somebody in; the first time they are made.
    pub fn sign_in(&self, email: &str, role: TenantRole) -> User {
        self.enrol(email, Some(role))
    }

    /// Signs somebody in again, as what they are.
    pub fn sign_in_again(&self, email: &str) -> User {
        self.enrol(email, None)
    }

    fn enrol(&self, email: &str, role: Option<TenantRole>) -> User {
        let (authority, ctx, tenant) = (self.authority(), self.ctx(), self.tenant());
        let code = EnrolmentCode::new(email.parse().unwrap(), role, None, false, ctx.now);
        let permit = authority.system_permit(&ctx, &tenant);
        let signed_in = authority
            .execute(&ctx, &permit, UseCode { code })
            .wait()
            .unwrap();
        self.follow();
        let plan = drive(authority, |facts| {
            authority.plan_session(&ctx, &tenant, &signed_in, &permit, facts)
        })
        .unwrap();
        let recorded = authority.record(plan).wait().unwrap();
        let released = authority.release(&ctx, &tenant, &[], recorded).unwrap();
        let token = authority
            .verify_token(
                &ctx,
                &tenant,
                &released.access_token,
                Some(ISSUER),
                countersign_authority::tokens::Shown::AskedAbout,
            )
            .unwrap();
        let permit = drive(authority, |facts| authority.permit(&token, facts)).unwrap();
        User {
            id: signed_in.user.id.cast(),
            permit,
            token,
            session: released.access_token,
        }
    }
}

/// Decides until every fact is there.
pub fn drive<T>(
    authority: &Authority,
    decide: impl Fn(&Facts) -> Result<T, Stop>,
) -> Result<T, Refusal> {
    let mut facts = authority.facts();
    for _ in 0..64 {
        match decide(&facts) {
            Ok(done) => return Ok(done),
            Err(Stop::Refused(refusal)) => return Err(refusal),
            Err(Stop::Fault(fault)) => panic!("{fault}"),
            Err(Stop::Need(need)) => {
                let found = facts.look_up(authority.store(), &need).wait().unwrap();
                facts.supply(need, found).unwrap();
                facts.restart();
            }
        }
    }
    panic!("a decision needs too much")
}

pub fn refused<T>(done: Result<T, Rejection>) -> Result<T, Refusal> {
    done.map_err(|rejection| match rejection {
        Rejection::Recorded(refusal) | Rejection::Refused(refusal) => refusal,
        Rejection::Fault(fault) => panic!("{fault}"),
    })
}

/// The reason of a refusal.
pub fn reason<T>(done: Result<T, Refusal>) -> Reason {
    match done {
        Ok(_) => panic!("it was not refused"),
        Err(refusal) => refusal.reason,
    }
}

/// A record by its noun and name.
pub fn named(world: &World, user: &User, noun: Noun, name: &str) -> Record {
    let name = name.to_owned();
    world.edit(&user.permit, move |tx| tx.locate(noun, &name))
}
