//! The fields of an identity that can be stated and edited.

use clap::Args;
use countersign_api::{
    NameOrId,
    identities::{ApprovalRuleInput, CreateIdentity, Identity, ImpersonatorInput, UpdateIdentity},
};
use countersign_model::{
    Timestamp,
    name::{ActionName, EnvironmentName, RoleName},
    registry::TrustModel,
};

use crate::{
    app::App,
    clock,
    failure::Failure,
    input::{pair, word},
    registry::Lists,
};

/// What can be said about an identity; what is left out stands at its default, or stays.
#[derive(Debug, Args)]
pub struct Fields {
    /// Who answers for it: an e-mail address or team:NAME
    #[arg(long, value_name = "USER|TEAM")]
    sponsor: Option<NameOrId>,
    /// Who runs it day by day; without it, the sponsor
    #[arg(long, value_name = "USER|TEAM")]
    owner: Option<NameOrId>,
    /// Who may administer it; once for each
    #[arg(long = "manager", value_name = "USER")]
    managers: Option<Vec<NameOrId>>,
    /// What it is for
    #[arg(long)]
    purpose: Option<String>,
    /// Anything else that people should know
    #[arg(long)]
    description: Option<String>,
    /// Where it may act; once for each, or with commas
    #[arg(
        long = "environment",
        visible_alias = "env",
        value_name = "ENVIRONMENT",
        value_delimiter = ','
    )]
    environments: Option<Vec<EnvironmentName>>,
    /// A resource that it may touch; once for each
    #[arg(long = "resource", value_name = "RESOURCE")]
    resources: Option<Vec<String>>,
    /// What it may do; once for each, or with commas
    #[arg(long = "allow", value_name = "ACTION", value_delimiter = ',')]
    allowed_actions: Option<Vec<ActionName>>,
    /// What it must never do; once for each, or with commas
    #[arg(long = "deny", value_name = "ACTION", value_delimiter = ',')]
    denied_actions: Option<Vec<ActionName>>,
    /// A role at its resource servers; once for each, or with commas
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
    roles: Option<Vec<RoleName>>,
    /// How long its tokens live, in minutes
    #[arg(long, value_name = "MINUTES")]
    token_ttl_minutes: Option<u32>,
    /// Whether a person must countersign what is not of class `read`
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    requires_approval: Option<bool>,
    /// How many people must countersign
    #[arg(long, value_name = "N")]
    approvals: Option<u32>,
    /// Who may countersign, instead of the owners; once for each
    #[arg(long = "approver", value_name = "USER|TEAM")]
    approvers: Option<Vec<NameOrId>>,
    /// Take one more approver when the human behind the run is unknown
    #[arg(long)]
    second_if_unproven: bool,
    /// Who may act as it until when, all of them: USER|TEAM=TIME|SPAN; once for each
    #[arg(long = "impersonator", value_name = "WHO=UNTIL", value_parser = impersonator)]
    impersonators: Option<Vec<ImpersonatorInput>>,
    /// The only credentials that it may have: client-secret, oidc-run-identity, private-key-jwt
    #[arg(long, value_parser = word::<TrustModel>)]
    trust_model: Option<TrustModel>,
    /// When it expires: a time, or a span such as 90d
    #[arg(long, value_name = "TIME|SPAN", value_parser = clock::ahead)]
    expires_at: Option<Timestamp>,
}

impl Fields {
    /// Whether only foreign issuers vouch for it, so that it has no secret.
    pub fn excludes_secrets(&self) -> bool {
        self.trust_model
            .is_some_and(|model| model != TrustModel::ClientSecret)
    }

    /// Where it may act, as far as that was stated.
    pub fn environments(&self) -> &[EnvironmentName] {
        self.environments.as_deref().unwrap_or_default()
    }

    fn rule(&self) -> Option<ApprovalRuleInput> {
        let stated =
            self.approvals.is_some() || self.approvers.is_some() || self.second_if_unproven;
        stated.then(|| ApprovalRuleInput {
            required: self.approvals.unwrap_or(1),
            approvers: self.approvers.clone().unwrap_or_default(),
            second_if_unproven: self.second_if_unproven,
        })
    }

    /// Puts into a new identity what was stated.
    pub fn fill(&self, create: &mut CreateIdentity) {
        create.sponsor.clone_from(&self.sponsor);
        create.owner.clone_from(&self.owner);
        create.managers.clone_from(&self.managers);
        create.purpose.clone_from(&self.purpose);
        create.description.clone_from(&self.description);
        create.environments.clone_from(&self.environments);
        create.resources.clone_from(&self.resources);
        create.allowed_actions = self.allowed_actions.iter().flatten().cloned().collect();
        create.denied_actions = self.denied_actions.iter().flatten().cloned().collect();
        create.roles = self.roles.clone().unwrap_or_default();
        create.token_ttl_seconds = self
            .token_ttl_minutes
            .map(|minutes| i64::from(minutes) * 60);
        create.requires_approval = self.requires_approval;
        create.approval_rule = self.rule();
        create.impersonators = self.impersonators.clone().unwrap_or_default();
        create.trust_model = self.trust_model;
        create.expires_at = self.expires_at.map(Into::into);
    }
}

/// `dana@example.com=8h`, `team:support=2027-01-31T00:00:00Z`.
fn impersonator(text: &str) -> Result<ImpersonatorInput, String> {
    let (who, until) = pair(text).map_err(|_| {
        format!("`{text}` does not say until when: expected WHO=UNTIL, such as dana@example.com=8h")
    })?;
    Ok(ImpersonatorInput {
        who: NameOrId(who),
        until: clock::ahead(&until)?.into(),
    })
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Args)]
pub struct Update {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    pub target: String,
    #[command(flatten)]
    fields: Fields,
    /// Which resource servers it may call, all of them; once for each
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Option<Vec<NameOrId>>,
    /// Nobody may act as it any more
    #[arg(long, conflicts_with = "impersonators")]
    no_impersonators: bool,
    /// It may have credentials of every type
    #[arg(long, conflicts_with = "trust_model")]
    any_trust_model: bool,
    #[command(flatten)]
    pub lists: Lists,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

impl Update {
    /// What to say when approval is required from now on: tokens from before know nothing of it.
    pub async fn tokens_that_go_on(&self, app: &App) -> Result<Option<String>, Failure> {
        if self.fields.requires_approval != Some(true) {
            return Ok(None);
        }
        let before: Identity = app.client()?.show(&self.target).await?;
        let name = &before.meta.name;
        Ok((!before.requires_approval).then(|| {
            format!(
                "tokens that `{name}` has go on without approval until they expire, in at most {} minutes: `countersign revoke identity {name}` ends them now",
                (before.token_ttl_seconds + 59) / 60
            )
        }))
    }

    /// The request. How many people must countersign stays, unless it was said.
    pub async fn request(&self, app: &App) -> Result<UpdateIdentity, Failure> {
        let mut update = self.stated();
        if let (Some(rule), None) = (&mut update.approval_rule, self.fields.approvals) {
            let before: Identity = app.client()?.show(&self.target).await?;
            rule.required = before.approval_rule.required;
        }
        Ok(update)
    }

    fn stated(&self) -> UpdateIdentity {
        let fields = &self.fields;
        UpdateIdentity {
            owner: fields.owner.clone(),
            sponsor: fields.sponsor.clone(),
            managers: fields.managers.clone(),
            purpose: fields.purpose.clone(),
            description: fields.description.clone(),
            environments: fields.environments.clone(),
            audiences: self.audiences.clone(),
            resources: fields.resources.clone(),
            allowed_actions: fields.allowed_actions.clone().map(FromIterator::from_iter),
            denied_actions: fields.denied_actions.clone().map(FromIterator::from_iter),
            roles: fields.roles.clone(),
            token_ttl_seconds: fields
                .token_ttl_minutes
                .map(|minutes| i64::from(minutes) * 60),
            requires_approval: fields.requires_approval,
            approval_rule: fields.rule(),
            impersonators: if self.no_impersonators {
                Some(Vec::new())
            } else {
                fields.impersonators.clone()
            },
            trust_model: if self.any_trust_model {
                Some(None)
            } else {
                fields.trust_model.map(Some)
            },
            expires_at: fields.expires_at.map(Into::into),
            metadata: None,
            reason: self.reason.clone(),
        }
    }
}
