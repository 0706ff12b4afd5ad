//! What a revocation would kill, before anybody makes it.

use countersign_model::{
    Id, Timestamp,
    evidence::Grain,
    id,
    permission::Person,
    registry::{Noun, Record, Relation, Status, TenantRole},
    time::Seconds,
};
use countersign_store::{Tx, chains, records, sessions};

use super::{Issued, issued, of_run, under, unknown};
use crate::{
    command::Permit,
    evidence::terms,
    long_lived,
    registry::{reading, rights},
    rejection::{Rejection, refuse},
    rows,
};

/// The longest life of a token that is in no chain: older records need not be looked at.
const SHORT: Seconds = Seconds(countersign_model::SHORT_LIVED_SECONDS);

/// How many names a preview lists.
const LISTED: usize = 100;

/// What dies.
#[derive(Debug, Clone)]
pub struct Preview {
    /// At which grain.
    pub grain: Grain,
    /// What people call it.
    pub name: String,
    /// The things whose tokens die, or that die themselves: at most a hundred.
    pub dies: Vec<Dying>,
    /// How many there are.
    pub count: usize,
    /// How many live tokens die, where that can be said quickly.
    pub live_tokens: Option<u64>,
}

/// One thing that dies, or whose tokens do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dying {
    /// What it is.
    pub what: &'static str,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// Says what a revocation would kill. Changes nothing.
///
/// # Errors
/// `not_found` or `forbidden` as the revocation would answer, or a fault.
pub fn preview(
    tx: &mut Tx<'_>,
    permit: &Permit,
    grain: Grain,
    target: &str,
    now: Timestamp,
) -> Result<Preview, Rejection> {
    let person = reading::reader(tx, permit)?;
    let looking = Looking {
        tenant: permit.tenant_id(),
        person,
        grain,
        target,
        now,
    };
    match grain {
        Grain::Chain => looking.chain(tx),
        Grain::Credential | Grain::TrustRule => looking.credential(tx, permit),
        Grain::Identity => looking.identity(tx, permit),
        Grain::Issuer => looking.issuer(tx, permit),
        Grain::Project => looking.project(tx, permit),
        Grain::Run => looking.run(tx),
        Grain::Tenant => looking.tenant(tx, permit),
        Grain::Token => looking.token(tx),
    }
}

struct Looking<'a> {
    tenant: Id<id::Tenant>,
    person: Person,
    grain: Grain,
    target: &'a str,
    now: Timestamp,
}

impl Looking<'_> {
    fn answer(&self, name: &str, mut dies: Vec<Dying>, live_tokens: Option<u64>) -> Preview {
        let count = dies.len();
        dies.truncate(LISTED);
        Preview {
            grain: self.grain,
            name: name.to_owned(),
            dies,
            count,
            live_tokens,
        }
    }

    fn chain(&self, tx: &mut Tx<'_>) -> Result<Preview, Rejection> {
        let unknown = || unknown("renewal chain", self.target);
        let id: Id<id::Chain> = self.target.parse().map_err(|_| unknown())?;
        let chain = chains::by_id(tx, id)?.filter(|chain| chain.tenant_id == self.tenant);
        let Some(chain) = chain else {
            return self.session(tx, id.cast());
        };
        let holder = rows::by_id(tx, self.tenant, chain.principal_id)?.ok_or_else(unknown)?;
        let own = chain.principal_id == self.person.user_id.cast();
        let managed = holder.noun == Noun::Identity && self.manages(tx, &holder)?;
        if !own && !managed && self.person.role != TenantRole::Owner {
            return Err(unknown());
        }
        let live = chain.live(self.now).count();
        let live = u64::try_from(live).unwrap_or(u64::MAX);
        Ok(self.answer(&holder.name, Vec::new(), Some(live)))
    }

    /// A person's sign-in, and what it gave out within the hour.
    fn session(&self, tx: &mut Tx<'_>, id: Id<id::Session>) -> Result<Preview, Rejection> {
        let unknown = || unknown("renewal chain", self.target);
        let session = sessions::by_id(tx, id)?.ok_or_else(unknown)?;
        let own = session.user_id == self.person.user_id;
        if session.tenant_id != self.tenant || !(own || self.person.role == TenantRole::Owner) {
            return Err(unknown());
        }
        let holder = rows::by_id(tx, self.tenant, session.user_id.cast())?.ok_or_else(unknown)?;
        let live = self.live(tx, &terms::term("chain", self.target), |_| true)?;
        Ok(self.answer(&holder.name, Vec::new(), Some(live)))
    }

    fn must_own_tenant(&self) -> Result<(), Rejection> {
        rights::must_own_tenant(&self.person, "revoke this")
    }

    fn manages(&self, tx: &mut Tx<'_>, identity: &Record) -> Result<bool, Rejection> {
        let doc = rights::doc(identity.identity())?;
        let project = rows::by_id(tx, self.tenant, doc.project_id.cast())?;
        let project = project.as_ref().and_then(|record| record.project());
        Ok(self.person.role != TenantRole::Auditor
            && project.is_some_and(|project| self.person.manages(doc, project)))
    }

    fn live(
        &self,
        tx: &mut Tx<'_>,
        term: &str,
        keep: impl Fn(&Issued) -> bool,
    ) -> Result<u64, Rejection> {
        let from = self.now - SHORT;
        let (found, _) = under(tx, self.tenant, term.to_owned(), Some(from))?;
        Ok(found
            .iter()
            .filter(|token| token.expires_at > self.now && keep(token))
            .count() as u64)
    }

    fn token(&self, tx: &mut Tx<'_>) -> Result<Preview, Rejection> {
        let Some(token) = issued(tx, self.tenant, self.target)? else {
            return Err(unknown("token", self.target));
        };
        let mine = match token.identity_id {
            Some(identity) => match rows::by_id(tx, self.tenant, identity.cast())? {
                Some(record) => self.manages(tx, &record)?,
                None => false,
            },
            None => token.holder == Some(self.person.user_id),
        };
        if !mine && self.person.role != TenantRole::Owner {
            return Err(unknown("token", self.target));
        }
        let dying = |what, id| Dying {
            what,
            id,
            name: Some(token.subject.clone()),
        };
        let mut dies = vec![dying("token", self.target.to_owned())];
        let mut live = usize::from(token.expires_at > self.now);
        if let Some(chain) = token.chain(tx, self.tenant, self.now)? {
            dies.push(dying("chain", chain.id.to_string()));
            live = chain.live(self.now).count();
        }
        Ok(self.answer(&token.subject, dies, Some(live as u64)))
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Preview, Rejection> {
        let (mut dies, mut live) = (Vec::new(), 0);
        for token in of_run(tx, self.tenant, self.target)?.0 {
            let identity = match token.identity_id {
                Some(identity) => rows::by_id(tx, self.tenant, identity.cast())?,
                None => None,
            };
            let Some(identity) = identity else { continue };
            if self.person.role != TenantRole::Owner && !self.manages(tx, &identity)? {
                continue;
            }
            live += u64::from(token.expires_at > self.now);
            let dying = Dying {
                what: "run",
                id: token.run_key.unwrap_or_default(),
                name: Some(identity.name),
            };
            if !dies.contains(&dying) {
                dies.push(dying);
            }
        }
        if dies.is_empty() && self.person.role != TenantRole::Owner {
            return Err(unknown("run", self.target));
        }
        Ok(self.answer(self.target, dies, Some(live)))
    }

    fn credential(&self, tx: &mut Tx<'_>, permit: &Permit) -> Result<Preview, Rejection> {
        let record = reading::locate(tx, permit, Noun::Credential, self.target)?;
        let identity = rights::doc(record.credential())?.identity_id;
        let managed = match rows::by_id(tx, self.tenant, identity.cast())? {
            Some(identity) => self.manages(tx, &identity)?,
            None => false,
        };
        if !managed || record.status == Status::Deleted {
            return Err(rights::not_found(Noun::Credential, self.target));
        }
        let live = self.live(
            tx,
            &terms::term("credential", &record.id.to_string()),
            |token| token.identity_id == Some(identity),
        )?;
        Ok(self.answer(&record.name, vec![dying("credential", &record)], Some(live)))
    }

    fn identity(&self, tx: &mut Tx<'_>, permit: &Permit) -> Result<Preview, Rejection> {
        let record = reading::visible_identity(tx, permit, &self.person, self.target)?;
        if !self.manages(tx, &record)? {
            return refuse(
                countersign_model::reason::Reason::Forbidden,
                "only its managers can revoke its tokens",
            );
        }
        let own: Id<id::Identity> = record.id.cast();
        let live = self.live(
            tx,
            &terms::term("identity", &record.id.to_string()),
            |token| token.identity_id == Some(own) && token.expires_at <= self.now + SHORT,
        )?;
        let chains = long_lived::chains_of(tx, record.id)?;
        let long = chains.iter().flat_map(|chain| chain.live(self.now)).count() as u64;
        Ok(self.answer(
            &record.name,
            vec![dying("identity", &record)],
            Some(live + long),
        ))
    }

    fn project(&self, tx: &mut Tx<'_>, permit: &Permit) -> Result<Preview, Rejection> {
        let record = reading::locate(tx, permit, Noun::Project, self.target)?;
        let doc = rights::doc(record.project())?;
        if self.person.role_in(doc).is_none() {
            return Err(rights::not_found(Noun::Project, self.target));
        }
        rights::must_own(&self.person, doc, "revoke its tokens")?;
        let living = |identity: &Record| identity.status != Status::Deleted;
        // A preview: what is revoked is the project, however many it has.
        let most = rows::WHOLE_LIST;
        let living =
            rows::children_up_to(tx, self.tenant, Noun::Identity, record.id, living, most)?;
        Ok(self.answer(
            &record.name,
            living
                .iter()
                .map(|identity| dying("identity", identity))
                .collect(),
            None,
        ))
    }

    fn issuer(&self, tx: &mut Tx<'_>, permit: &Permit) -> Result<Preview, Rejection> {
        self.must_own_tenant()?;
        let record = reading::locate(tx, permit, Noun::Issuer, self.target)?;
        let mut dies = vec![dying("issuer", &record)];
        for credential in rows::linked_to(tx, self.tenant, Relation::Trusts, record.id)? {
            if credential.status != Status::Deleted {
                dies.push(dying("trust rule", &credential));
            }
        }
        Ok(self.answer(&record.name, dies, None))
    }

    fn tenant(&self, tx: &mut Tx<'_>, permit: &Permit) -> Result<Preview, Rejection> {
        self.must_own_tenant()?;
        let record = reading::locate(tx, permit, Noun::Tenant, &self.tenant.to_string())?;
        let identities = records::count(tx, self.tenant, Noun::Identity)?;
        let mut preview = self.answer(&record.name, vec![dying("tenant", &record)], None);
        preview.count = usize::try_from(identities).unwrap_or_default();
        Ok(preview)
    }
}

fn dying(what: &'static str, record: &Record) -> Dying {
    Dying {
        what,
        id: record.id.to_string(),
        name: Some(record.name.clone()),
    }
}
