//! Planning a manifest against the registry, and writing the registry as one: with the eyes of who asks.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use countersign_model::{
    Id, id,
    name::EnvironmentName,
    permission::Person,
    registry::{CredentialSecret, IdentityDoc, IssuerDoc, Noun, ProjectDoc, Record, Status},
    trust::TrustRule,
};
use countersign_store::{Tx, records};

use super::{
    issuers::IssuerRules,
    reading::{self, Projects},
    rights,
};
use crate::{
    command::Permit,
    ctx::Ctx,
    federation,
    manifest::{
        self, Applying, Diagnostic, ExportError, Plan, PlanError, Resolver, SourcedDocument,
    },
    policy::Catalogue,
    rejection::{Fault, Rejection},
    rows,
};

/// What to plan, and what stands where the documents are silent.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    /// The documents, as [`manifest::parse`] reads them.
    pub documents: Vec<SourcedDocument>,
    /// Where identities without a project go, by id or name; the caller's personal project.
    pub default_project: Option<String>,
    /// Who answers for identities without a sponsor: an e-mail address or `team:NAME`.
    pub default_sponsor: Option<String>,
    /// The files that documents name in `jwks_file`.
    pub files: BTreeMap<String, String>,
    /// What issuers are checked against.
    pub rules: IssuerRules,
    /// The trust domain in the subjects of workloads.
    pub trust_domain: String,
}

/// Compares documents with the registry: the plan, or everything that is wrong with them.
///
/// # Errors
/// `not_found` when the default project is not there, `forbidden` when no person asks, or a fault.
pub fn plan(
    tx: &mut Tx<'_>,
    permit: &Permit,
    ctx: &Ctx,
    request: &PlanRequest,
) -> Result<Result<Plan, Vec<Diagnostic>>, Rejection> {
    let person = reading::reader(tx, permit)?;
    let default_project = match &request.default_project {
        Some(text) => visible_project(tx, permit, &person, text)?,
        None => personal_project(tx, permit, &person)?,
    };
    let tenant = reading::locate(tx, permit, Noun::Tenant, &permit.tenant_id().to_string())?;
    let applying = Applying {
        user_id: person.user_id,
        default_project: default_project.id.cast(),
        default_sponsor: request.default_sponsor.as_deref(),
        now: ctx.now,
        trust_domain: &request.trust_domain,
        refuse_unknown_actions: rights::doc(tenant.tenant())?.refuse_unknown_actions,
        files: &request.files,
    };
    let snapshot = Snapshot::new(tx, permit, person, &request.rules);
    match manifest::plan(&request.documents, &snapshot, &applying, || ctx.id()) {
        Ok(plan) => Ok(Ok(plan)),
        Err(PlanError::Invalid(errors)) => Ok(Err(errors)),
        Err(PlanError::Stopped(rejection)) => Err(rejection),
    }
}

/// Writes what the person sees as documents: everything, or one project with its identities.
///
/// # Errors
/// `not_found` when there is no such project, `forbidden` when no person asks, or a fault.
pub fn export(
    tx: &mut Tx<'_>,
    permit: &Permit,
    project: Option<&str>,
    rules: &IssuerRules,
) -> Result<String, Rejection> {
    let person = reading::reader(tx, permit)?;
    let only = match project {
        Some(text) => Some(visible_project(tx, permit, &person, text)?.id),
        None => None,
    };
    let snapshot = Snapshot::new(tx, permit, person, rules);
    let mut wanted = Vec::new();
    for noun in Noun::ALL {
        let found = snapshot.all(noun)?;
        wanted.extend(found.into_iter().filter(|record| {
            only.is_none_or(|project| {
                record.id == project
                    || matches!(noun, Noun::Identity | Noun::Pack)
                        && record.parent_id == Some(project)
            })
        }));
    }
    manifest::export(&wanted, &snapshot).map_err(|error| match error {
        ExportError::Stopped(rejection) => rejection,
        ExportError::Unwritable(why) => Fault::Invariant(why).into(),
    })
}

fn visible_project(
    tx: &mut Tx<'_>,
    permit: &Permit,
    person: &Person,
    text: &str,
) -> Result<Record, Rejection> {
    let record = reading::locate(tx, permit, Noun::Project, text)?;
    let visible = record.status != Status::Deleted && sees_project(person, record.project());
    if visible {
        Ok(record)
    } else {
        Err(rights::not_found(Noun::Project, text))
    }
}

fn personal_project(
    tx: &mut Tx<'_>,
    permit: &Permit,
    person: &Person,
) -> Result<Record, Rejection> {
    let own = rows::children(tx, permit.tenant_id(), Noun::Project, person.user_id.cast())?;
    let own = own
        .into_iter()
        .find(|project| project.status == Status::Active);
    own.ok_or_else(|| rights::not_found(Noun::Project, "~"))
}

fn sees_project(person: &Person, project: Option<&ProjectDoc>) -> bool {
    project.is_some_and(|project| person.role_in(project).is_some())
        || person.role == countersign_model::registry::TenantRole::Auditor
}

/// The registry within one read, as far as a person sees it.
struct Snapshot<'s, 't> {
    tx: RefCell<&'s mut Tx<'t>>,
    permit: &'s Permit,
    person: Person,
    rules: &'s IssuerRules,
    projects: RefCell<Projects>,
}

impl<'s, 't> Snapshot<'s, 't> {
    fn new(tx: &'s mut Tx<'t>, permit: &'s Permit, person: Person, rules: &'s IssuerRules) -> Self {
        Self {
            tx: RefCell::new(tx),
            permit,
            person,
            rules,
            projects: RefCell::default(),
        }
    }

    /// What a person may not see is not there for them. Names that are taken show when they apply.
    fn sees(&self, record: &Record) -> Result<bool, Rejection> {
        match record.noun {
            Noun::Identity => {
                let doc = rights::doc(record.identity())?;
                self.projects.borrow_mut().sees(
                    &mut self.tx.borrow_mut(),
                    self.permit.tenant_id(),
                    &self.person,
                    doc,
                )
            }
            Noun::Pack => {
                let doc = rights::doc(record.pack())?;
                self.projects.borrow_mut().shows(
                    &mut self.tx.borrow_mut(),
                    self.permit.tenant_id(),
                    &self.person,
                    doc.project_id,
                )
            }
            Noun::Project => Ok(sees_project(&self.person, record.project())),
            Noun::Action
            | Noun::Audience
            | Noun::Credential
            | Noun::Environment
            | Noun::Issuer
            | Noun::Key
            | Noun::LinkedAccount
            | Noun::ObservedAccount
            | Noun::Policy
            | Noun::Scope
            | Noun::Team
            | Noun::Tenant
            | Noun::User => Ok(true),
        }
    }
}

impl Resolver for Snapshot<'_, '_> {
    type Stop = Rejection;

    fn named(&self, noun: Noun, name: &str) -> Result<Option<Arc<Record>>, Rejection> {
        let found = records::by_alias(
            &mut self.tx.borrow_mut(),
            self.permit.tenant_id(),
            noun,
            name,
        )?;
        match found {
            Some(record) if self.sees(&record)? => Ok(Some(Arc::new(record))),
            Some(_) | None => Ok(None),
        }
    }

    fn record(&self, id: Id<id::Record>) -> Result<Option<Arc<Record>>, Rejection> {
        Ok(rows::by_id(&mut self.tx.borrow_mut(), self.permit.tenant_id(), id)?.map(Arc::new))
    }

    fn all(&self, noun: Noun) -> Result<Vec<Arc<Record>>, Rejection> {
        let found = rows::all(&mut self.tx.borrow_mut(), self.permit.tenant_id(), noun)?;
        let mut seen = Vec::with_capacity(found.len());
        for record in found {
            if self.sees(&record)? {
                seen.push(Arc::new(record));
            }
        }
        Ok(seen)
    }

    fn any_identity(&self, wanted: &dyn Fn(&IdentityDoc) -> bool) -> Result<bool, Rejection> {
        let found = rows::matching(
            &mut self.tx.borrow_mut(),
            self.permit.tenant_id(),
            Noun::Identity,
            |record| record.identity().is_some_and(wanted),
        )?;
        Ok(!found.is_empty())
    }

    fn trust_rules(
        &self,
        identity: Id<id::Identity>,
    ) -> Result<Vec<(Id<id::Credential>, TrustRule)>, Rejection> {
        let tenant = self.permit.tenant_id();
        let credentials = rows::children(
            &mut self.tx.borrow_mut(),
            tenant,
            Noun::Credential,
            identity.cast(),
        )?;
        let living = credentials
            .into_iter()
            .filter(|record| record.status != Status::Deleted);
        Ok(living
            .filter_map(|record| match &record.credential()?.secret {
                CredentialSecret::TrustRule(rule) => Some((record.id.cast(), rule.clone())),
                CredentialSecret::ApiKey { .. }
                | CredentialSecret::ClientSecret { .. }
                | CredentialSecret::PublicKey { .. }
                | CredentialSecret::SelfSignedTlsClientAuth { .. }
                | CredentialSecret::TlsClientAuth { .. } => None,
            })
            .collect())
    }

    fn catalogue(&self) -> Result<Arc<Catalogue>, Rejection> {
        let own = rows::all(
            &mut self.tx.borrow_mut(),
            self.permit.tenant_id(),
            Noun::Action,
        )?;
        Ok(Arc::new(Catalogue::new(
            own.iter().filter_map(|record| record.action().cloned()),
        )))
    }

    fn trust_errors(
        &self,
        rule: &TrustRule,
        issuer: &IssuerDoc,
        protected: &[EnvironmentName],
    ) -> Vec<String> {
        federation::lint(rule, issuer, protected)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn issuer_errors(&self, issuer: &IssuerDoc) -> Vec<String> {
        let (tenant_issuer, allow_loopback) =
            (&self.rules.tenant_issuer, self.rules.allow_loopback);
        federation::lint_issuer(issuer, tenant_issuer, allow_loopback)
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}
