//! Lineage: backward from a result to the person who answers, forward from a person to everything
//! they answer for. Read from the evidence, with the names of then, beside who answers now.

mod backward;
mod edit;
mod execution;
mod forward;
mod gathering;
mod graph;
mod teller;

use std::str::FromStr;

use countersign_model::{
    Id, id,
    lineage::Story,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Noun, Record},
};
use countersign_store::{StoreError, Tx, evidence::EvidenceRow};

pub(crate) use forward::locate;
pub use graph::{Edge, Graph, Node};

use crate::{
    evidence::search::{Gap, Page},
    rejection::Rejection,
};

/// How far back the parents of a record are followed.
const DEPTH: usize = 16;

/// How many records one answer is made of.
const RECORDS: usize = 300;

/// Where lineage starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// An action that a guard reported, by the id of its record.
    Action(Id<id::Evidence>),
    /// An approval.
    Approval(Id<id::Approval>),
    /// A long-lived token with all that renewed it.
    Chain(Id<id::Chain>),
    /// A commit.
    Commit(String),
    /// An artifact.
    Digest(String),
    /// An execution of an action.
    Execution(Id<id::Execution>),
    /// An identity, by id or name.
    Identity(String),
    /// What was acted on.
    Resource(String),
    /// A run, by its key or the platform's id.
    Run(String),
    /// A team, by id or name.
    Team(String),
    /// A token.
    Token(Id<id::Evidence>),
    /// A user, by id or address.
    User(String),
}

impl FromStr for Start {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        const FORMS: &str = "token:JTI chain:ID action:ID run:ID approval:ID execution:ID commit:SHA digest:sha256:.. resource:R identity:N user:EMAIL team:N";
        let invalid = |what: String| Refusal::new(Reason::BadRequest, what);
        let Some((kind, value)) = text
            .split_once(':')
            .filter(|(_, value)| !value.is_empty() && value.len() <= 512)
        else {
            return Err(invalid(format!("a reference is one of {FORMS}")));
        };
        let value = value.to_owned();
        let id = |value: &str| {
            value
                .parse()
                .map_err(|error: id::InvalidId| invalid(error.to_string()))
        };
        Ok(match kind {
            "token" => Self::Token(id(&value)?),
            "action" => Self::Action(id(&value)?),
            "approval" => Self::Approval(
                value
                    .parse()
                    .map_err(|error: id::InvalidId| invalid(error.to_string()))?,
            ),
            "chain" => Self::Chain(
                value
                    .parse()
                    .map_err(|error: id::InvalidId| invalid(error.to_string()))?,
            ),
            "execution" => Self::Execution(
                value
                    .parse()
                    .map_err(|error: id::InvalidId| invalid(error.to_string()))?,
            ),
            "run" => Self::Run(value),
            "commit" => Self::Commit(value),
            "digest" => Self::Digest(value),
            "resource" => Self::Resource(value),
            "identity" => Self::Identity(value),
            "user" => Self::User(value),
            "team" => Self::Team(value),
            _ => {
                return Err(invalid(format!(
                    "`{kind}:` is no reference; one of {FORMS}"
                )));
            }
        })
    }
}

/// The answer.
#[derive(Debug, Clone)]
pub enum Lineage {
    /// From a result to who answers.
    Backward(Box<Backward>),
    /// From who answers to all that they answer for.
    Forward(Box<Forward>),
}

/// A story, told backward.
#[derive(Debug, Clone)]
pub struct Backward {
    /// What the sentence is made of.
    pub story: Story,
    /// Nodes and edges.
    pub graph: Graph,
    /// Links that should be there and are not.
    pub gaps: Vec<String>,
    /// Other stories of the same reference, newest first: a reference to each, and its sentence.
    pub others: Vec<(String, String)>,
    /// Whether there was more than fits.
    pub truncated: bool,
}

impl Backward {
    /// All that the reference leads to cannot be read: nothing is told, and why is said.
    fn of_gaps(tx: &mut Tx<'_>, gaps: &[Gap]) -> Result<Self, StoreError> {
        let mut told = Self {
            story: Story::default(),
            graph: Graph::default(),
            gaps: Vec::new(),
            others: Vec::new(),
            truncated: false,
        };
        for gap in gaps {
            told.gaps.push(told.graph.lost(tx, gap)?);
        }
        Ok(told)
    }
}

/// Everything that a user or team answers for.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Who.
    pub party: Record,
    /// The identities, each as what.
    pub answers_for: Vec<AnswersFor>,
    /// The accounts of other systems that they answer for.
    pub observed: Vec<Record>,
    /// Nodes and edges.
    pub graph: Graph,
    /// The sentence.
    pub sentence: String,
    /// Whether there was more than fits.
    pub truncated: bool,
}

/// An identity that somebody answers for.
#[derive(Debug, Clone)]
pub struct AnswersFor {
    /// The identity.
    pub identity: Record,
    /// Its project.
    pub project: Option<Record>,
    /// `sponsor`, `owner`, `manager`.
    pub relations: Vec<&'static str>,
    /// When it was last seen.
    pub last_seen_at: Option<countersign_model::Timestamp>,
}

/// Who asks: auditors and owners see all, others what they have to do with.
pub struct Asker<'a> {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The person.
    pub person: &'a Person,
}

/// Follows a reference.
///
/// # Errors
/// `not_found` when nothing is known of it, or the asker may not know; or a fault.
pub fn follow(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    start: &Start,
    pepper: &countersign_crypto::opaque::Pepper,
) -> Result<Lineage, Rejection> {
    match start {
        Start::User(name) => Ok(Lineage::Forward(Box::new(forward::answers_for(
            tx,
            asker,
            Noun::User,
            name,
        )?))),
        Start::Team(name) => Ok(Lineage::Forward(Box::new(forward::answers_for(
            tx,
            asker,
            Noun::Team,
            name,
        )?))),
        other => Ok(Lineage::Backward(Box::new(backward::tell(
            tx, asker, other, pepper,
        )?))),
    }
}

/// Whether a person may read a record: a reader of evidence, or somebody who sees the identity.
fn may_read(tx: &mut Tx<'_>, asker: &Asker<'_>, row: &EvidenceRow) -> Result<bool, StoreError> {
    if asker.person.reads_evidence() {
        return Ok(true);
    }
    let Some(identity) = row.identity_id else {
        return Ok(false);
    };
    let Some(record) = crate::rows::by_id(tx, asker.tenant_id, identity.cast())? else {
        return Ok(false);
    };
    let Some(doc) = record.identity() else {
        return Ok(false);
    };
    let project = crate::rows::by_id(tx, asker.tenant_id, doc.project_id.cast())?;
    Ok(project
        .as_ref()
        .and_then(|record| record.project())
        .is_some_and(|project| asker.person.sees(doc, project)))
}

/// Leaves only the records of a page that a person may read.
///
/// # Errors
/// When the database fails.
pub fn retain_readable(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    person: &Person,
    page: &mut Page,
) -> Result<(), StoreError> {
    let asker = Asker { tenant_id, person };
    let mut readable = Page {
        next: page.next,
        ..Page::default()
    };
    for found in page.records.drain(..) {
        if may_read(tx, &asker, &found.row)? {
            readable.records.push(found);
        }
    }
    for gap in page.gaps.drain(..) {
        if may_read(tx, &asker, &gap.row)? {
            readable.gaps.push(gap);
        }
    }
    *page = readable;
    Ok(())
}

/// The id of a record that a caller names by id or name, as search terms spell it.
///
/// # Errors
/// `not_found` when there is none, or a fault.
pub fn id_of(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    noun: Noun,
    name: &str,
) -> Result<String, Rejection> {
    locate(tx, tenant, noun, name).map(|record| record.id.to_string())
}
