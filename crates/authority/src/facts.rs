//! Facts: what deciding looks at. A cache of versioned records, filled on use.
//!
//! Deciding asks a [`Facts`] view. What is not there stops it with a [`Need`]; the driver loads that
//! from the database (or the network), and decides again. Deciding therefore stays pure.

mod cache;
mod look_up;

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use countersign_crypto::jose::KeySet;
use countersign_model::{
    Id,
    approval::Approval,
    id,
    registry::{Noun, Record, Relation},
    run::Run,
};
use countersign_store::{Store, StoreError, Tx, approvals, records};

pub use cache::FactCache;
use look_up::Found;
pub use look_up::{LookUp, LookedUp};

use crate::{
    evidence,
    policy::{Catalogue, GuardRails},
    rejection::{Fault, Stop},
    rows,
};

/// A fact by its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Need {
    /// A request for approval.
    Approval(Id<id::Tenant>, Id<id::Approval>),
    /// The record that a name finds.
    Alias(Id<id::Tenant>, Noun, String),
    /// The actions of a tenant.
    Catalogue(Id<id::Tenant>),
    /// The records of a noun under a record: the credentials of an identity.
    Children(Id<id::Tenant>, Noun, Id<id::Record>),
    /// The guard rails of a tenant.
    GuardRails(Id<id::Tenant>),
    /// The run that a token was given to, from the record of its issue.
    IssuedRun(Id<id::Tenant>, Id<id::Evidence>),
    /// The keys of a foreign issuer, fetched over the network; the key that is wanted.
    IssuerKeys(Id<id::Issuer>, Option<String>),
    /// Who relates to a record: the teams that a user is in.
    LinkedTo(Id<id::Tenant>, Relation, Id<id::Record>),
    /// All records of a noun.
    List(Id<id::Tenant>, Noun),
    /// One record.
    Record(Id<id::Tenant>, Id<id::Record>),
}

/// What was found.
#[derive(Clone)]
pub enum Fact {
    /// A request for approval.
    Approval(Arc<Approval>),
    /// The actions.
    Catalogue(Arc<Catalogue>),
    /// Compiled guard rails.
    GuardRails(Arc<GuardRails>),
    /// Ids.
    Ids(Arc<[Id<id::Record>]>),
    /// Keys.
    Keys(Arc<KeySet>),
    /// Nothing has that key.
    Nothing,
    /// A record.
    Record(Arc<Record>),
    /// A run.
    Run(Arc<Run>),
}

impl Fact {
    /// Bytes, roughly: a record is a few hundred bytes of text besides its fixed parts.
    fn weight(&self) -> u32 {
        match self {
            Self::Record(_) | Self::Run(_) => 1536,
            Self::Ids(ids) => {
                u32::try_from(ids.len())
                    .unwrap_or(u32::MAX / 32)
                    .saturating_mul(16)
                    + 128
            }
            Self::Catalogue(_) | Self::GuardRails(_) | Self::Keys(_) => 64 * 1024,
            Self::Approval(_) | Self::Nothing => 64,
        }
    }
}

impl Need {
    /// The noun whose changes make a list stale. A record or alias is invalidated by itself.
    const fn noun(&self) -> Option<Noun> {
        match self {
            Self::Alias(..)
            | Self::Approval(..)
            | Self::IssuedRun(..)
            | Self::IssuerKeys(..)
            | Self::Record(..) => None,
            Self::Catalogue(_) => Some(Noun::Action),
            Self::Children(_, noun, _) | Self::List(_, noun) => Some(*noun),
            Self::GuardRails(_) => Some(Noun::Policy),
            Self::LinkedTo(_, relation, _) => Some(match relation {
                Relation::Approver
                | Relation::Asked
                | Relation::Audience
                | Relation::Manager
                | Relation::Owner
                | Relation::Sponsor => Noun::Identity,
                Relation::Belongs | Relation::Trusts => Noun::Credential,
                Relation::Member => Noun::Team,
                Relation::Observed => Noun::ObservedAccount,
                Relation::ServedBy => Noun::Audience,
            }),
        }
    }

    /// Looks it up in the database. Keys are not there: the driver fetches them.
    ///
    /// # Errors
    /// What the database says.
    pub fn load(&self, tx: &mut Tx<'_>) -> Result<Loaded, StoreError> {
        Ok(match self {
            Self::Alias(tenant, noun, name) => {
                Loaded::from(records::by_alias(tx, *tenant, *noun, name)?)
            }
            Self::Approval(tenant, id) => {
                match approvals::by_id(tx, *id)?.filter(|found| found.tenant_id == *tenant) {
                    Some(approval) => Loaded::Approval(Box::new(approval)),
                    None => Loaded::Nothing,
                }
            }
            Self::Catalogue(tenant) => Loaded::Records(rows::all(tx, *tenant, Noun::Action)?),
            Self::Children(tenant, noun, parent) => {
                Loaded::Records(rows::children(tx, *tenant, *noun, *parent)?)
            }
            Self::GuardRails(tenant) => Loaded::Records(rows::all(tx, *tenant, Noun::Policy)?),
            Self::IssuedRun(tenant, jti) => evidence::run_of_token(tx, *tenant, *jti)?
                .map_or(Loaded::Nothing, |run| Loaded::Run(Box::new(run))),
            Self::IssuerKeys(..) => Loaded::Nothing,
            Self::LinkedTo(tenant, relation, target) => {
                Loaded::Records(rows::linked_to(tx, *tenant, *relation, *target)?)
            }
            Self::List(tenant, noun) => Loaded::Records(rows::all(tx, *tenant, *noun)?),
            Self::Record(tenant, record) => Loaded::from(rows::by_id(tx, *tenant, *record)?),
        })
    }
}

/// Rows that answer a need.
pub enum Loaded {
    /// A request for approval.
    Approval(Box<Approval>),
    /// None.
    Nothing,
    /// One.
    Record(Box<Record>),
    /// Several.
    Records(Vec<Record>),
    /// The run of a token.
    Run(Box<Run>),
}

impl From<Option<Record>> for Loaded {
    fn from(record: Option<Record>) -> Self {
        record.map_or(Self::Nothing, |record| Self::Record(Box::new(record)))
    }
}

/// The facts of one request: the shared cache, and what was loaded for it.
pub struct Facts {
    cache: Arc<FactCache>,
    loaded: HashMap<Need, Fact>,
    /// The versions that were looked at, which recording compares.
    used: RefCell<Vec<(Id<id::Record>, i64)>>,
}

impl Facts {
    /// A view of the cache with nothing of its own yet.
    #[must_use]
    pub fn new(cache: Arc<FactCache>) -> Self {
        Self {
            cache,
            loaded: HashMap::new(),
            used: RefCell::new(Vec::new()),
        }
    }

    /// Starts to look up what was needed, in the database. Give what comes of it to [`Self::supply`].
    pub fn look_up(&self, store: &Store, need: &Need) -> LookUp {
        let mark = self.cache.mark();
        let wanted = need.clone();
        if store.reads_inline() {
            let found = store.read_inline(move |tx| wanted.load(tx));
            return LookUp {
                mark,
                found: Found::Now(Box::new(Some(found))),
            };
        }
        LookUp {
            mark,
            found: Found::Later(store.read(move |tx| wanted.load(tx))),
        }
    }

    /// Takes what was looked up.
    ///
    /// # Errors
    /// A stored guard rail that does not compile.
    pub fn supply(&mut self, need: Need, found: LookedUp) -> Result<(), Fault> {
        self.take(found.mark, need, found.loaded)
    }

    fn take(&mut self, mark: u64, need: Need, loaded: Loaded) -> Result<(), Fault> {
        let fact = match (&need, loaded) {
            (_, Loaded::Nothing) => Fact::Nothing,
            (_, Loaded::Approval(approval)) => Fact::Approval(Arc::from(approval)),
            (_, Loaded::Run(run)) => Fact::Run(Arc::from(run)),
            (Need::Alias(tenant, ..), Loaded::Record(record)) => {
                let ids = Fact::Ids(Arc::from([record.id]));
                let by_id = Need::Record(*tenant, record.id);
                self.remember(mark, by_id, Fact::Record(Arc::from(record)));
                ids
            }
            (_, Loaded::Record(record)) => Fact::Record(Arc::from(record)),
            (Need::Catalogue(_), Loaded::Records(records)) => {
                let actions = records.iter().filter_map(Record::action).cloned();
                Fact::Catalogue(Arc::new(Catalogue::new(actions)))
            }
            (Need::GuardRails(_), Loaded::Records(records)) => {
                let policies: Vec<_> = records
                    .iter()
                    .filter_map(Record::policy)
                    .map(|doc| (doc.name.clone(), doc.cedar.clone()))
                    .collect();
                let compiled = GuardRails::compile(&policies).map_err(|error| {
                    Fault::Invariant(format!("a stored guard rail does not compile: {error}"))
                })?;
                Fact::GuardRails(Arc::new(compiled))
            }
            (_, Loaded::Records(records)) => {
                let ids: Vec<_> = records.iter().map(|record| record.id).collect();
                for record in records {
                    self.remember(
                        mark,
                        Need::Record(record.tenant_id, record.id),
                        Fact::Record(Arc::new(record)),
                    );
                }
                Fact::Ids(ids.into())
            }
        };
        self.remember(mark, need, fact);
        Ok(())
    }

    /// Gives the keys that were fetched for an issuer.
    pub fn supply_keys(&mut self, need: Need, keys: Arc<KeySet>) {
        self.loaded.insert(need, Fact::Keys(keys));
    }

    fn remember(&mut self, mark: u64, need: Need, fact: Fact) {
        self.cache.keep(mark, &need, &fact);
        self.loaded.insert(need, fact);
    }

    fn get(&self, need: Need) -> Result<Fact, Stop> {
        match self.loaded.get(&need) {
            Some(fact) => Ok(fact.clone()),
            None => self.cache.find(&need).ok_or(Stop::Need(need)),
        }
    }

    /// The record with this id, and notes its version for recording.
    ///
    /// # Errors
    /// A [`Need`] when it is not known yet.
    pub fn record<K: id::Kind>(
        &self,
        tenant: Id<id::Tenant>,
        record: Id<K>,
    ) -> Result<Option<Arc<Record>>, Stop> {
        match self.get(Need::Record(tenant, record.cast()))? {
            Fact::Record(record) => {
                self.note(&record);
                Ok(Some(record))
            }
            _ => Ok(None),
        }
    }

    /// The record that a name finds.
    ///
    /// # Errors
    /// A [`Need`] when it is not known yet.
    pub fn named(
        &self,
        tenant: Id<id::Tenant>,
        noun: Noun,
        name: &str,
    ) -> Result<Option<Arc<Record>>, Stop> {
        match self.get(Need::Alias(tenant, noun, name.to_owned()))? {
            Fact::Ids(ids) => match ids.first() {
                Some(record) => self.record(tenant, *record),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The living and dead records of a noun under a record.
    ///
    /// # Errors
    /// A [`Need`] when they are not known yet.
    pub fn children(
        &self,
        tenant: Id<id::Tenant>,
        noun: Noun,
        parent: Id<id::Record>,
    ) -> Result<Vec<Arc<Record>>, Stop> {
        self.several(tenant, Need::Children(tenant, noun, parent))
    }

    /// All records of a noun.
    ///
    /// # Errors
    /// A [`Need`] when they are not known yet.
    pub fn all(&self, tenant: Id<id::Tenant>, noun: Noun) -> Result<Vec<Arc<Record>>, Stop> {
        self.several(tenant, Need::List(tenant, noun))
    }

    /// Who relates to a record.
    ///
    /// # Errors
    /// A [`Need`] when it is not known yet.
    pub fn linked_to(
        &self,
        tenant: Id<id::Tenant>,
        relation: Relation,
        target: Id<id::Record>,
    ) -> Result<Vec<Arc<Record>>, Stop> {
        self.several(tenant, Need::LinkedTo(tenant, relation, target))
    }

    fn several(&self, tenant: Id<id::Tenant>, need: Need) -> Result<Vec<Arc<Record>>, Stop> {
        let Fact::Ids(ids) = self.get(need)? else {
            return Ok(Vec::new());
        };
        let mut records = Vec::with_capacity(ids.len());
        for id in ids.iter() {
            // Not noted: recording compares what decided, not every neighbour.
            if let Fact::Record(record) = self.get(Need::Record(tenant, *id))? {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// A request for approval, as it stands in the database now.
    ///
    /// # Errors
    /// A [`Need`] when it is not known yet.
    pub fn approval(
        &self,
        tenant: Id<id::Tenant>,
        approval: Id<id::Approval>,
    ) -> Result<Option<Arc<Approval>>, Stop> {
        match self.get(Need::Approval(tenant, approval))? {
            Fact::Approval(approval) => Ok(Some(approval)),
            _ => Ok(None),
        }
    }

    /// The run that a token was given to, from the record of its issue.
    ///
    /// # Errors
    /// A [`Need`] when it is not known yet.
    pub fn issued_run(
        &self,
        tenant: Id<id::Tenant>,
        jti: Id<id::Evidence>,
    ) -> Result<Option<Arc<Run>>, Stop> {
        match self.get(Need::IssuedRun(tenant, jti))? {
            Fact::Run(run) => Ok(Some(run)),
            _ => Ok(None),
        }
    }

    /// The tenant's actions.
    ///
    /// # Errors
    /// A [`Need`] when they are not known yet.
    pub fn catalogue(&self, tenant: Id<id::Tenant>) -> Result<Arc<Catalogue>, Stop> {
        match self.get(Need::Catalogue(tenant))? {
            Fact::Catalogue(catalogue) => Ok(catalogue),
            _ => Ok(Arc::new(Catalogue::new([]))),
        }
    }

    /// The tenant's guard rails.
    ///
    /// # Errors
    /// A [`Need`] when they are not known yet, or a fault: without guard rails nothing is allowed.
    pub fn guard_rails(&self, tenant: Id<id::Tenant>) -> Result<Arc<GuardRails>, Stop> {
        match self.get(Need::GuardRails(tenant))? {
            Fact::GuardRails(rails) => Ok(rails),
            _ => Err(Fault::Invariant("no guard rails were compiled".to_owned()).into()),
        }
    }

    /// The keys of a foreign issuer.
    ///
    /// # Errors
    /// A [`Need`] when they were not fetched yet.
    pub fn issuer_keys(
        &self,
        issuer: Id<id::Issuer>,
        kid: Option<&str>,
    ) -> Result<Arc<KeySet>, Stop> {
        let need = Need::IssuerKeys(issuer, kid.map(str::to_owned));
        match self.get(need.clone())? {
            Fact::Keys(keys) => Ok(keys),
            _ => Err(Stop::Need(need)),
        }
    }

    /// Starts deciding again: forgets which versions were looked at, keeps what was loaded.
    pub fn restart(&mut self) {
        self.used.borrow_mut().clear();
    }

    /// Recording found a newer version: forgets all that was loaded and what the cache has of it.
    pub fn forget(&mut self, tenant: Id<id::Tenant>) {
        for (record, _) in self.used.borrow_mut().drain(..) {
            self.cache.facts.remove(&Need::Record(tenant, record));
        }
        self.loaded.clear();
    }

    /// The records that deciding looked at, with their versions.
    #[must_use]
    pub fn used(&self) -> Vec<(Id<id::Record>, i64)> {
        self.used.borrow().clone()
    }

    fn note(&self, record: &Record) {
        let mut used = self.used.borrow_mut();
        if !used.iter().any(|(id, _)| *id == record.id) {
            used.push((record.id, record.version));
        }
    }
}
