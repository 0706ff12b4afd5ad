//! The registry's documents as people write them: names instead of ids.

mod pack;

use std::fmt::Display;

use super::{
    ActionManifest, ApprovalManifest, AudienceManifest, Claim, Document, EnvironmentManifest,
    IdentityManifest, ImpersonatorManifest, IssuerManifest, Located, MemberManifest,
    PolicyManifest, ProjectManifest, ScopeManifest, TeamManifest, TrustManifest,
};
use countersign_model::{
    Id, Timestamp,
    action::ActionSet,
    id::{self, Kind},
    registry::{
        ActionDoc, ApprovalRule, AudienceDoc, Doc, EnvironmentDoc, IdentityDoc, IssuerDoc,
        KeySource, Party, PolicyDoc, ProjectDoc, ScopeDoc, TeamDoc, TrustModel,
    },
    trust::TrustRule,
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
        Doc::Pack(doc) => Document::Pack(Box::new(writer.pack(doc)?)),
        Doc::Policy(doc) => Document::Policy(writer.policy(doc)),
        Doc::Project(doc) => Document::Project(writer.project(doc)?),
        Doc::Scope(doc) => Document::Scope(writer.scope(doc)),
        Doc::Team(doc) => Document::Team(writer.team(doc)?),
        Doc::Credential(_)
        | Doc::Key(_)
        | Doc::LinkedAccount(_)
        | Doc::ObservedAccount(_)
        | Doc::Tenant(_)
        | Doc::User(_) => {
            return Ok(None);
        }
    }))
}

/// An expiry as a date when it is one, else as RFC 3339.
pub(super) fn expiry(at: Timestamp) -> String {
    let text = at.to_string();
    text.strip_suffix("T00:00:00Z")
        .map_or(text.clone(), str::to_owned)
}

struct Writer<'a, N> {
    names: &'a N,
    form: Form,
}

impl<N: Names> Writer<'_, N> {
    fn identity(
        &self,
        doc: &IdentityDoc,
        trust: &[TrustRule],
    ) -> Result<IdentityManifest, N::Stop> {
        // A marked default is not written, so that applying the export leaves it marked.
        let stated = |field: &str| self.form == Form::Full || !doc.defaulted.contains(field);
        let sponsor = doc
            .pending_sponsor
            .as_ref()
            .map_or(doc.sponsor, |pending| pending.party);
        Ok(IdentityManifest {
            kind: Some(text(doc.kind.as_str())),
            name: located(&doc.name),
            project: Some(Located::unplaced(self.names.name(doc.project_id.cast())?)),
            sponsor: stated("sponsor")
                .then(|| self.party(sponsor))
                .transpose()?
                .map(Located::unplaced),
            owner: stated("owner")
                .then(|| self.party(doc.owner))
                .transpose()?
                .map(Located::unplaced),
            managers: stated("managers")
                .then(|| self.list(&doc.managers))
                .transpose()?
                .map(Located::unplaced),
            purpose: stated("purpose").then(|| text(&doc.purpose)),
            description: self.text(&doc.description).map(Located::unplaced),
            environments: stated("environments").then(|| texts(&doc.environments)),
            audiences: self.some(self.list(&doc.audiences)?),
            resources: stated("resources").then(|| texts(&doc.resources)),
            allowed_actions: Some(actions(&doc.allowed_actions)),
            denied_actions: self.some(actions(&doc.denied_actions)),
            roles: self.some(texts(&doc.roles)),
            token_ttl_minutes: Some(Located::unplaced(minutes(doc.token_ttl_seconds))),
            requires_approval: self.flag(doc.requires_approval).map(Located::unplaced),
            approval: self.approval(&doc.approval_rule)?,
            impersonators: self.some(
                doc.impersonators
                    .iter()
                    .map(|right| {
                        Ok(ImpersonatorManifest {
                            who: Located::unplaced(self.party(right.party)?),
                            until: Located::unplaced(expiry(right.until)),
                        })
                    })
                    .collect::<Result<_, _>>()?,
            ),
            trust_model: stated("trust_model")
                .then(|| text(doc.trust_model.map_or(ANY_MODEL, TrustModel::as_str))),
            expires: stated("expires").then(|| Located::unplaced(expiry(doc.expires_at))),
            metadata: (self.form == Form::Full || !doc.metadata.is_empty())
                .then(|| doc.metadata.clone()),
            trust: self.some(
                trust
                    .iter()
                    .map(|rule| self.trust(rule))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    fn approval(&self, rule: &ApprovalRule) -> Result<Option<ApprovalManifest>, N::Stop> {
        if self.form == Form::Export && *rule == ApprovalRule::default() {
            return Ok(None);
        }
        let approvers = rule
            .approvers
            .iter()
            .map(|party| Ok(Located::unplaced(self.party(*party)?)))
            .collect::<Result<_, _>>()?;
        Ok(Some(ApprovalManifest {
            required: Some(Located::unplaced(i64::from(rule.required))),
            approvers: self.some(approvers),
            second_if_unproven: self.flag(rule.second_if_unproven),
        }))
    }

    fn trust(&self, rule: &TrustRule) -> Result<TrustManifest, N::Stop> {
        Ok(TrustManifest {
            issuer: Located::unplaced(self.names.name(rule.issuer_id.cast())?),
            environments: Some(texts(&rule.environments)),
            matches: rule
                .matches
                .iter()
                .map(|(claim, accepted)| (claim.clone(), Claim(accepted.clone())))
                .collect(),
        })
    }

    fn project(&self, doc: &ProjectDoc) -> Result<ProjectManifest, N::Stop> {
        let mut members = Vec::with_capacity(doc.members.len());
        for member in &doc.members {
            let user = Located::unplaced(self.names.name(member.user_id.cast())?);
            members.push(MemberManifest {
                user,
                role: text(member.role.as_str()),
            });
        }
        Ok(ProjectManifest {
            name: located(&doc.name),
            description: self.text(&doc.description),
            members: Some(members),
            allowed_actions: doc.allowed_actions.as_ref().map(actions),
        })
    }

    fn team(&self, doc: &TeamDoc) -> Result<TeamManifest, N::Stop> {
        Ok(TeamManifest {
            name: located(&doc.name),
            members: Some(self.list(&doc.members)?),
        })
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
            signing_alg: Some(text(doc.signing_alg.as_str())),
            served_by: self.some(self.list(&doc.served_by)?),
            max_feed_age_seconds: Some(Located::unplaced(doc.max_feed_age_seconds)),
            max_feed_age_irreversible_seconds: Some(Located::unplaced(
                doc.max_feed_age_irreversible_seconds,
            )),
            description: self.text(&doc.description),
        })
    }

    fn action(&self, doc: &ActionDoc) -> ActionManifest {
        ActionManifest {
            name: located(&doc.name),
            class: text(doc.class.as_str()),
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
            url: text(&doc.url),
            profile: Some(text(doc.profile.as_str())),
            jwks: jwks.map(Located::unplaced),
            jwks_file: None,
            jwks_uri: jwks_uri.map(Located::unplaced),
            audience: doc.audience.clone().map(Located::unplaced),
            ca_bundle: doc.ca_bundle.clone().map(Located::unplaced),
            trust_domain: doc.trust_domain.clone().map(Located::unplaced),
        }
    }

    fn scope(&self, doc: &ScopeDoc) -> ScopeManifest {
        let days = |days| Some(Located::unplaced(days));
        ScopeManifest {
            name: located(&doc.name),
            parent: text(doc.parent.as_str()),
            actions: Located::unplaced(actions(&doc.actions)),
            shortest_days: days(doc.shortest_days),
            longest_days: days(doc.longest_days),
            usual_days: days(doc.usual_days),
            description: self.text(&doc.description),
        }
    }

    fn policy(&self, doc: &PolicyDoc) -> PolicyManifest {
        PolicyManifest {
            name: located(&doc.name),
            description: self.text(&doc.description),
            cedar: text(&doc.cedar),
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
        ids.iter()
            .map(|id| Ok(Located::unplaced(self.names.name(id.cast())?)))
            .collect()
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

/// The trust model of an identity that may have every type of credential.
pub(super) const ANY_MODEL: &str = "any";

fn located(name: &impl Display) -> Located<String> {
    Located::unplaced(name.to_string())
}

fn text(text: &str) -> Located<String> {
    Located::unplaced(text.to_owned())
}

fn texts<T: Display>(values: &[T]) -> Vec<Located<String>> {
    values.iter().map(located).collect()
}

fn actions(set: &ActionSet) -> Vec<Located<String>> {
    set.iter().map(located).collect()
}
