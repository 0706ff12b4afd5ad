//! What is weak about identities: gathered from the registry and the newest evidence, judged by
//! [`countersign_model::finding`].

use std::collections::BTreeSet;

use countersign_crypto::opaque::Pepper;
use countersign_model::{
    Timestamp,
    action::{ActionClass, ActionSet},
    evidence::Event,
    finding::{self, DORMANT, Finding, FindingSeverity, LiveCredential, Looked, People, Weakness},
    name::EnvironmentName,
    registry::{
        CredentialDoc, CredentialSecret, CredentialType, IdentityDoc, Noun, Record, Status,
    },
};
use countersign_store::{Tx, seen};

use crate::{
    command::Permit,
    evidence::{
        search::{self, Search},
        terms::{CHANGED_ALONE, term},
    },
    federation, long_lived,
    policy::Catalogue,
    refusals::address_prefix,
    registry::{
        PageQuery,
        circle::Circle,
        identities::{self, IdentityFilter},
        reading::{self, Page},
        rights,
    },
    rejection::Rejection,
    rows,
};

/// How many identities one page looks at: each costs some searches.
pub const MOST_LOOKED_AT: u32 = 50;

/// How many of the newest records a search looks through: enough to see a habit, read in a moment.
const NEWEST: u32 = 100;

/// Which findings.
#[derive(Debug, Clone, Default)]
pub struct FindingFilter {
    /// Of which identities.
    pub identities: IdentityFilter,
    /// Only these weaknesses.
    pub weakness: Option<Weakness>,
    /// Only those that are at least so urgent.
    pub severity: Option<FindingSeverity>,
}

/// A page of identities, and what is weak about each.
#[derive(Debug)]
pub struct Findings {
    /// The identities that have findings. A page may have none and still a next one.
    pub page: Page,
    /// For each identity of the page, in its order, never empty.
    pub found: Vec<Vec<Finding>>,
}

/// What is weak about the identities that a person may see.
///
/// # Errors
/// `not_found` when a filter names what is not there, or a fault.
pub fn list(
    tx: &mut Tx<'_>,
    permit: &Permit,
    filter: &FindingFilter,
    query: &PageQuery,
    look: &Look<'_>,
) -> Result<Findings, Rejection> {
    let query = PageQuery {
        limit: query.limit.min(MOST_LOOKED_AT),
        ..query.clone()
    };
    let mut page = identities::list(tx, permit, &filter.identities, &query)?;
    let all = of_page(tx, permit, &page, look)?;
    let (mut kept, mut found) = (Vec::new(), Vec::new());
    for (listed, mut findings) in page.items.into_iter().zip(all) {
        findings.retain(|finding| filter.keeps(finding));
        if !findings.is_empty() {
            kept.push(listed);
            found.push(findings);
        }
    }
    page.items = kept;
    Ok(Findings { page, found })
}

/// What is weak about each identity of a page, in its order.
///
/// # Errors
/// A fault.
pub fn of_page(
    tx: &mut Tx<'_>,
    permit: &Permit,
    page: &Page,
    look: &Look<'_>,
) -> Result<Vec<Vec<Finding>>, Rejection> {
    let mut place = Place::of(tx, permit)?;
    let each = page.items.iter();
    each.map(|listed| look.at(tx, &listed.record, listed.seen.as_ref(), &mut place))
        .collect()
}

/// What is weak about one identity, which the caller has already been shown.
///
/// # Errors
/// A fault.
pub fn of(
    tx: &mut Tx<'_>,
    permit: &Permit,
    shown: &reading::Shown,
    look: &Look<'_>,
) -> Result<Vec<Finding>, Rejection> {
    let mut place = Place::of(tx, permit)?;
    look.at(tx, &shown.record, shown.seen.as_ref(), &mut place)
}

impl FindingFilter {
    fn keeps(&self, finding: &Finding) -> bool {
        self.weakness
            .is_none_or(|wanted| finding.weakness == wanted)
            && self.severity.is_none_or(|least| finding.severity >= least)
    }
}

/// What it takes to look.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Now.
    pub now: Timestamp,
    /// What source addresses are indexed with.
    pub pepper: &'a Pepper,
}

impl Look<'_> {
    fn at(
        &self,
        tx: &mut Tx<'_>,
        record: &Record,
        seen: Option<&seen::Seen>,
        place: &mut Place,
    ) -> Result<Vec<Finding>, Rejection> {
        let identity = rights::doc(record.identity())?;
        let credentials = self.credentials(tx, record, place)?;
        let chains = long_lived::chains_of(tx, record.id)?;
        let used = self.used(tx, record)?;
        let people = place.people(tx, identity)?;
        let looked = Looked {
            identity,
            status: record.status,
            credentials: &credentials,
            chains: &chains,
            people,
            used: used.as_ref(),
            made_at: record.created_at,
            protected: &place.protected,
            irreversible: &place.irreversible(identity),
            last_active_at: seen.map_or(record.created_at, |seen| seen.last_seen_at),
            changed_alone_at: self.changed_alone_at(tx, record)?,
            now: self.now,
        };
        Ok(finding::findings(&looked))
    }

    fn credentials(
        &self,
        tx: &mut Tx<'_>,
        identity: &Record,
        place: &mut Place,
    ) -> Result<Vec<LiveCredential>, Rejection> {
        let (tenant, mut live) = (identity.tenant_id, Vec::new());
        for record in rows::children(tx, tenant, Noun::Credential, identity.id)? {
            let doc = rights::doc(record.credential())?;
            let over = doc.expires_at.is_some_and(|at| at <= self.now);
            if record.status != Status::Active || over {
                continue;
            }
            let credential_type = doc.credential_type();
            live.push(LiveCredential {
                id: record.name.clone(),
                credential_type,
                made_at: record.created_at,
                networks: self.networks(tx, &record, credential_type)?,
                ends_at: doc.expires_at,
                too_wide: place.too_wide(tx, doc)?,
            });
        }
        Ok(live)
    }

    /// From how many networks a static credential got tokens, among the newest records.
    fn networks(
        &self,
        tx: &mut Tx<'_>,
        credential: &Record,
        credential_type: CredentialType,
    ) -> Result<usize, Rejection> {
        if !credential_type.is_static() {
            // Runs of a platform come from wherever its runners are.
            return Ok(0);
        }
        let uses = Search {
            credential: Some(credential.id.to_string()),
            kind: Some("token_issued".to_owned()),
            limit: NEWEST,
            ..Search::default()
        };
        let page = search::search(tx, credential.tenant_id, &uses, self.pepper)?;
        let networks: BTreeSet<String> = page
            .records
            .iter()
            .filter_map(|found| match &found.record.event {
                Event::TokenIssued(issued) => issued.source_address.as_ref(),
                _ => None,
            })
            .filter_map(|address| address_prefix(address.shown()))
            .collect();
        Ok(networks.len())
    }

    /// What its resource servers reported lately that it did, among the newest records; none where none reports.
    fn used(&self, tx: &mut Tx<'_>, identity: &Record) -> Result<Option<ActionSet>, Rejection> {
        let reported = Search {
            identity: Some(identity.id.to_string()),
            term: Some(term("kind", "action")),
            since: Some(self.now - DORMANT),
            limit: NEWEST,
            ..Search::default()
        };
        let page = search::search(tx, identity.tenant_id, &reported, self.pepper)?;
        let used = page
            .records
            .iter()
            .filter_map(|found| match &found.record.event {
                Event::Action(action) => Some(action.action.clone()),
                _ => None,
            });
        let used: ActionSet = used.collect();
        // What was not read may have used the rest.
        let whole = page.next.is_none() && page.gaps.is_empty();
        Ok((whole && !used.is_empty()).then_some(used))
    }

    /// When one person alone last loosened what guards it, as far as that still matters.
    fn changed_alone_at(
        &self,
        tx: &mut Tx<'_>,
        identity: &Record,
    ) -> Result<Option<Timestamp>, Rejection> {
        let changes = Search {
            identity: Some(identity.id.to_string()),
            term: Some(term("changed", CHANGED_ALONE)),
            since: Some(self.now - DORMANT),
            limit: 1,
            ..Search::default()
        };
        // Found by a term of its own: no number of other changes stands before it.
        let page = search::search(tx, identity.tenant_id, &changes, self.pepper)?;
        Ok(page.records.first().map(|found| found.record.occurred_at))
    }
}

/// What the findings of a tenant's identities share.
struct Place {
    /// Its protected environments.
    protected: BTreeSet<EnvironmentName>,
    /// How much each of its actions can hurt.
    catalogue: Catalogue,
    /// Its people.
    circle: Circle,
}

impl Place {
    fn of(tx: &mut Tx<'_>, permit: &Permit) -> Result<Self, Rejection> {
        let environments = rows::all(tx, permit.tenant_id(), Noun::Environment)?;
        let docs = environments.iter().filter_map(Record::environment);
        let actions = rows::all(tx, permit.tenant_id(), Noun::Action)?;
        Ok(Self {
            protected: docs
                .filter(|doc| doc.protected)
                .map(|doc| doc.name.clone())
                .collect(),
            circle: Circle::of(tx, permit.tenant_id())?,
            catalogue: Catalogue::new(actions.iter().filter_map(Record::action).cloned()),
        })
    }

    /// How many are left who answer for it.
    fn people(&mut self, tx: &mut Tx<'_>, identity: &IdentityDoc) -> Result<People, Rejection> {
        let sponsors = self.circle.living(tx, identity.sponsor)?.len();
        let managers = self.circle.active(tx, identity.managers.iter().copied())?;
        Ok(People {
            sponsors,
            managers: managers.len(),
            others: self.circle.able > managers.len(),
        })
    }

    /// Why a trust rule would not be saved today.
    fn too_wide(
        &mut self,
        tx: &mut Tx<'_>,
        credential: &CredentialDoc,
    ) -> Result<Option<String>, Rejection> {
        let CredentialSecret::TrustRule(rule) = &credential.secret else {
            return Ok(None);
        };
        let protected: Vec<EnvironmentName> = self.protected.iter().cloned().collect();
        let issuer = self.circle.record(tx, rule.issuer_id)?;
        let Some(issuer) = issuer.and_then(Record::issuer) else {
            return Ok(None);
        };
        let wrong = federation::lint(rule, issuer, &protected);
        Ok(wrong.first().map(ToString::to_string))
    }

    /// Of what the identity may do, what cannot be undone.
    fn irreversible(&self, identity: &IdentityDoc) -> ActionSet {
        let may = identity
            .allowed_actions
            .difference(&identity.denied_actions);
        may.iter()
            .filter(|action| self.catalogue.class(action) == ActionClass::Irreversible)
            .cloned()
            .collect()
    }
}
