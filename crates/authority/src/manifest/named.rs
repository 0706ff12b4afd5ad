//! The registry's documents as people write them: names instead of ids.

use std::fmt::Display;

use countersign_model::{
    Id, Timestamp,
    action::ActionSet,
    id::{self, Kind},
    registry::{
        ActionDoc, ApprovalRule, AudienceDoc, Doc, EnvironmentDoc, IdentityDoc, IssuerDoc,
        KeySource, Party, PolicyDoc, ProjectDoc, TeamDoc,
    },
    trust::TrustRule,
};
use serde::Serialize;
use serde_json::Value;

use super::{
    ActionManifest, ApprovalManifest, AudienceManifest, Claim, Document, EnvironmentManifest,
    IdentityManifest, IssuerManifest, Located, MemberManifest, PolicyManifest, ProjectManifest,
    TeamManifest, TrustManifest,
};

/// Tells the name of a record: of a user the e-mail address, of an issuer the URL.
pub(super) trait Names {
    /// Why it cannot tell yet.
    type Stop;

    /// The name; the id itself for a record that is gone.
    fn name(&self, id: Id<id::Record>) -> Result<String, Self::Stop>;
}

/// How much of a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// What somebody stated: no default, marked or not.
    Export,
    /// Everything, to be compared field by field.
    Full,
}

/// The document of a record, when its noun is one that manifests have.
pub(super) fn document<N: Names>(
    doc: &Doc,
    trust: &[TrustRule],
    names: &N,
    form: Form,
) -> Result<Option<Document>, N::Stop> {
    let writer = Writer { names, form };
    Ok(Some(match doc {
        Doc::Action(doc) => Document::Action(writer.action(doc)),
        Doc::Audience(doc) => Document::Audience(writer.audience(doc)?),
        Doc::Environment(doc) => Document::Environment(writer.environment(doc)),
        Doc::Identity(doc) => Document::Identity(Box::new(writer.identity(doc, trust)?)),
        Doc::Issuer(doc) => Document::Issuer(Box::new(writer.issuer(doc))),
        Doc::Policy(doc) => Document::Policy(writer.policy(doc)),
        Doc::Project(doc) => Document::Project(writer.project(doc)?),
        Doc::Team(doc) => Document::Team(writer.team(doc)?),
        Doc::Credential(_) | Doc::LinkedAccount(_) | Doc::Tenant(_) | Doc::User(_) => return Ok(None),
    }))
}

/// An expiry as a date when it is one, else as RFC 3339.
pub(super) fn expiry(at: Timestamp) -> String {
    let text = at.to_string();
    text.strip_suffix("T00:00:00Z").map_or(text.clone(), str::to_owned)
}

/// A word of the wire: how an enumeration of ours is written.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

struct Writer<'a, N> {
    names: &'a N,
    form: Form,
}

impl<N: Names> Writer<'_, N> {
    fn identity(&self, doc: &IdentityDoc, trust: &[TrustRule]) -> Result<IdentityManifest, N::Stop> {
        // A marked default is not written, so that applying the export leaves it marked.
        let stated = |field: &str| self.form == Form::Full || !doc.defaulted.contains(field);
        let sponsor = doc.pending_sponsor.as_ref().map_or(doc.sponsor, |pending| pending.party);
        Ok(IdentityManifest {
            kind: Some(doc.kind.as_str().to_owned().into()),
            name: located(&doc.name),
            project: Some(self.names.name(doc.project_id.cast())?.into()),
            sponsor: stated("sponsor").then(|| self.party(sponsor)).transpose()?.map(Into::into),
            owner: stated("owner").then(|| self.party(doc.owner)).transpose()?.map(Into::into),
            managers: stated("managers").then(|| self.list(&doc.managers)).transpose()?.map(Into::into),
            purpose: stated("purpose").then(|| doc.purpose.clone().into()),
            description: self.text(&doc.description).map(Into::into),
            environments: stated("environments").then(|| texts(&doc.environments)),
            audiences: self.some(self.list(&doc.audiences)?),
            resources: stated("resources").then(|| texts(&doc.resources)),
            allowed_actions: Some(actions(&doc.allowed_actions)),
            denied_actions: self.some(actions(&doc.denied_actions)),
            roles: self.some(texts(&doc.roles)),
            token_ttl_minutes: Some(minutes(doc.token_ttl_seconds).into()),
            requires_approval: self.flag(doc.requires_approval).map(Into::into),
            approval: self.approval(&doc.approval_rule)?,
            trust_model: match (doc.trust_model, self.form) {
                (Some(model), _) => Some(model.as_str().to_owned().into()),
                (None, Form::Full) => Some("any".to_owned().into()),
                (None, Form::Export) => None,
            },
            expires: stated("expires").then(|| expiry(doc.expires_at).into()),
            metadata: (self.form == Form::Full || !doc.metadata.is_empty()).then(|| doc.metadata.clone()),
            trust: self.some(trust.iter().map(|rule| self.trust(rule)).collect::<Result<_, _>>()?),
        })
    }

    fn approval(&self, rule: &ApprovalRule) -> Result<Option<ApprovalManifest>, N::Stop> {
        if self.form == Form::Export && *rule == ApprovalRule::default() {
            return Ok(None);
        }
        let approvers = rule.approvers.iter().map(|party| Ok(self.party(*party)?.into())).collect::<Result<_, _>>()?;
        Ok(Some(ApprovalManifest {
            required: Some(i64::from(rule.required).into()),
            approvers: self.some(approvers),
            second_if_unproven: self.flag(rule.second_if_unproven),
        }))
    }

    fn trust(&self, rule: &TrustRule) -> Result<TrustManifest, N::Stop> {
        Ok(TrustManifest {
            issuer: self.names.name(rule.issuer_id.cast())?.into(),
            environments: Some(texts(&rule.environments)),
            matches: rule.matches.iter().map(|(claim, accepted)| (claim.clone(), Claim(accepted.clone()))).collect(),
        })
    }

    fn project(&self, doc: &ProjectDoc) -> Result<ProjectManifest, N::Stop> {
        let mut members = Vec::with_capacity(doc.members.len());
        for member in &doc.members {
            let user = self.names.name(member.user_id.cast())?.into();
            members.push(MemberManifest { user, role: member.role.as_str().to_owned().into() });
        }
        Ok(ProjectManifest {
            name: located(&doc.name),
            description: self.text(&doc.description),
            members: Some(members),
            allowed_actions: doc.allowed_actions.as_ref().map(actions),
        })
    }

    fn team(&self, doc: &TeamDoc) -> Result<TeamManifest, N::Stop> {
        Ok(TeamManifest { name: located(&doc.name), members: Some(self.list(&doc.members)?) })
    }

    fn environment(&self, doc: &EnvironmentDoc) -> EnvironmentManifest {
        EnvironmentManifest {
            name: located(&doc.name),
            protected: Some(doc.protected),
            description: self.text(&doc.description),
        }
    }

    fn audience(&self, doc: &AudienceDoc) -> Result<AudienceManifest, N::Stop> {
        Ok(AudienceManifest {
            name: located(&doc.name),
            signing_alg: Some(doc.signing_alg.as_str().to_owned().into()),
            served_by: self.some(self.list(&doc.served_by)?),
            max_feed_age_seconds: Some(doc.max_feed_age_seconds.into()),
            max_feed_age_irreversible_seconds: Some(doc.max_feed_age_irreversible_seconds.into()),
            description: self.text(&doc.description),
        })
    }

    fn action(&self, doc: &ActionDoc) -> ActionManifest {
        ActionManifest {
            name: located(&doc.name),
            class: doc.class.as_str().to_owned().into(),
            group: self.text(&doc.group),
            description: self.text(&doc.description),
        }
    }

    fn issuer(&self, doc: &IssuerDoc) -> IssuerManifest {
        let (jwks, jwks_uri) = match &doc.keys {
            KeySource::Discovery => (None, None),
            KeySource::Inline(keys) => (keys.as_object().cloned(), None),
            KeySource::Uri(uri) => (None, Some(uri.clone())),
        };
        IssuerManifest {
            url: doc.url.clone().into(),
            profile: Some(doc.profile.as_str().to_owned().into()),
            jwks: jwks.map(Into::into),
            jwks_file: None,
            jwks_uri: jwks_uri.map(Into::into),
            audience: doc.audience.clone().map(Into::into),
            ca_bundle: doc.ca_bundle.clone().map(Into::into),
            trust_domain: doc.trust_domain.clone().map(Into::into),
        }
    }

    fn policy(&self, doc: &PolicyDoc) -> PolicyManifest {
        PolicyManifest {
            name: located(&doc.name),
            description: self.text(&doc.description),
            cedar: doc.cedar.clone().into(),
        }
    }

    fn party(&self, party: Party) -> Result<String, N::Stop> {
        let name = self.names.name(party.record_id())?;
        Ok(match party {
            Party::Team(_) => format!("team:{name}"),
            Party::User(_) => name,
        })
    }

    fn list<K: Kind>(&self, ids: &[Id<K>]) -> Result<Vec<Located<String>>, N::Stop> {
        ids.iter().map(|id| Ok(self.names.name(id.cast())?.into())).collect()
    }

    fn some<T>(&self, list: Vec<T>) -> Option<Vec<T>> {
        (self.form == Form::Full || !list.is_empty()).then_some(list)
    }

    fn text(&self, text: &str) -> Option<String> {
        (self.form == Form::Full || !text.is_empty()).then(|| text.to_owned())
    }

    fn flag(&self, flag: bool) -> Option<bool> {
        (self.form == Form::Full || flag).then_some(flag)
    }
}

/// Whole minutes: a life of a part of a minute counts as a whole one.
pub(super) const fn minutes(seconds: i64) -> i64 {
    (seconds + 59).div_euclid(60)
}

fn located(name: &impl Display) -> Located<String> {
    name.to_string().into()
}

fn texts<T: Display>(values: &[T]) -> Vec<Located<String>> {
    values.iter().map(located).collect()
}

fn actions(set: &ActionSet) -> Vec<Located<String>> {
    set.iter().map(located).collect()
}
