//! An incident: what a credential, run, token, program or person did between two times, from where, and what would
//! stop it. Read from the evidence.

use std::{collections::BTreeMap, str::FromStr};

use countersign_crypto::opaque::Pepper;
use countersign_model::{
    Id, SHORT_LIVED_SECONDS, Timestamp, chain,
    evidence::{Event, Grain, Role, Text},
    id,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{CredentialSecret, Noun, Record},
    time::Seconds,
};
use countersign_store::Tx;

use crate::{
    evidence::{
        search::{self, Found, Gap, Known, Page, Search},
        terms,
    },
    lineage,
    rejection::Rejection,
};

/// How many tokens of one page have what was done with them beside them.
const TOKENS: usize = 50;
/// How many records of each of them, the newest first.
const OF_A_TOKEN: u32 = 20;
/// How many tokens from before an incident are followed into it.
const EARLIER: u32 = 50;
/// How many source addresses of one page are looked up in what was before.
const SOURCES: usize = 20;

/// What an incident is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A long-lived token with all that renewed it.
    Chain(Id<id::Chain>),
    /// A credential, by id or public id.
    Credential(String),
    /// An identity, by id or name.
    Identity(String),
    /// A run, by its key or the platform's id.
    Run(String),
    /// A token.
    Token(Id<id::Evidence>),
    /// A user, by id or address.
    User(String),
}

impl FromStr for About {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        const FORMS: &str = "credential:ID run:ID token:JTI chain:ID identity:NAME user:EMAIL, each of at most 512 characters";
        let invalid = |what: String| Refusal::new(Reason::BadRequest, what);
        let known = text
            .split_once(':')
            .filter(|(_, value)| !value.is_empty() && value.len() <= 512);
        let Some((kind, value)) = known else {
            return Err(invalid(format!("an incident is about one of {FORMS}")));
        };
        let not_an_id = |error: id::InvalidId| invalid(error.to_string());
        Ok(match kind {
            "chain" => Self::Chain(value.parse().map_err(not_an_id)?),
            "credential" => Self::Credential(value.to_owned()),
            "identity" => Self::Identity(value.to_owned()),
            "run" => Self::Run(value.to_owned()),
            "token" => Self::Token(value.parse().map_err(not_an_id)?),
            "user" => Self::User(value.to_owned()),
            _ => {
                return Err(invalid(format!(
                    "`{kind}:` is nothing that an incident is about; one of {FORMS}"
                )));
            }
        })
    }
}

impl About {
    /// What was asked for, as it was written.
    fn given(&self) -> String {
        match self {
            Self::Chain(id) => id.to_string(),
            Self::Token(id) => id.to_string(),
            Self::Credential(text) | Self::Identity(text) | Self::Run(text) | Self::User(text) => {
                text.clone()
            }
        }
    }
}

/// Which part of it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// About what.
    pub about: &'a About,
    /// Recorded at or after.
    pub since: Timestamp,
    /// Recorded before.
    pub until: Timestamp,
    /// The last id of the page before.
    pub before: Option<Id<id::Evidence>>,
    /// At most so many records, beside what was done with the tokens among them.
    pub limit: u32,
}

/// An address that something came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The address.
    pub address: String,
    /// How many records of the page came from there.
    pub records: u32,
    /// Whether nothing had come from there before the incident; nothing when that was not looked up.
    pub first_time: Option<bool>,
}

/// What would stop it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containment {
    /// At which grain it is revoked.
    pub grain: Grain,
    /// What.
    pub target: String,
    /// What, for people.
    pub name: String,
}

/// What happened, the newest first.
#[derive(Debug, Clone)]
pub struct Incident {
    /// What it is about, for people.
    pub name: String,
    /// The records that the person may read.
    pub page: Page,
    /// Where they came from, those that came from there for the first time before the others.
    pub sources: Vec<Source>,
    /// What would stop it, the narrowest first.
    pub contain: Vec<Containment>,
    /// The tokens with which more was done than stands here, or may have been.
    pub truncated: Vec<Id<id::Evidence>>,
    /// What was done with tokens issued before this stands here only where its records name what it is about. Nothing on
    /// later pages, and of a token, of which nothing is left out.
    pub tokens_since: Option<Timestamp>,
}

/// Tells what happened.
///
/// # Errors
/// `not_found` when it is about what is not there, or a fault.
pub fn tell(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    person: &Person,
    asked: &Asked<'_>,
    pepper: &Pepper,
) -> Result<Incident, Rejection> {
    let subject = Subject::of(tx, tenant, asked.about)?;
    let wanted = Search {
        since: Some(asked.since),
        until: Some(asked.until),
        before: asked.before,
        limit: asked.limit,
        ..subject.search.clone()
    };
    let mut page = search::search(tx, tenant, &wanted, pepper)?;
    if let (About::Token(id), None, None) = (asked.about, asked.before, page.next)
        && let Some(Known::Found(found)) = search::by_id(tx, tenant, *id)?
        && (asked.since..asked.until).contains(&found.row.recorded_at)
    {
        page.records.push(*found);
    }
    let earlier = match asked.about {
        About::Token(_) => None,
        _ if asked.before.is_some() => None,
        about => Some(Earlier::of(tx, tenant, about, &wanted, person, pepper)?),
    };
    let (earlier, tokens_since) = earlier.map_or((Vec::new(), None), |earlier| {
        (earlier.tokens, Some(earlier.since))
    });
    let mut truncated = done_with_tokens(tx, tenant, &wanted, &mut page, &earlier, pepper)?;
    lineage::retain_readable(tx, tenant, person, &mut page)?;
    truncated.retain(|token| {
        let mut records = page.records.iter();
        earlier.contains(token) || records.any(|found| found.record.id == *token)
    });
    let identity = page.records.iter().find_map(|found| found.row.identity_id);
    // A run is new whenever it runs: where it came from is new when its program never came from there.
    let baseline = match (asked.about, identity) {
        (About::Chain(_) | About::Run(_) | About::Token(_), Some(identity)) => Search {
            identity: Some(identity.to_string()),
            ..Search::default()
        },
        _ => subject.search.clone(),
    };
    let sources = sources(tx, tenant, &page, &baseline, asked.since, pepper)?;
    let mut contain = subject.contain;
    let mut name = subject.name;
    // Who may read nothing of it does not learn from here what it is called.
    if page.records.is_empty() && page.gaps.is_empty() && !person.reads_evidence() {
        contain.clear();
        name = asked.about.given();
    }
    if !matches!(asked.about, About::Identity(_) | About::User(_)) {
        let named = page.records.iter().find_map(program);
        contain.extend(named.map(|(target, name)| Containment {
            grain: Grain::Identity,
            target,
            name,
        }));
    }
    Ok(Incident {
        name,
        page,
        sources,
        contain,
        truncated,
        tokens_since,
    })
}

/// The address that a record came from, while it is still disclosed.
#[must_use]
pub fn address_of(event: &Event) -> Option<&str> {
    match terms::source(event)? {
        Text::Personal { personal } => Some(personal),
        Text::Plain(address) => Some(address),
        Text::Sealed { .. } => None,
    }
}

struct Subject {
    name: String,
    search: Search,
    contain: Vec<Containment>,
}

impl Subject {
    fn of(tx: &mut Tx<'_>, tenant: Id<id::Tenant>, about: &About) -> Result<Self, Rejection> {
        let term = |kind: &str, value: &str| Search {
            term: Some(terms::term(kind, value)),
            ..Search::default()
        };
        let one = |grain, target: &str, name: &str| {
            vec![Containment {
                grain,
                target: target.to_owned(),
                name: name.to_owned(),
            }]
        };
        Ok(match about {
            About::Chain(id) => {
                let (id, name) = (id.to_string(), format!("chain {id}"));
                let contain = one(Grain::Chain, &id, &name);
                Self {
                    search: term("chain", &id),
                    contain,
                    name,
                }
            }
            About::Credential(named) => {
                let record = lineage::locate(tx, tenant, Noun::Credential, named)?;
                let id = record.id.to_string();
                let (grain, name) = credential(&record);
                let search = Search {
                    credential: Some(id.clone()),
                    ..Search::default()
                };
                Self {
                    contain: one(grain, &id, &name),
                    search,
                    name,
                }
            }
            About::Identity(named) => {
                let record = lineage::locate(tx, tenant, Noun::Identity, named)?;
                let id = record.id.to_string();
                let contain = one(Grain::Identity, &id, &record.name);
                let search = Search {
                    identity: Some(id),
                    ..Search::default()
                };
                Self {
                    search,
                    contain,
                    name: record.name,
                }
            }
            About::Run(key) => {
                let name = format!("run {key}");
                Self {
                    search: term("run", key),
                    contain: one(Grain::Run, key, &name),
                    name,
                }
            }
            About::Token(id) => {
                let (id, name) = (id.to_string(), format!("token {id}"));
                Self {
                    search: term("token", &id),
                    contain: one(Grain::Token, &id, &name),
                    name,
                }
            }
            About::User(named) => {
                let record = lineage::locate(tx, tenant, Noun::User, named)?;
                let search = Search {
                    person: Some(record.id.to_string()),
                    ..Search::default()
                };
                Self {
                    search,
                    contain: Vec::new(),
                    name: record.name,
                }
            }
        })
    }
}

fn credential(record: &Record) -> (Grain, String) {
    let doc = record.credential();
    let label = doc.map_or("", |doc| doc.label.as_str());
    let name = if label.is_empty() {
        &record.name
    } else {
        label
    };
    let grain = match doc.map(|doc| &doc.secret) {
        Some(CredentialSecret::TrustRule(_)) => Grain::TrustRule,
        _ => Grain::Credential,
    };
    (grain, name.to_owned())
}

/// The tokens from before an incident that were good in it.
struct Earlier {
    tokens: Vec<Id<id::Evidence>>,
    /// Issued at or after this.
    since: Timestamp,
}

impl Earlier {
    /// Those that the person may read of.
    fn of(
        tx: &mut Tx<'_>,
        tenant: Id<id::Tenant>,
        about: &About,
        wanted: &Search,
        person: &Person,
        pepper: &Pepper,
    ) -> Result<Self, Rejection> {
        let begins = wanted.since.unwrap_or_default();
        let longest = match about {
            About::Chain(_) => chain::DEADLINE,
            _ => Seconds(SHORT_LIVED_SECONDS),
        };
        let issued = Search {
            kind: Some("token_issued".to_owned()),
            since: Some(begins - longest),
            until: Some(begins),
            limit: EARLIER,
            ..wanted.clone()
        };
        let mut page = search::search(tx, tenant, &issued, pepper)?;
        let since = match page.next {
            None => begins - longest,
            Some(_) => page
                .records
                .last()
                .map_or(begins, |found| found.row.recorded_at),
        };
        lineage::retain_readable(tx, tenant, person, &mut page)?;
        let good = |found: &&Found| match &found.record.event {
            Event::TokenIssued(token) => token.expires_at > begins,
            _ => false,
        };
        let good = page.records.iter().filter(good);
        Ok(Self {
            tokens: good.map(|found| found.record.id).collect(),
            since,
        })
    }
}

/// Adds what was done with the tokens of the page and with those from before, which names the token and not how it was
/// got. Says of which tokens there may be more.
fn done_with_tokens(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    wanted: &Search,
    page: &mut Page,
    earlier: &[Id<id::Evidence>],
    pepper: &Pepper,
) -> Result<Vec<Id<id::Evidence>>, Rejection> {
    let issued = page
        .records
        .iter()
        .filter(|found| matches!(found.record.event, Event::TokenIssued(_)));
    let tokens = issued.map(|found| found.record.id);
    let tokens: Vec<_> = tokens.chain(earlier.iter().copied()).collect();
    let mut truncated: Vec<_> = tokens.iter().skip(TOKENS).copied().collect();
    let mut all: BTreeMap<Id<id::Evidence>, Found> = BTreeMap::new();
    let mut gaps: BTreeMap<Id<id::Evidence>, Gap> = BTreeMap::new();
    gaps.extend(page.gaps.drain(..).map(|gap| (gap.row.id, gap)));
    for token in tokens.into_iter().take(TOKENS) {
        let term = Some(terms::term("token", &token.to_string()));
        // What a token is asked about page by page is not left out.
        if wanted.term == term {
            continue;
        }
        let with_it = Search {
            term,
            since: wanted.since,
            until: wanted.until,
            // One more, to know of it.
            limit: OF_A_TOKEN + 1,
            ..Search::default()
        };
        let mut done = search::search(tx, tenant, &with_it, pepper)?;
        if done.next.is_some() {
            truncated.push(token);
        }
        done.records.truncate(OF_A_TOKEN as usize);
        let found = done.records.into_iter();
        all.extend(found.map(|found| (found.record.id, found)));
        gaps.extend(done.gaps.into_iter().map(|gap| (gap.row.id, gap)));
    }
    all.extend(page.records.drain(..).map(|found| (found.record.id, found)));
    page.records = all.into_values().rev().collect();
    page.gaps = gaps.into_values().rev().collect();
    Ok(truncated)
}

fn sources(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    page: &Page,
    baseline: &Search,
    since: Timestamp,
    pepper: &Pepper,
) -> Result<Vec<Source>, Rejection> {
    let mut counted: BTreeMap<&str, u32> = BTreeMap::new();
    for found in &page.records {
        if let Some(address) = address_of(&found.record.event) {
            *counted.entry(address).or_default() += 1;
        }
    }
    let mut sources = Vec::with_capacity(counted.len());
    for (at, (address, records)) in counted.into_iter().enumerate() {
        let first_time = if at < SOURCES {
            let before = Search {
                source: Some(address.to_owned()),
                until: Some(since),
                limit: 1,
                ..baseline.clone()
            };
            let earlier = search::search(tx, tenant, &before, pepper)?;
            let none = earlier.records.is_empty() && earlier.gaps.is_empty();
            // As much was read as one search may, and nothing found so far: it is not known.
            (!none || earlier.next.is_none()).then_some(none)
        } else {
            None
        };
        sources.push(Source {
            address: address.to_owned(),
            records,
            first_time,
        });
    }
    sources.sort_by_key(|source| source.first_time != Some(true));
    Ok(sources)
}

/// The program that a record is about, by id and the name of then.
fn program(found: &Found) -> Option<(String, String)> {
    let named = found
        .record
        .refs
        .iter()
        .find(|one| one.role == Role::Identity)?;
    let name = named.name.as_ref().map_or(named.id.as_str(), Text::shown);
    Some((named.id.clone(), name.to_owned()))
}
