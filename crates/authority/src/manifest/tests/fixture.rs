//! A registry in memory, which can be planned against and applied to.

use std::{cell::Cell, collections::BTreeMap, convert::Infallible, sync::Arc};

use countersign_model::{
    Id, Timestamp, id,
    name::EnvironmentName,
    registry::{
        Doc, EnvironmentDoc, IdentityDoc, IssuerDoc, Noun, ProjectDoc, Record, Status, TenantRole,
        UserDoc,
    },
    trust::TrustRule,
};

use crate::{
    manifest::{Applying, Plan, PlanError, Resolver, Verb, parse, plan},
    policy::Catalogue,
};

pub const SEED: &str = "pipeline_identity:
 name: release-promoter-prod
 trust_model: oidc-run-identity
 environments:
 - production
 allowed_actions:
 - deploy.release
 - rollout.status.read
 denied_actions:
 - secrets.read
 - identity.admin
 - billing.admin
 token_ttl_minutes: 10
 requires_approval: true
";

pub const SAMPLE: &str = "team: {name: platform, members: [dana@example.com, lee@example.com]}
---
project:
  name: support
  members:
    - {user: dana@example.com, role: owner}
    - {user: lee@example.com, role: editor}
---
audience: {name: support-automation-api, signing_alg: ES256, served_by: [triage]}
---
issuer: {url: \"https://token.actions.githubusercontent.com\", profile: github}
---
identity:
  kind: bot
  name: triage
  project: support
  sponsor: dana@example.com
  managers: [dana@example.com, lee@example.com]
  purpose: Answers and labels support cases
  audiences: [support-automation-api]
  environments: [production]
  allowed_actions: [case.comment.write, case.read]
  denied_actions: [identity.admin]
  token_ttl_minutes: 10
  requires_approval: false
  trust:
    - issuer: https://token.actions.githubusercontent.com
      environments: [production]                # what this match may yield
      match: {repository_id: \"456789\", repository_owner_id: 123456, ref: refs/heads/main, environment: production, event_name: [push, workflow_dispatch]}
---
action: {name: cake.bake, class: reversible, group: kitchen}
---
policy:
  name: verified-runs-only
  description: production takes a verified run
  cedar: |
    forbid (principal, action, resource in Environment::\"production\")
    unless { context has run && context.run.assurance == \"verified\" };
";

pub struct Registry {
    pub records: BTreeMap<Id<id::Record>, Arc<Record>>,
    pub trust: Vec<(Id<id::Identity>, Id<id::Credential>, TrustRule)>,
    pub refuse_unknown_actions: bool,
    pub default_sponsor: Option<&'static str>,
    pub applying: Id<id::User>,
    pub files: BTreeMap<String, String>,
    pub now: Timestamp,
    next: Cell<u8>,
}

impl Registry {
    /// Dana owns the tenant and applies; Lee is a member of it. Production is protected.
    pub fn new() -> Self {
        let mut registry = Self {
            records: BTreeMap::new(),
            trust: Vec::new(),
            refuse_unknown_actions: false,
            default_sponsor: None,
            applying: Id::from_bytes([0; 16]),
            files: BTreeMap::new(),
            now: "2026-11-22T09:00:00Z".parse().unwrap(),
            next: Cell::new(1),
        };
        registry.applying = registry.user("dana", TenantRole::Owner);
        registry.user("lee", TenantRole::Member);
        for (name, protected) in [
            ("development", false),
            ("staging", false),
            ("production", true),
        ] {
            let doc = EnvironmentDoc {
                name: name.parse().unwrap(),
                protected,
                description: String::new(),
            };
            registry.insert(registry.id(), name, doc.into());
        }
        registry
    }

    pub fn user(&mut self, handle: &str, role: TenantRole) -> Id<id::User> {
        let (user, project) = (self.id(), self.id());
        let email = format!("{handle}@example.com");
        let doc = UserDoc {
            email: email.parse().unwrap(),
            handle: handle.parse().unwrap(),
            display_name: String::new(),
            role,
            invited_by: None,
            enrolled_at: None,
            role_set: None,
            directory: None,
            notices: countersign_model::notice::NoticeChoices::default(),
        };
        self.insert(user, &email, doc.into());
        let name = format!("~{handle}");
        let doc = ProjectDoc {
            name: name.parse().unwrap(),
            personal_of: Some(user.cast()),
            members: Vec::new(),
            allowed_actions: None,
            description: String::new(),
        };
        self.insert(project, &name, doc.into());
        user.cast()
    }

    pub fn id<K: id::Kind>(&self) -> Id<K> {
        self.next.set(self.next.get() + 1);
        Id::from_bytes([self.next.get(); 16])
    }

    pub fn insert(&mut self, id: Id<id::Record>, name: &str, doc: Doc) {
        let version = self.records.get(&id).map_or(1, |record| record.version + 1);
        let record = Record {
            id,
            tenant_id: Id::from_bytes([9; 16]),
            noun: doc.noun(),
            name: name.to_owned(),
            parent_id: None,
            version,
            epoch: 0,
            status: Status::Active,
            created_at: self.now,
            updated_at: self.now,
            doc,
        };
        self.records.insert(id, Arc::new(record));
    }

    pub fn plan(&self, text: &str) -> Result<Plan, PlanError<Infallible>> {
        let documents = parse("a.yaml", text).map_err(PlanError::Invalid)?;
        let handle = self.records[&self.applying.cast()]
            .user()
            .unwrap()
            .handle
            .clone();
        let project = self
            .named(Noun::Project, &format!("~{handle}"))
            .unwrap()
            .unwrap();
        let applying = Applying {
            user_id: self.applying,
            default_project: project.id.cast(),
            default_sponsor: self.default_sponsor,
            now: self.now,
            trust_domain: "example.org",
            refuse_unknown_actions: self.refuse_unknown_actions,
            files: &self.files,
        };
        plan(&documents, self, &applying, || self.id())
    }

    /// What is wrong, as `line:column message`.
    pub fn errors(&self, text: &str) -> Vec<String> {
        let Err(PlanError::Invalid(errors)) = self.plan(text) else {
            panic!("a plan was made of {text}")
        };
        errors
            .into_iter()
            .map(|error| format!("{}:{} {}", error.line, error.column, error.message))
            .collect()
    }

    pub fn apply(&mut self, text: &str) -> Plan {
        let plan = self.plan(text).unwrap_or_else(|error| panic!("{error}"));
        for step in plan
            .steps
            .iter()
            .filter(|step| step.verb != Verb::Unchanged)
        {
            self.insert(step.record_id, &step.name, step.doc.clone());
            let identity = step.record_id.cast();
            self.trust
                .retain(|(_, credential, _)| !step.trust.remove.contains(credential));
            for rule in &step.trust.add {
                self.trust.push((identity, self.id(), rule.clone()));
            }
        }
        plan
    }

    pub fn identity(&self, name: &str) -> IdentityDoc {
        self.named(Noun::Identity, name)
            .unwrap()
            .unwrap()
            .identity()
            .unwrap()
            .clone()
    }

    pub fn edit(&mut self, noun: Noun, name: &str, edit: impl FnOnce(&mut Record)) {
        let found = self.named(noun, name).unwrap().unwrap();
        let mut record = Record::clone(&found);
        edit(&mut record);
        self.records.insert(record.id, Arc::new(record));
    }
}

impl Resolver for Registry {
    type Stop = Infallible;

    fn named(&self, noun: Noun, name: &str) -> Result<Option<Arc<Record>>, Infallible> {
        let found = self.records.values().find(|record| {
            record.noun == noun
                && (record.name == name || record.doc.aliases().iter().any(|alias| alias == name))
        });
        Ok(found.cloned())
    }

    fn record(&self, id: Id<id::Record>) -> Result<Option<Arc<Record>>, Infallible> {
        Ok(self.records.get(&id).cloned())
    }

    fn all(&self, noun: Noun) -> Result<Vec<Arc<Record>>, Infallible> {
        Ok(self
            .records
            .values()
            .filter(|record| record.noun == noun)
            .cloned()
            .collect())
    }

    fn any_identity(&self, wanted: &dyn Fn(&IdentityDoc) -> bool) -> Result<bool, Infallible> {
        Ok(self
            .records
            .values()
            .any(|record| record.identity().is_some_and(wanted)))
    }

    fn trust_rules(
        &self,
        identity: Id<id::Identity>,
    ) -> Result<Vec<(Id<id::Credential>, TrustRule)>, Infallible> {
        let own = self.trust.iter().filter(|(owner, ..)| *owner == identity);
        Ok(own
            .map(|(_, credential, rule)| (*credential, rule.clone()))
            .collect())
    }

    fn catalogue(&self) -> Result<Arc<Catalogue>, Infallible> {
        let own = self
            .records
            .values()
            .filter_map(|record| record.action().cloned());
        Ok(Arc::new(Catalogue::new(own)))
    }

    fn trust_errors(&self, rule: &TrustRule, _: &IssuerDoc, _: &[EnvironmentName]) -> Vec<String> {
        if rule.matches.contains_key("repository") {
            vec!["`repository` can be renamed".to_owned()]
        } else {
            Vec::new()
        }
    }

    fn issuer_errors(&self, issuer: &IssuerDoc) -> Vec<String> {
        if issuer.url.starts_with("http:") {
            vec!["`url` is not https".to_owned()]
        } else {
            Vec::new()
        }
    }
}
