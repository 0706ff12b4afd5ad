//! A tenant with people, a pipeline that needs approval, and a CI that vouches for its runs.

#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use countersign_authority::{
    Authority, Ctx, Rejection, Secrets, Settings, Stop,
    approvals::{Decide, Decision, GrantAsk, OpenGrant},
    client_auth::ClientProof,
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    enrolment::{EnrolmentCode, UseCode},
    facts::Facts,
    federation::fixture::{self, Claims},
    grants::{GrantType, TokenRequest},
    issue::{IssuePlan, RecordError, Released},
    keys::Tenant,
    log::Log,
};
use countersign_crypto::{
    Secret, SigningAlg, SigningKey,
    jose::{self, Verified},
    key_wrap::KeyFile,
};
use countersign_model::{
    Id, Timestamp,
    action::ActionSet,
    approval::Approval,
    id,
    identity::Kind,
    reason::{Reason, Refusal},
    registry::{
        ApprovalRule, AudienceDoc, CredentialDoc, CredentialSecret, Doc, IdentityDoc, IssuerDoc, IssuerProfile, KeySource,
        LinkedAccountDoc, Noun, Party, ProjectDoc, Record, TenantRole,
    },
    time::Seconds,
    token::AccessClaims,
    trust::{Accepted, TrustRule},
};
use countersign_store::{Store, StoreConfig, testing::TemporaryDatabase};
use serde_json::json;

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
    ci: SigningKey,
    jti: AtomicU64,
    stores: Vec<Store>,
    _directory: Option<tempfile::TempDir>,
    _database: Option<TemporaryDatabase>,
}

/// What every test begins with.
pub struct Scene {
    pub dana: User,
    pub lee: User,
    pub kim: User,
    pub project: Record,
    pub identity: Record,
    pub issuer: Record,
    pub audience: Record,
    pub credential: Record,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct User {
    pub id: Id<id::User>,
    pub permit: Permit,
    pub token: Arc<Verified<AccessClaims>>,
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
            let settings = Settings { issuer: ISSUER.to_owned(), trust_domain: "example".to_owned() };
            Authority::open(store.clone(), settings, secrets, &ctx).unwrap()
        });
        Self {
            engine,
            replicas: replicas.collect(),
            clock: AtomicI64::new(START),
            ci: SigningKey::generate(SigningAlg::Es256).unwrap(),
            jti: AtomicU64::new(1),
            stores,
            _directory: directory,
            _database: database,
        }
    }

    pub fn close(self) {
        let Self { replicas, stores, _directory, _database, .. } = self;
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
        Ctx { now: self.now(), source: Some("203.0.113.7".to_owned()) }
    }

    /// Moves the clock.
    pub fn pass(&self, span: Seconds) {
        self.clock.fetch_add(span.0, Ordering::SeqCst);
    }

    /// Lets every replica follow what the others did.
    pub fn follow(&self) {
        for replica in &self.replicas {
            while replica.apply(replica.news(self.now()).wait().unwrap(), self.now()).unwrap() {}
        }
    }

    /// Gives every record its place in the log, and its search terms.
    pub fn sequence(&self) {
        let authority = self.authority();
        let log = Log::open(authority.store(), authority.secrets(), ISSUER, &self.ctx()).unwrap();
        while log.sequence(authority.store(), authority.secrets()).wait().unwrap().entries > 0 {}
    }

    pub fn run<C: Command>(&self, permit: &Permit, command: C) -> Result<C::Output, Refusal> {
        let done = refused(self.authority().execute(&self.ctx(), permit, command).wait());
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
    pub fn change(&self, user: &User, record: Id<id::Record>, change: impl Fn(&mut Doc) + Send + 'static) -> Record {
        self.edit(&user.permit, move |tx| {
            let before = tx.get(record)?;
            let mut doc = before.doc.clone();
            change(&mut doc);
            tx.update(&before, doc, &Change::verb("updated"))
        })
    }

    pub fn change_identity(&self, user: &User, identity: &Record, change: impl Fn(&mut IdentityDoc) + Send + 'static) -> Record {
        self.change(user, identity.id, move |doc| match doc {
            Doc::Identity(doc) => change(doc),
            _ => unreachable!(),
        })
    }

    pub fn create(&self, permit: &Permit, name: &str, parent: Option<Id<id::Record>>, doc: impl Into<Doc>) -> Record {
        let (name, doc) = (name.to_owned(), doc.into());
        self.edit(permit, move |tx| {
            let new = NewRecord { id: None, name: name.clone(), parent_id: parent, doc: doc.clone() };
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
        let permit = authority.enrolment_permit(&ctx, &tenant);
        let signed_in = authority.execute(&ctx, &permit, UseCode { code }).wait().unwrap();
        self.follow();
        let plan = drive(authority, |facts| authority.plan_session(&ctx, &tenant, &signed_in, &permit, facts)).unwrap();
        let recorded = authority.record(plan).wait().unwrap();
        let released = authority.release(&ctx, &tenant, &[], recorded).unwrap();
        let token = authority.verify_token(&ctx, &tenant, &released.access_token, Some(ISSUER)).unwrap();
        let permit = drive(authority, |facts| authority.permit(&token, facts)).unwrap();
        User { id: signed_in.user.id.cast(), permit, token }
    }

    /// Dana and Lee own the project `web` and Kim is a member of the tenant. The pipeline `releaser` may
    /// release to production when somebody countersigns it.
    pub fn scene(&self) -> Scene {
        let dana = self.sign_in("dana@example.com", TenantRole::Owner);
        let lee = self.sign_in("lee@example.com", TenantRole::Owner);
        let kim = self.sign_in("kim@example.com", TenantRole::Member);
        let project = ProjectDoc {
            name: "web".parse().unwrap(),
            personal_of: None,
            members: Vec::new(),
            allowed_actions: None,
            description: String::new(),
        };
        let project = self.create(&dana.permit, "web", None, project);
        let audience = self.audience(&dana, AUDIENCE, Vec::new());
        let jwks = json!({"keys": [self.ci.public_jwk()]});
        let issuer = IssuerDoc {
            url: CI.to_owned(),
            profile: IssuerProfile::Github,
            keys: KeySource::Inline(jwks),
            audience: None,
            ca_bundle: None,
            trust_domain: None,
        };
        let issuer = self.create(&dana.permit, CI, None, issuer);
        let identity = self.identity(&dana, "releaser", &project, &audience);
        let credential = self.trust(&dana, &identity, &issuer);
        Scene { dana, lee, kim, project, identity, issuer, audience, credential }
    }

    pub fn audience(&self, user: &User, name: &str, served_by: Vec<Id<id::Identity>>) -> Record {
        let doc = AudienceDoc {
            name: name.parse().unwrap(),
            signing_alg: Default::default(),
            served_by,
            max_feed_age_seconds: 30,
            max_feed_age_irreversible_seconds: 5,
            description: String::new(),
        };
        self.create(&user.permit, name, None, doc)
    }

    pub fn identity(&self, user: &User, name: &str, project: &Record, audience: &Record) -> Record {
        let project_name = &project.project().unwrap().name;
        let doc = IdentityDoc {
            kind: Kind::Pipeline,
            name: name.parse().unwrap(),
            subject: format!("pipeline://{project_name}/{name}"),
            client_id: format!("client-{name}"),
            project_id: project.id.cast(),
            sponsor: Party::User(user.id),
            pending_sponsor: None,
            owner: Party::User(user.id),
            managers: vec![user.id],
            purpose: "releases".to_owned(),
            description: String::new(),
            environments: vec!["production".parse().unwrap()],
            audiences: vec![audience.id.cast()],
            resources: Vec::new(),
            allowed_actions: actions(&["artifact.read", "deploy.release", "deploy.rollback"]),
            denied_actions: actions(&["identity.admin"]),
            roles: Vec::new(),
            token_ttl_seconds: 600,
            requires_approval: true,
            approval_rule: ApprovalRule::default(),
            trust_model: None,
            expires_at: self.now() + Seconds::days(365),
            orphan_grace_until: None,
            review: None,
            defaulted: Default::default(),
            created_by: user.id,
            status_reason: None,
            metadata: Default::default(),
        };
        self.create(&user.permit, name, Some(project.id), doc)
    }

    pub fn trust(&self, user: &User, identity: &Record, issuer: &Record) -> Record {
        let one = |value: &str| Accepted::One(value.to_owned());
        let rule = TrustRule {
            issuer_id: issuer.id.cast(),
            environments: vec!["production".parse().unwrap()],
            matches: [
                ("repository_id".to_owned(), one("456789")),
                ("repository_owner_id".to_owned(), one("123456")),
                ("environment".to_owned(), one("production")),
            ]
            .into(),
        };
        let doc = CredentialDoc {
            identity_id: identity.id.cast(),
            label: String::new(),
            secret: CredentialSecret::TrustRule(rule),
            created_by: Some(user.id),
            expires_at: None,
            revoked_because: None,
        };
        let name = format!("trust-{}", identity.name);
        self.create(&user.permit, &name, Some(identity.id), doc)
    }

    /// Says that an account at the CI is this person's.
    pub fn link(&self, owner: &User, user: &User, subject: &str) -> Record {
        let doc =
            LinkedAccountDoc { issuer: CI.to_owned(), subject: subject.to_owned(), user_id: user.id, set_by: owner.id };
        self.create(&owner.permit, &LinkedAccountDoc::key(CI, subject), Some(user.id.cast()), doc)
    }

    /// A fresh assertion of the CI for run 9876543210, its first attempt.
    pub fn claims(&self) -> Claims {
        let jti = self.jti.fetch_add(1, Ordering::SeqCst);
        fixture::github(self.now(), CI, ISSUER).with("jti", format!("jti-{jti}"))
    }

    pub fn assertion(&self, claims: Claims) -> String {
        jose::sign(&self.ci, "JWT", &claims.into_map()).unwrap()
    }

    /// A request for a token with a fresh assertion.
    pub fn request(&self, claims: Claims) -> TokenRequest {
        TokenRequest {
            tenant: self.tenant(),
            grant: GrantType::JwtBearer,
            proof: ClientProof::Run {
                client_id: Some("releaser".to_owned()),
                token: Secret::new(self.assertion(claims)),
                form: "jwt_bearer",
            },
            scope: None,
            audience: None,
            resource: None,
            environment: None,
            authorization_details: None,
            approval_id: None,
            run: None,
        }
    }

    pub fn plan(&self, replica: &Authority, request: &TokenRequest) -> Result<IssuePlan, Refusal> {
        let ctx = self.ctx();
        drive(replica, |facts| {
            let authenticated = replica.authenticate_client(&ctx, request, facts)?;
            replica.plan_token(&ctx, request, &authenticated, facts)
        })
    }

    /// Gets a token as the server's driver does: decides again when something changed meanwhile.
    pub fn issue(&self, request: &TokenRequest) -> Result<Released, Refusal> {
        let replica = self.authority();
        for _ in 0..3 {
            let plan = self.plan(replica, request)?;
            match replica.record(plan).wait() {
                Ok(recorded) => return Ok(replica.release(&self.ctx(), &request.tenant, &[], recorded).unwrap()),
                Err(RecordError::Stale) => self.follow(),
                Err(RecordError::Rejected(Rejection::Refused(refusal))) => return Err(refusal),
                Err(RecordError::Rejected(fault)) => panic!("{fault}"),
            }
        }
        panic!("stale three times")
    }

    /// The token that a run has before anybody countersigned anything.
    pub fn base_token(&self) -> Bearer {
        self.base_token_of(self.claims())
    }

    pub fn base_token_of(&self, claims: Claims) -> Bearer {
        let released = self.issue(&self.request(claims)).unwrap();
        self.bearer(&released.access_token)
    }

    pub fn bearer(&self, token: &str) -> Bearer {
        let authority = self.authority();
        let token = authority.verify_token(&self.ctx(), &self.tenant(), token, None).unwrap();
        let permit = drive(authority, |facts| authority.permit(&token, facts)).unwrap();
        Bearer { token, permit }
    }

    pub fn open_grant(&self, bearer: &Bearer, ask: GrantAsk) -> Result<Approval, Refusal> {
        self.run(&bearer.permit, OpenGrant { bearer: Arc::clone(&bearer.token), ask })
    }

    pub fn decide(&self, user: &User, approval: &Approval, approved: bool) -> Result<Decision, Refusal> {
        self.run(&user.permit, Decide {
            approval_id: approval.id,
            approved,
            digest: approval.doc.digest.clone(),
            reason: Some("read it".to_owned()),
        })
    }

    pub fn redeem(&self, approval: &Approval, claims: Claims) -> Result<Released, Refusal> {
        self.issue(&self.redemption(approval, claims))
    }

    pub fn redemption(&self, approval: &Approval, claims: Claims) -> TokenRequest {
        TokenRequest { approval_id: Some(approval.id.to_string()), ..self.request(claims) }
    }
}

/// A run with its token.
pub struct Bearer {
    pub token: Arc<Verified<AccessClaims>>,
    pub permit: Permit,
}

pub fn actions(names: &[&str]) -> ActionSet {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// What the pipeline asks people for.
pub fn release() -> GrantAsk {
    GrantAsk {
        actions: actions(&["deploy.release"]),
        environment: Some("production".parse().unwrap()),
        audience: Some(AUDIENCE.to_owned()),
        artifact_digest: Some(artifact("ab")),
        resource: None,
        reason: Some("release 42".to_owned()),
        expires_in: None,
    }
}

pub fn artifact(byte: &str) -> countersign_model::token::ArtifactDigest {
    format!("sha256:{}", byte.repeat(32)).parse().unwrap()
}

/// Decides until every fact is there.
pub fn drive<T>(authority: &Authority, decide: impl Fn(&Facts) -> Result<T, Stop>) -> Result<T, Refusal> {
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
        Rejection::Refused(refusal) => refusal,
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
