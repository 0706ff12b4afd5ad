//! Planning a token for Countersign's own API: one that lives for days, or for one execution.

use countersign_model::{
    Id, SHORT_LIVED_SECONDS, Timestamp,
    action::ActionSet,
    evidence::{Event, Reference, Role, Text, TokenIssued},
    id,
    registry::{Record, SigningAlg},
    scope::Scope,
    token::{AccessClaims, Generation, PrincipalType},
    token_metadata::TokenMetadata,
};

use super::{Entry, IssuePlan, PERSONAL_CLIENT, Unsigned};
use crate::{
    ctx::Ctx,
    evidence::seal::{Draft, refer},
    grants, long_lived,
    rejection::Fault,
    signing_keys::{Tenant, Use},
};

/// Who holds such a token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Held<'a> {
    /// A program, in its project.
    Identity(&'a Record, &'a Record),
    /// A person.
    User(&'a Record),
}

impl<'a> Held<'a> {
    /// The identity or user.
    pub(crate) const fn record(self) -> &'a Record {
        match self {
            Self::Identity(identity, _) => identity,
            Self::User(user) => user,
        }
    }

    /// The identity's project.
    const fn project(self) -> Option<&'a Record> {
        match self {
            Self::Identity(_, project) => Some(project),
            Self::User(_) => None,
        }
    }
}

/// Everything that was decided about one.
pub(crate) struct LongLived<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) tenant_record: &'a Record,
    pub(crate) held: Held<'a>,
    pub(crate) scope: Scope,
    pub(crate) metadata: &'a TokenMetadata,
    pub(crate) actions: ActionSet,
    pub(crate) policies: Vec<String>,
    pub(crate) chain_id: Option<Id<id::Chain>>,
    /// What people countersigned for it.
    pub(crate) approval_id: Option<Id<id::Approval>>,
    /// How it was asked for, in the record.
    pub(crate) grant: &'static str,
    pub(crate) ends: Timestamp,
    pub(crate) auth_time: Option<i64>,
    pub(crate) txn: Id<id::Transaction>,
    /// Who took part, the holder first.
    pub(crate) refs: Vec<Reference>,
    /// The token that it renews.
    pub(crate) parents: Vec<Id<id::Evidence>>,
}

impl LongLived<'_> {
    fn using(&self, now: Timestamp) -> Use {
        if self.ends.seconds() - now.seconds() > SHORT_LIVED_SECONDS {
            Use::LongLived
        } else {
            Use::Access(SigningAlg::Es256)
        }
    }

    fn claims(&self, ctx: &Ctx, jti: Id<id::Evidence>) -> Result<AccessClaims, Fault> {
        let wrong = || Fault::Invariant("a token for what cannot hold one".to_owned());
        let (holder, project) = (self.held.record(), self.held.project());
        let doc = match self.held {
            Held::Identity(identity, _) => Some(identity.identity().ok_or_else(wrong)?),
            Held::User(user) => user.user().map(|_| None).ok_or_else(wrong)?,
        };
        Ok(AccessClaims {
            iss: self.tenant.issuer.clone(),
            sub: doc.map_or_else(
                || countersign_model::subject::of_user(holder.id.cast()),
                |doc| doc.subject.clone(),
            ),
            aud: self.tenant.issuer.clone(),
            exp: self.ends.seconds(),
            iat: ctx.now.seconds(),
            jti,
            client_id: doc.map_or_else(|| PERSONAL_CLIENT.to_owned(), |doc| doc.client_id.clone()),
            scope: self.scope.as_str().to_owned(),
            txn: self.txn,
            identity_id: holder.id.cast(),
            identity_type: match self.held {
                Held::Identity(..) => PrincipalType::ServiceAccount,
                Held::User(_) => PrincipalType::User,
            },
            identity_kind: doc.map(|doc| doc.kind),
            tenant_id: self.tenant.id,
            project_id: project.map(|project| project.id.cast()),
            actions: self.actions.iter().cloned().collect(),
            environment: None,
            generation: Generation {
                tenant: self.tenant_record.epoch,
                project: project.map_or(0, |project| project.epoch),
                identity: holder.epoch,
                credential: 0,
                principal: 0,
            },
            credential_id: None,
            issuer_id: None,
            chain_id: self.chain_id.map(|chain| chain.to_string()),
            cnf: None,
            run: None,
            roles: Vec::new(),
            approval_id: self.approval_id,
            authorization_details: Vec::new(),
            act: None,
            principal_id: None,
            auth_time: self.auth_time,
            metadata: (!self.metadata.is_empty()).then(|| Box::new(self.metadata.clone())),
            sub_profile: Some(doc.map_or_else(
                || "user".to_owned(),
                |doc| doc.kind.profile().sub_profile.to_owned(),
            )),
            managed_identity_id: None,
            is_service_account: None,
        })
    }

    fn event(&self, ctx: &Ctx, claims: &AccessClaims) -> Event {
        Event::TokenIssued(Box::new(TokenIssued {
            grant: self.grant.to_owned(),
            client_auth: match self.grant {
                RENEWED => "long_lived_token",
                "session" => "enrolment_code",
                long_lived::EXECUTION => "claim",
                _ => "session",
            }
            .to_owned(),
            subject: claims.sub.clone(),
            identity_kind: claims.identity_kind,
            client_id: claims.client_id.clone(),
            audience: claims.aud.clone(),
            actions: self.actions.clone(),
            withheld: ActionSet::default(),
            environment: None,
            artifact_digest: None,
            cnf: None,
            expires_at: Timestamp::from_seconds(claims.exp),
            approval_id: self.approval_id,
            policies: self.policies.clone(),
            run: None,
            source_address: ctx.source.as_deref().map(Text::personal),
        }))
    }
}

/// Plans it. The versions that were read are compared once more by the insert of its record.
///
/// # Errors
/// A fault: no key signs, or the holder is no holder.
pub(crate) fn plan_long_lived(ctx: &Ctx, asked: &LongLived<'_>) -> Result<IssuePlan, Fault> {
    let using = asked.using(ctx.now);
    if asked.tenant.signing_key(using, ctx.now).is_none() {
        return Err(Fault::NoKey(using));
    }
    let jti: Id<id::Evidence> = ctx.id();
    let claims = asked.claims(ctx, jti)?;
    let mut draft = Draft::new(asked.txn, asked.event(ctx, &claims))
        .refs(asked.refs.iter().cloned())
        .parents(asked.parents.iter().copied());
    draft.refs.push(refer(Role::Token, jti, None));
    draft.refs.extend(
        asked
            .chain_id
            .map(|chain| refer(Role::Chain, chain, Some(asked.scope.as_str()))),
    );
    if let Some(kind) = claims.identity_kind {
        draft = draft.audited(kind, &grants::audited_always(kind));
    }
    draft.id = Some(jti);
    let holder = asked.held.record();
    let guarded = [
        Some(holder),
        asked.held.project(),
        Some(asked.tenant_record),
    ];
    let entry = Entry {
        tenant_id: asked.tenant.id,
        sealed: draft.seal(ctx, asked.tenant.id)?,
        guards: guarded
            .into_iter()
            .flatten()
            .map(|record| (record.id, record.version))
            .collect(),
        replay: None,
        proof: None,
        redeemed: None,
        now: ctx.now,
    };
    let token = Unsigned {
        claims,
        using,
        scope_shown: None,
        details_shown: false,
        withheld: ActionSet::default(),
    };
    let used = vec![holder.id];
    Ok(IssuePlan { entry, token, used })
}

/// The grant of a token that a holder renewed alone.
pub(crate) const RENEWED: &str = "refresh";
