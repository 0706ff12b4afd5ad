//! Making an identity: what the document leaves out stands at a marked default.

use std::collections::BTreeSet;

use countersign_model::{
    Id, Timestamp,
    action::ActionSet,
    id,
    identity::Kind,
    name::{ActionName, AudienceName, EnvironmentName, IdentityName, RoleName},
    permission::Person,
    reason::{Reason, Refusal},
    registry::{
        ApprovalRule, IdentityDoc, Noun, Party, PendingSponsor, ProjectDoc, Record, Status,
        TenantRole, TrustModel,
    },
    time::Seconds,
};
use serde_json::{Map, Value};

use super::{check::check, fresh_client_id};
use crate::{
    command::{Change, Command, NewRecord, Verdict, WriteTx},
    registry::{
        approvers::{self, Asking},
        audiences,
        impersonators::{self, ImpersonatorInput},
        observed, packs, rails, rights,
    },
    rejection::{Fault, Rejection, refuse},
};

/// What stands for a purpose that nobody stated.
pub(crate) const NOT_STATED: &str = "not stated";
/// An identity that nobody gave an end ends after a year.
const EXPIRY: Seconds = Seconds::days(365);
const TTL_SECONDS: i64 = 600;
/// Clients of a managed identity expect an hour (S2.6).
const CLIENT_TTL_SECONDS: i64 = 3600;

/// Makes an identity.
#[derive(Debug, Clone)]
pub struct CreateIdentity {
    /// What it is.
    pub kind: Kind,
    /// Its name, unique in the tenant and never given out again.
    pub name: IdentityName,
    /// Where it lives, by id or name; the caller's personal project when not stated.
    pub project: Option<String>,
    /// Who answers: an e-mail address, handle, id or `team:NAME`. Somebody else must first accept.
    pub sponsor: Option<String>,
    /// Who runs it day by day; the sponsor when not stated.
    pub owner: Option<String>,
    /// Who may administer it; the caller when not stated.
    pub managers: Option<Vec<String>>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Anything else that people should know.
    pub description: Option<String>,
    /// Where it may act.
    pub environments: Option<Vec<EnvironmentName>>,
    /// Which resource servers it may call, by id or name.
    pub audiences: Vec<String>,
    /// Whether an audience that is not there is made.
    pub create_missing_audiences: bool,
    /// Which resources it may touch.
    pub resources: Option<Vec<String>>,
    /// What it may do.
    pub allowed_actions: ActionSet,
    /// What it must never do.
    pub denied_actions: ActionSet,
    /// Roles at its resource servers.
    pub roles: Vec<RoleName>,
    /// How long its tokens live; 600 when not stated, 3600 for an `oauth_client`.
    pub token_ttl_seconds: Option<i64>,
    /// Whether a person must countersign what is not of class `read`.
    pub requires_approval: bool,
    /// Who countersigns, and how many.
    pub approval_rule: Option<RuleInput>,
    /// Who may act as it with their own sign-in.
    pub impersonators: Vec<ImpersonatorInput>,
    /// The only type of credential that it may have.
    pub trust_model: Option<TrustModel>,
    /// When it expires; in a year when not stated.
    pub expires_at: Option<Timestamp>,
    /// The observed account whose place it takes, by id or name.
    pub replaces: Option<String>,
    /// Free data of its users.
    pub metadata: Map<String, Value>,
    /// The trust domain in the subjects of workloads: the server's setting.
    pub trust_domain: String,
}

/// Who countersigns, by name.
#[derive(Debug, Clone, Default)]
pub struct RuleInput {
    /// How many distinct people.
    pub required: u32,
    /// E-mail addresses, ids or `team:NAME`; empty for the owners of project and tenant.
    pub approvers: Vec<String>,
    /// Whether one more is needed when the human behind the run is unknown.
    pub second_if_unproven: bool,
}

/// What was made.
#[derive(Debug, Clone)]
pub struct CreatedIdentity {
    /// The identity.
    pub identity: Record,
    /// The audiences that were made with it.
    pub audiences: Vec<Record>,
    /// What should be known: unknown actions with the nearest name.
    pub warnings: Vec<String>,
}

impl CreateIdentity {
    /// The smallest request: everything else stands at its default.
    #[must_use]
    pub fn new(kind: Kind, name: IdentityName, trust_domain: impl Into<String>) -> Self {
        Self {
            kind,
            name,
            project: None,
            sponsor: None,
            owner: None,
            managers: None,
            purpose: None,
            description: None,
            environments: None,
            audiences: Vec::new(),
            create_missing_audiences: false,
            resources: None,
            allowed_actions: ActionSet::default(),
            denied_actions: ActionSet::default(),
            roles: Vec::new(),
            token_ttl_seconds: None,
            requires_approval: false,
            approval_rule: None,
            impersonators: Vec::new(),
            trust_model: None,
            expires_at: None,
            replaces: None,
            metadata: Map::new(),
            trust_domain: trust_domain.into(),
        }
    }

    fn defaulted(&self) -> BTreeSet<String> {
        let stated = [
            ("environments", self.environments.is_some()),
            ("expires", self.expires_at.is_some()),
            ("managers", self.managers.is_some()),
            ("owner", self.owner.is_some()),
            ("purpose", self.purpose.is_some()),
            ("resources", self.resources.is_some()),
            ("sponsor", self.sponsor.is_some()),
            ("trust_model", self.trust_model.is_some()),
        ];
        stated
            .into_iter()
            .filter(|(_, stated)| !stated)
            .map(|(field, _)| field.to_owned())
            .collect()
    }

    /// The document of the identity, as this person makes it.
    pub(crate) fn doc(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
        project: &Record,
        audiences: Vec<Id<id::Audience>>,
    ) -> Result<IdentityDoc, Rejection> {
        let place = rights::doc(project.project())?;
        let now = tx.now();
        let me = Party::User(person.user_id);
        let named = self
            .sponsor
            .as_deref()
            .map(|text| rights::party(tx, text))
            .transpose()?;
        let (sponsor, pending_sponsor) = match named {
            Some(party) if !person.is(party) => (
                me,
                Some(PendingSponsor {
                    party,
                    asked_by: person.user_id,
                    asked_at: now,
                    hands_over: None,
                }),
            ),
            Some(party) => (party, None),
            None => (me, None),
        };
        let owner = self
            .owner
            .as_deref()
            .map(|text| rights::party(tx, text))
            .transpose()?;
        let managers = match &self.managers {
            Some(texts) => rights::users(tx, texts)?,
            None => vec![person.user_id],
        };
        let client_id = if self.kind == Kind::OauthClient {
            fresh_client_id()
        } else {
            self.name.to_string()
        };
        Ok(IdentityDoc {
            kind: self.kind,
            name: self.name.clone(),
            subject: self
                .kind
                .subject(&place.name, &self.name, &client_id, &self.trust_domain),
            client_id,
            project_id: project.id.cast(),
            sponsor,
            pending_sponsor,
            owner: owner.unwrap_or(sponsor),
            managers,
            purpose: self
                .purpose
                .clone()
                .unwrap_or_else(|| NOT_STATED.to_owned()),
            description: self.description.clone().unwrap_or_default(),
            environments: once(self.environments.clone().unwrap_or_default()),
            audiences,
            resources: once(self.resources.clone().unwrap_or_default()),
            allowed_actions: self.allowed_actions.clone(),
            denied_actions: self.denied_actions.clone(),
            roles: once(self.roles.clone()),
            token_ttl_seconds: self.token_ttl_seconds.unwrap_or(match self.kind {
                Kind::OauthClient => CLIENT_TTL_SECONDS,
                Kind::Agent
                | Kind::ApiKey
                | Kind::Bot
                | Kind::Pipeline
                | Kind::ServiceAccount
                | Kind::Workload => TTL_SECONDS,
            }),
            requires_approval: self.requires_approval,
            approval_rule: self
                .approval_rule
                .as_ref()
                .map(|rule| rule.resolve(tx))
                .transpose()?
                .unwrap_or_default(),
            impersonators: impersonators::resolve(tx, &[], &self.impersonators)?,
            trust_model: self.trust_model,
            expires_at: self.expires_at.unwrap_or(now + EXPIRY),
            orphan_grace_until: None,
            review: None,
            defaulted: self.defaulted(),
            created_by: person.user_id,
            confirmed: None,
            status_reason: None,
            metadata: self.metadata.clone(),
        })
    }
}

impl RuleInput {
    pub(super) fn resolve(&self, tx: &mut WriteTx<'_, '_>) -> Result<ApprovalRule, Rejection> {
        let approvers = rights::parties(tx, &self.approvers)?;
        Ok(ApprovalRule {
            required: self.required,
            approvers,
            second_if_unproven: self.second_if_unproven,
        })
    }
}

/// Each value once, in the order of first mention.
pub(super) fn once<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(values.len());
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

/// The audiences of these ids or names; those that are not there are made when that is wanted.
pub(super) fn audiences_of(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    texts: &[String],
    create_missing: bool,
) -> Result<(Vec<Id<id::Audience>>, Vec<Record>), Rejection> {
    let (mut ids, mut made) = (Vec::with_capacity(texts.len()), Vec::new());
    for text in texts {
        let known =
            tx.find(Noun::Audience, text)?.is_some() || text.parse::<Id<id::Audience>>().is_ok();
        let record = if known || !create_missing {
            tx.locate(Noun::Audience, text)?
        } else {
            let invalid = |error: countersign_model::name::InvalidName| {
                Refusal::new(Reason::Unprocessable, error.to_string())
            };
            let name: AudienceName = text.parse().map_err(invalid)?;
            let record = audiences::put_new(tx, person, None, audiences::plain(name))?;
            made.push(record.clone());
            record
        };
        if !ids.contains(&record.id.cast()) {
            ids.push(record.id.cast());
        }
    }
    Ok((ids, made))
}

/// Makes an identity of a document, after every check.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    doc: IdentityDoc,
) -> Result<(Record, Vec<String>), Rejection> {
    let project = rights::project_of(tx, &doc)?;
    let place = rights::doc(project.project())?;
    if project.status != Status::Active {
        return Err(rights::not_found(Noun::Project, &place.name));
    }
    rights::must_own(person, place, "make an identity in it")?;
    if !person.is(doc.sponsor) {
        return refuse(
            Reason::Forbidden,
            "whom you name as sponsor must accept first; until then you answer yourself",
        );
    }
    if person.role != TenantRole::Owner {
        rails::must_not_be_exempt(tx, &doc)?;
    }
    reaches(tx, person, place, &doc)?;
    claims_with_a_second(tx, person, place, &doc)?;
    let warnings = check(tx, person, place, None, &doc)?;
    let new = NewRecord {
        id,
        name: doc.name.to_string(),
        parent_id: Some(project.id),
        doc: doc.into(),
    };
    Ok((tx.create(new, &Change::verb("created"))?, warnings))
}

/// Refuses to make an identity that claims executions where actions read keys, when somebody could countersign that:
/// making another worker must be no way around it.
fn claims_with_a_second(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    place: &ProjectDoc,
    doc: &IdentityDoc,
) -> Result<(), Rejection> {
    let asks = Asking::owners_of(doc.project_id);
    if !doc.allowed_actions.contains(&claims()?)
        || !packs::read_keys(tx, doc.project_id)?
        || !approvers::somebody_else(tx, person, asks)?
    {
        return Ok(());
    }
    let detail = format!(
        "actions of project `{}` read keys, and whoever claims executions runs them: make the identity without `execution.claim` and allow it by an edit, which a second person countersigns",
        place.name
    );
    refuse(Reason::NotHeld, detail)
}

/// The action of a worker.
pub(crate) fn claims() -> Result<ActionName, Rejection> {
    let name = "execution.claim".parse();
    name.map_err(|_| Fault::Invariant("not an action".to_owned()).into())
}

/// Refuses to make an identity that reaches a protected environment, unless by an owner of the tenant
/// or in a project whose ceiling such an owner set: adding the environment by an edit takes a second
/// person, and making another identity must be no way around that.
fn reaches(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    place: &ProjectDoc,
    doc: &IdentityDoc,
) -> Result<(), Rejection> {
    if person.role == TenantRole::Owner || place.allowed_actions.is_some() {
        return Ok(());
    }
    let protected = rights::protected(tx)?;
    match doc
        .environments
        .iter()
        .find(|name| protected.contains(*name))
    {
        Some(name) => {
            let detail = format!(
                "you do not hold the protected environment `{name}`: make the identity without it and add it by an edit, which a second person countersigns; or ask an owner of the tenant to set what project `{}` may do",
                place.name
            );
            refuse(Reason::NotHeld, detail)
        }
        None => Ok(()),
    }
}

impl Command for CreateIdentity {
    type Output = CreatedIdentity;

    const NAME: &'static str = "identity create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<CreatedIdentity>, Rejection> {
        let person = rights::editor(tx)?;
        let project = match &self.project {
            Some(text) => rights::project(tx, &person, text)?,
            None => rights::personal_project(tx, &person)?,
        };
        rights::must_own(
            &person,
            rights::doc(project.project())?,
            "make an identity in it",
        )?;
        let (ids, audiences) =
            audiences_of(tx, &person, &self.audiences, self.create_missing_audiences)?;
        let doc = self.doc(tx, &person, &project, ids)?;
        let (identity, warnings) = put_new(tx, &person, None, doc)?;
        if let Some(account) = &self.replaces {
            observed::replace(tx, &person, account, &identity)?;
        }
        Ok(Verdict::Done(CreatedIdentity {
            identity,
            audiences,
            warnings,
        }))
    }
}
