//! Identities: what a document states, over what stood before, over marked defaults.

use std::collections::BTreeSet;

use countersign_model::{
    Id, Timestamp, id,
    identity::Kind,
    name::IdentityName,
    registry::{ApprovalRule, Doc, IdentityDoc, Impersonator, Noun, Party, PendingSponsor},
    time::Seconds,
};

use super::{Desire, Entry, word};
use crate::{
    manifest::{
        ApprovalManifest, IdentityManifest, ImpersonatorManifest, Located, Resolver, named,
    },
    registry::impersonators::given,
};

impl<R: Resolver> Desire<'_, R> {
    pub(super) fn identity(
        &mut self,
        entry: &Entry<'_>,
        manifest: &IdentityManifest,
    ) -> Result<Option<IdentityDoc>, R::Stop> {
        let current = entry.current.as_ref().and_then(|record| record.identity());
        let mut doc = match current {
            Some(doc) => doc.clone(),
            None => match self.new_identity(entry, manifest)? {
                Some(doc) => doc,
                None => return Ok(None),
            },
        };
        if let Some(kind) = &manifest.kind
            && word(kind) != Some(doc.kind)
        {
            self.error(
                entry,
                kind.place(),
                format!(
                    "it is of kind `{}`, which is fixed once it is made",
                    doc.kind.as_str()
                ),
            );
        }
        if let Some(project) = &manifest.project
            && let Some(id) = self.find(entry, Noun::Project, project)?
        {
            doc.project_id = id.cast();
        }
        self.people(entry, manifest, &mut doc)?;
        self.authority(entry, manifest, &mut doc)?;
        self.life(entry, manifest, &mut doc);
        if let Some(approval) = &manifest.approval {
            self.approval(entry, approval, &mut doc.approval_rule)?;
        }
        if let Some(stated) = &manifest.impersonators {
            doc.impersonators = self.impersonators(entry, stated, &doc.impersonators)?;
        }
        for (field, stated) in stated(manifest) {
            if stated {
                doc.defaulted.remove(field);
            }
        }
        Ok(Some(doc))
    }

    /// A new identity with a default in every field.
    fn new_identity(
        &mut self,
        entry: &Entry<'_>,
        manifest: &IdentityManifest,
    ) -> Result<Option<IdentityDoc>, R::Stop> {
        let Some(name) = self.read::<IdentityName>(entry, &manifest.name) else {
            return Ok(None);
        };
        let kind = manifest
            .kind
            .as_ref()
            .and_then(word)
            .unwrap_or(Kind::ServiceAccount);
        let project_id = match &manifest.project {
            Some(project) => match self.find(entry, Noun::Project, project)? {
                Some(id) => id.cast(),
                None => return Ok(None),
            },
            None => self.applying.default_project,
        };
        let Some(Doc::Project(project)) = self.doc_of(project_id.cast())? else {
            let place = manifest
                .project
                .as_ref()
                .map_or(entry.place, Located::place);
            self.error(entry, place, "there is no such project any more");
            return Ok(None);
        };
        // As over the API: a managed identity has a client id of its own, the others their name.
        let client_id = match kind {
            Kind::OauthClient => format!("client-{}", entry.id),
            Kind::Agent
            | Kind::ApiKey
            | Kind::Bot
            | Kind::Pipeline
            | Kind::ServiceAccount
            | Kind::Workload => name.to_string(),
        };
        let applying = Party::User(self.applying.user_id);
        Ok(Some(IdentityDoc {
            kind,
            subject: kind.subject(&project.name, &name, &client_id, self.applying.trust_domain),
            name,
            client_id,
            project_id,
            sponsor: applying,
            pending_sponsor: None,
            owner: applying,
            managers: vec![self.applying.user_id],
            purpose: NOT_STATED.to_owned(),
            description: String::new(),
            environments: Vec::new(),
            audiences: Vec::new(),
            resources: Vec::new(),
            allowed_actions: Default::default(),
            denied_actions: Default::default(),
            roles: Vec::new(),
            token_ttl_seconds: if kind == Kind::OauthClient {
                CLIENT_TTL_SECONDS
            } else {
                TTL_SECONDS
            },
            requires_approval: false,
            approval_rule: ApprovalRule::default(),
            impersonators: Vec::new(),
            trust_model: None,
            expires_at: self.applying.now + EXPIRY,
            orphan_grace_until: None,
            review: None,
            defaulted: MARKED
                .iter()
                .map(|field| (*field).to_owned())
                .collect::<BTreeSet<_>>(),
            created_by: self.applying.user_id,
            confirmed: None,
            status_reason: None,
            metadata: Default::default(),
        }))
    }

    fn people(
        &mut self,
        entry: &Entry<'_>,
        manifest: &IdentityManifest,
        doc: &mut IdentityDoc,
    ) -> Result<(), R::Stop> {
        let sponsor = match (&manifest.sponsor, self.applying.default_sponsor) {
            (Some(sponsor), _) => self.party(entry, sponsor)?,
            (None, Some(sponsor)) if entry.current.is_none() => {
                doc.defaulted.remove("sponsor");
                self.party(entry, &Located::new(sponsor.to_owned(), entry.place))?
            }
            (None, _) => None,
        };
        if let Some(sponsor) = sponsor {
            self.sponsor(doc, sponsor)?;
        }
        if let Some(owner) = &manifest.owner {
            if let Some(owner) = self.party(entry, owner)? {
                doc.owner = owner;
            }
        } else if doc.defaulted.contains("owner") {
            doc.owner = doc.sponsor;
        }
        if let Some(managers) = &manifest.managers {
            doc.managers = self.find_all(entry, Noun::User, &managers.value)?;
            if managers.value.is_empty() {
                self.error(
                    entry,
                    managers.place(),
                    "`managers` is empty: somebody must be able to administer it",
                );
            }
        }
        Ok(())
    }

    /// Somebody else answers only once they accept; until then it stays as it is.
    fn sponsor(&self, doc: &mut IdentityDoc, party: Party) -> Result<(), R::Stop> {
        let by = self.applying.user_id;
        if party == doc.sponsor {
            doc.pending_sponsor = None;
        } else if self.is(by, party)? {
            doc.sponsor = party;
            doc.pending_sponsor = None;
        } else if doc
            .pending_sponsor
            .as_ref()
            .is_none_or(|pending| pending.party != party)
        {
            doc.pending_sponsor = Some(PendingSponsor {
                party,
                asked_by: by,
                asked_at: self.applying.now,
                hands_over: None,
            });
        }
        Ok(())
    }

    /// Whether the user is the party or in it.
    pub(in crate::manifest) fn is(
        &self,
        user: Id<id::User>,
        party: Party,
    ) -> Result<bool, R::Stop> {
        Ok(match party {
            Party::User(other) => other == user,
            Party::Team(team) => match self.doc_of(team.cast())? {
                Some(Doc::Team(team)) => team.members.contains(&user),
                _ => false,
            },
        })
    }

    fn authority(
        &mut self,
        entry: &Entry<'_>,
        manifest: &IdentityManifest,
        doc: &mut IdentityDoc,
    ) -> Result<(), R::Stop> {
        if let Some(environments) = &manifest.environments {
            doc.environments = self.places(entry, environments, &doc.environments);
        }
        if let Some(audiences) = &manifest.audiences {
            doc.audiences = self.find_all(entry, Noun::Audience, audiences)?;
        }
        if let Some(resources) = &manifest.resources {
            for resource in resources
                .iter()
                .filter(|resource| !is_resource(&resource.value))
            {
                let message =
                    format!("a resource has 1 to {RESOURCE_BYTES} bytes and no control character");
                self.error(entry, resource.place(), message);
            }
            doc.resources = resources
                .iter()
                .map(|resource| resource.value.clone())
                .collect();
        }
        if let Some(actions) = &manifest.allowed_actions {
            doc.allowed_actions = self.actions(entry, actions);
        }
        if let Some(actions) = &manifest.denied_actions {
            doc.denied_actions = self.actions(entry, actions);
        }
        if let Some(roles) = &manifest.roles {
            doc.roles = self.read_all(entry, roles);
        }
        if let Some(flag) = &manifest.requires_approval {
            doc.requires_approval = flag.value;
        }
        if let Some(model) = &manifest.trust_model {
            // `any` is no model: every type of credential will do.
            doc.trust_model = word(model).filter(|_| model.value != named::ANY_MODEL);
        }
        Ok(())
    }

    fn impersonators(
        &mut self,
        entry: &Entry<'_>,
        stated: &[ImpersonatorManifest],
        before: &[Impersonator],
    ) -> Result<Vec<Impersonator>, R::Stop> {
        let mut rights = Vec::with_capacity(stated.len());
        for one in stated {
            let party = self.party(entry, &one.who)?;
            let Some(until) = expiry(&one.until.value) else {
                self.error(entry, one.until.place(), no_time(&one.until.value));
                continue;
            };
            if let Some(party) = party {
                rights.push(given(before, party, until, self.applying.now));
            }
        }
        Ok(rights)
    }

    fn life(&mut self, entry: &Entry<'_>, manifest: &IdentityManifest, doc: &mut IdentityDoc) {
        if let Some(purpose) = &manifest.purpose {
            doc.purpose.clone_from(&purpose.value);
        }
        if let Some(description) = &manifest.description {
            doc.description.clone_from(&description.value);
        }
        if let Some(metadata) = &manifest.metadata {
            doc.metadata.clone_from(metadata);
        }
        if let Some(minutes) = &manifest.token_ttl_minutes
            && minutes.value != named::minutes(doc.token_ttl_seconds)
        {
            doc.token_ttl_seconds = minutes.value * 60;
        }
        let Some(expires) = &manifest.expires else {
            return;
        };
        match expiry(&expires.value) {
            Some(at) if at == doc.expires_at => {}
            Some(at) if at <= self.applying.now => {
                self.error(entry, expires.place(), "`expires` is in the past")
            }
            Some(at) => doc.expires_at = at,
            None => self.error(entry, expires.place(), no_time(&expires.value)),
        }
    }

    fn approval(
        &mut self,
        entry: &Entry<'_>,
        manifest: &ApprovalManifest,
        rule: &mut ApprovalRule,
    ) -> Result<(), R::Stop> {
        if let Some(required) = &manifest.required {
            rule.required = u32::try_from(required.value).unwrap_or(1);
        }
        if let Some(approvers) = &manifest.approvers {
            rule.approvers = self.parties(entry, approvers)?;
        }
        if let Some(flag) = manifest.second_if_unproven {
            rule.second_if_unproven = flag;
        }
        Ok(())
    }
}

/// The facts that every record should state and that a document may leave out.
const MARKED: [&str; 8] = [
    "environments",
    "expires",
    "managers",
    "owner",
    "purpose",
    "resources",
    "sponsor",
    "trust_model",
];

fn stated(manifest: &IdentityManifest) -> [(&'static str, bool); MARKED.len()] {
    [
        ("environments", manifest.environments.is_some()),
        ("expires", manifest.expires.is_some()),
        ("managers", manifest.managers.is_some()),
        ("owner", manifest.owner.is_some()),
        ("purpose", manifest.purpose.is_some()),
        ("resources", manifest.resources.is_some()),
        ("sponsor", manifest.sponsor.is_some()),
        ("trust_model", manifest.trust_model.is_some()),
    ]
}

fn no_time(text: &str) -> String {
    format!("`{text}` is no time: expected a date or RFC 3339, such as 2027-06-30")
}

fn expiry(text: &str) -> Option<Timestamp> {
    let time = if text.len() == "2027-06-30".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    time.parse().ok()
}

fn is_resource(text: &str) -> bool {
    (1..=RESOURCE_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// What stands for a purpose that nobody stated.
const NOT_STATED: &str = "not stated";

/// An identity that nobody gave an end ends after a year.
const EXPIRY: Seconds = Seconds::days(365);

const TTL_SECONDS: i64 = 600;

/// Clients of a managed identity expect an hour.
const CLIENT_TTL_SECONDS: i64 = 3600;

/// Room for a long URI.
const RESOURCE_BYTES: usize = 512;
