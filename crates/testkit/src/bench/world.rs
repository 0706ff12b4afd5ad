//! What the registry holds: a project, two resource servers, and many identities with a secret each.
//!
//! Made by the application's own commands in this process, before the server starts on the same data.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, anyhow};
use countersign_authority::{
    Authority, Ctx, Rejection, Secrets, Settings, Stop, Store, StoreConfig,
    client_auth::ClientProof,
    command::{Command, Permit},
    enrolment::{EnrolmentCode, UseCode},
    facts::Facts,
    grants::{GrantType, TokenRequest},
    issue::{IssuePlan, RecordError},
    registry::{
        audiences::CreateAudience,
        credentials::{CreateCredential, NewSecret},
        identities::CreateIdentity,
        projects::CreateProject,
    },
    signing_keys::{self, AddKey, Tenant, Use},
};
use countersign_crypto::{Secret, key_wrap::KeyFile};
use countersign_model::{
    action::ActionSet,
    identity::Kind,
    registry::{SigningAlg, TenantRole},
    token::AccessClaims,
};
use countersign_server::{clock::system_now, config::Config, key_file};
use serde_json::json;

/// The issuer of the server that is measured.
pub const ISSUER: &str = "http://127.0.0.1:8080";
/// The resource server whose tokens are ES256.
pub const ES256: &str = "https://deploy.example";
/// The resource server whose tokens are RS256.
pub const RS256: &str = "https://legacy.example";
/// What the identities do.
pub const ACTION: &str = "deploy.release";
/// The project of everything that is measured.
pub const PROJECT: &str = "bench";
/// Comes with every tenant.
const ENVIRONMENT: &str = "staging";
const SERVING: &str = "resource-server";
const WORKER: &str = "worker";

/// A client and its secret.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// Who calls.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// They get tokens.
    pub clients: Vec<Client>,
    /// It runs both resource servers, and introspects.
    pub serving: Option<Client>,
    /// It takes executions.
    pub worker: Option<Client>,
    /// The session of the owner of all that.
    pub owner: Option<Secret<String>>,
}

/// The application on this data. Nobody else may use the data meanwhile.
///
/// # Errors
/// When the data cannot be used.
pub fn open(data: &Path, database: Option<&str>) -> anyhow::Result<Authority> {
    let opened = key(data)?;
    let store = match database {
        Some(url) => StoreConfig::postgres(url),
        None => StoreConfig::sqlite(data),
    };
    let settings = Settings {
        issuer: ISSUER.to_owned(),
        trust_domain: "example".to_owned(),
    };
    Ok(Authority::open(
        Store::open(store)?,
        settings,
        Secrets::new(opened)?,
        &ctx(),
    )?)
}

/// The key of this data, made when there is none. A server on PostgreSQL is given one and makes none.
///
/// # Errors
/// When it cannot be read or made.
pub fn key(data: &Path) -> anyhow::Result<KeyFile> {
    key_file::make_directory(data)?;
    Ok(key_file::open(&in_directory(data), |name| std::env::var(name).ok())?.key)
}

/// Where the key of this data is.
#[must_use]
pub fn key_path(data: &Path) -> PathBuf {
    in_directory(data).key_file()
}

fn in_directory(data: &Path) -> Config {
    let mut config = Config::default();
    config.data.dir = Some(data.to_owned());
    config
}

/// As a request from the generator has it.
pub fn ctx() -> Ctx {
    Ctx {
        now: system_now(),
        source: Some("127.0.0.1".to_owned()),
        sender: countersign_crypto::Sender::NOBODY,
        certificate: None,
    }
}

impl World {
    /// Makes it.
    ///
    /// # Errors
    /// When something is refused.
    pub fn make(authority: &Authority, identities: usize) -> anyhow::Result<Self> {
        let owner = Owner::new(authority)?;
        owner.rsa_key()?;
        let project = CreateProject {
            name: PROJECT.parse()?,
            description: "measured".to_owned(),
            members: Vec::new(),
            allowed_actions: None,
        };
        owner.run(project)?;
        owner.run(identity(Kind::ServiceAccount, SERVING)?)?;
        for (name, signing_alg) in [(ES256, SigningAlg::Es256), (RS256, SigningAlg::Rs256)] {
            owner.run(CreateAudience {
                name: name.parse()?,
                signing_alg,
                served_by: vec![SERVING.to_owned()],
                max_feed_age_seconds: None,
                max_feed_age_irreversible_seconds: None,
                description: String::new(),
                tenant_issuer: "https://countersign.example".to_owned(),
            })?;
        }
        let mut worker = identity(Kind::ServiceAccount, WORKER)?;
        worker.allowed_actions = actions(&["execution.claim"])?;
        owner.run(worker)?;
        let mut world = Self {
            clients: Vec::new(),
            serving: Some(owner.client(SERVING)?.wait()?),
            worker: Some(owner.client(WORKER)?.wait()?),
            owner: Some(owner.session.clone()),
        };
        let names: Vec<String> = (0..identities)
            .map(|number| format!("service-{number:05}"))
            .collect();
        for group in names.chunks(AT_ONCE) {
            let mut making = Vec::with_capacity(group.len());
            for name in group {
                let mut wanted = identity(Kind::ServiceAccount, name)?;
                wanted.audiences = vec![ES256.to_owned(), RS256.to_owned()];
                wanted.environments = Some(vec![ENVIRONMENT.parse()?]);
                wanted.allowed_actions = actions(&ACTIONS)?;
                making.push(authority.execute(&ctx(), &owner.permit, wanted));
            }
            for made in making {
                made.wait().map_err(told)?;
            }
            let secrets: Vec<_> = group
                .iter()
                .map(|name| owner.client(name))
                .collect::<Result<_, _>>()?;
            for secret in secrets {
                world.clients.push(secret.wait()?);
            }
        }
        Ok(world)
    }

    /// A request for an ES256 token, as the server would read it from the form.
    ///
    /// # Errors
    /// When there is no such client.
    pub fn request(&self, tenant: &Arc<Tenant>, number: usize) -> anyhow::Result<TokenRequest> {
        let client = self
            .clients
            .get(number % self.clients.len().max(1))
            .context("no clients")?;
        Ok(TokenRequest {
            tenant: Arc::clone(tenant),
            grant: GrantType::ClientCredentials,
            proof: ClientProof::Secret {
                client_id: client.id.clone(),
                secret: Secret::new(client.secret.clone()),
                method: "client_secret_post",
            },
            scope: None,
            audience: Some(ES256.to_owned()),
            resource: None,
            environment: None,
            authorization_details: None,
            approval_id: None,
            run: None,
        })
    }
}

/// Plans a token as the token endpoint does, up to the point of recording it.
///
/// # Errors
/// When it is refused.
pub fn plan(authority: &Authority, request: &TokenRequest) -> anyhow::Result<IssuePlan> {
    let ctx = ctx();
    drive(authority, |facts| {
        let authenticated = authority.authenticate_client(&ctx, request, facts)?;
        authority.plan_token(&ctx, request, &authenticated, facts)
    })
}

/// What recording said, as an error for people.
pub fn not_recorded(error: RecordError) -> anyhow::Error {
    match error {
        RecordError::Stale => anyhow!("a record changed meanwhile"),
        RecordError::Rejected(rejection) => told(rejection),
    }
}

/// Claims as long as those of a real token.
///
/// # Errors
/// Never: the text is one of a token.
pub fn claims() -> anyhow::Result<AccessClaims> {
    let id = "0196e3f2-9a70-7cc3-98c4-dc0c0c07398f";
    Ok(serde_json::from_value(json!({
        "iss": ISSUER, "sub": "service_account://bench/service-00001", "aud": ES256, "exp": 1_795_000_600, "iat": 1_795_000_000,
        "jti": id, "client_id": "service-00001", "txn": id, "identity_id": id, "identity_type": "service_account",
        "identity_kind": "service_account", "tenant_id": id, "project_id": id, "credential_id": id,
        "actions": ACTIONS, "environment": ENVIRONMENT, "sub_profile": "service",
        "gen": { "tenant": 0, "project": 0, "identity": 0, "credential": 0 },
    }))?)
}

/// Who makes all that: an owner, signed in by a code.
struct Owner<'a> {
    authority: &'a Authority,
    tenant: Arc<Tenant>,
    permit: Permit,
    session: Secret<String>,
}

impl<'a> Owner<'a> {
    fn new(authority: &'a Authority) -> anyhow::Result<Self> {
        let ctx = ctx();
        let tenant = authority.tenant(None).context("no tenant")?;
        let code = EnrolmentCode::new(
            "dana@example.com".parse()?,
            Some(TenantRole::Owner),
            None,
            false,
            ctx.now,
        );
        let entering = authority.system_permit(&ctx, &tenant);
        let signed_in = authority
            .execute(&ctx, &entering, UseCode { code })
            .wait()
            .map_err(told)?;
        let plan = drive(authority, |facts| {
            authority.plan_session(&ctx, &tenant, &signed_in, &entering, facts)
        })?;
        let recorded = authority.record(plan).wait().map_err(not_recorded)?;
        let released = authority.release(&ctx, &tenant, &[], recorded)?;
        let verified = authority.verify_token(
            &ctx,
            &tenant,
            &released.access_token,
            Some(ISSUER),
            countersign_authority::tokens::Shown::Presented(&countersign_crypto::Sender::NOBODY),
        );
        let verified = verified.map_err(|not| anyhow!(not.refusal.detail))?;
        let permit = drive(authority, |facts| authority.permit(&verified, facts))?;
        Ok(Self {
            authority,
            tenant,
            permit,
            session: Secret::new(released.access_token),
        })
    }

    fn run<C: Command>(&self, command: C) -> anyhow::Result<C::Output> {
        self.authority
            .execute(&ctx(), &self.permit, command)
            .wait()
            .map_err(told)
    }

    /// An RSA key: kept for who asks for RS256.
    fn rsa_key(&self) -> anyhow::Result<()> {
        let (ctx, using) = (ctx(), Use::Access(SigningAlg::Rs256));
        let row = signing_keys::make(
            &ctx,
            &self.authority.secrets().key_file,
            self.tenant.id,
            using,
            ctx.now,
        )?;
        self.run(AddKey {
            row,
            using,
            kill: None,
            reason: None,
            unless_present: true,
        })?;
        Ok(())
    }

    fn client(&self, identity: &str) -> anyhow::Result<Making> {
        let (secret, text) = NewSecret::client_secret(&self.authority.secrets().pepper);
        let command = CreateCredential {
            identity: identity.to_owned(),
            label: "first".to_owned(),
            secret,
            expires_at: None,
            reason: None,
        };
        let client = Client {
            id: identity.to_owned(),
            secret: text.expose().clone(),
        };
        let made = self.authority.execute(&ctx(), &self.permit, command);
        Ok(Making(Box::new(move || {
            made.wait().map(|_| client).map_err(told)
        })))
    }
}

/// A client on its way.
struct Making(Box<dyn FnOnce() -> anyhow::Result<Client>>);

impl Making {
    fn wait(self) -> anyhow::Result<Client> {
        (self.0)()
    }
}

fn identity(kind: Kind, name: &str) -> anyhow::Result<CreateIdentity> {
    let mut wanted = CreateIdentity::new(kind, name.parse()?, "example");
    wanted.project = Some(PROJECT.to_owned());
    wanted.purpose = Some("measured".to_owned());
    Ok(wanted)
}

fn actions(names: &[&str]) -> anyhow::Result<ActionSet> {
    let actions: Result<BTreeSet<_>, _> = names.iter().map(|text| text.parse()).collect();
    Ok(ActionSet(actions?))
}

fn drive<T>(
    authority: &Authority,
    decide: impl Fn(&Facts) -> Result<T, Stop>,
) -> anyhow::Result<T> {
    let mut facts = authority.facts();
    loop {
        facts.restart();
        match decide(&facts) {
            Ok(decided) => return Ok(decided),
            Err(Stop::Need(need)) => {
                let found = facts.look_up(authority.store(), &need).wait()?;
                facts.supply(need, found)?;
            }
            Err(Stop::Refused(refusal)) => return Err(anyhow!(refusal.detail)),
            Err(Stop::Fault(fault)) => return Err(fault.into()),
        }
    }
}

fn told(rejection: Rejection) -> anyhow::Error {
    match rejection {
        Rejection::Recorded(refusal) | Rejection::Refused(refusal) => anyhow!(refusal.detail),
        Rejection::Fault(fault) => fault.into(),
    }
}

const ACTIONS: [&str; 3] = ["artifact.read", "deploy.release", "deploy.rollback"];

/// How many commands wait for one commit.
const AT_ONCE: usize = 200;
