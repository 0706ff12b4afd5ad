//! Planning a token: its claims, its evidence, and the versions that recording compares.

use super::{Entry, IssuePlan, Unsigned};
use crate::{
    ctx::Ctx,
    evidence::seal::{Draft, refer, refer_person},
    facts::Facts,
    grants::{self, Granted, TokenRequest},
    rejection::{Fault, Stop},
    signing_keys::{Tenant, Use},
};
use countersign_crypto::dpop::Proof;
use countersign_model::{
    Id, SHORT_LIVED_SECONDS, Timestamp,
    confirmation::{Confirmation, Thumbprint},
    evidence::{Event, Reference, Role, RunEvidence, Text, TokenIssued},
    id,
    identity::Kind,
    registry::{Record, SigningAlg},
    run::RunAssurance,
    time::Seconds,
    token::{AccessClaims, Actor, Generation, PrincipalType},
};

/// Plans the token of an identity.
///
/// # Errors
/// A fact that must be looked up first, or a fault.
pub fn plan_for_identity(
    ctx: &Ctx,
    request: &TokenRequest,
    granted: &Granted,
    facts: &Facts,
) -> Result<IssuePlan, Stop> {
    let tenant = &request.tenant;
    let invariant = |what: &str| Stop::Fault(Fault::Invariant(what.to_owned()));
    let doc = granted
        .identity
        .identity()
        .ok_or_else(|| invariant("a token for what is no identity"))?;
    let tenant_record = facts
        .record(tenant.id, tenant.id)?
        .ok_or_else(|| invariant("a tenant without a record"))?;
    let alg = match &granted.audience {
        Some(audience) => audience
            .audience()
            .map(|audience| audience.signing_alg)
            .unwrap_or_default(),
        None => SigningAlg::Es256,
    };
    let using = Use::Access(alg);
    if tenant.signing_key(using, ctx.now).is_none() {
        return Err(Fault::NoKey(using).into());
    }
    let ttl = doc.token_ttl_seconds.clamp(1, SHORT_LIVED_SECONDS);
    let mut ends = ctx.now + Seconds(ttl);
    ends = ends.min(doc.expires_at);
    if let Some(at) = granted
        .authenticated
        .credential
        .credential()
        .and_then(|credential| credential.expires_at)
    {
        ends = ends.min(at);
    }
    let acting = granted.impersonation.as_ref();
    if let Some(acting) = acting {
        ends = ends.min(acting.ends);
    }
    let exchanged = granted.authenticated.exchanged.as_ref();
    if let Some(exchanged) = exchanged {
        ends = ends.min(Timestamp::from_seconds(exchanged.claims.exp));
    }
    let has_credential = acting.is_none() && exchanged.is_none();
    let person: Option<Id<id::User>> = acting.map(|acting| acting.user.id.cast());
    let jti: Id<id::Evidence> = ctx.id();
    let txn = granted
        .redeemed
        .as_ref()
        .map_or_else(|| ctx.id(), |redeemed| redeemed.txn);
    let run = granted.authenticated.run.as_ref();
    let managed = doc.kind == Kind::OauthClient;
    let claims = AccessClaims {
        iss: tenant.issuer.clone(),
        sub: person.map_or_else(|| doc.subject.clone(), countersign_model::subject::of_user),
        aud: granted.audience_name.clone(),
        exp: ends.seconds(),
        iat: ctx.now.seconds(),
        jti,
        client_id: doc.client_id.clone(),
        scope: granted
            .words
            .iter()
            .map(|word| word.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        txn,
        identity_id: granted.identity.id.cast(),
        identity_type: PrincipalType::ServiceAccount,
        identity_kind: Some(doc.kind),
        tenant_id: tenant.id,
        project_id: Some(doc.project_id),
        actions: granted.actions.iter().cloned().collect(),
        environment: granted.environment.clone(),
        generation: Generation {
            tenant: tenant_record.epoch,
            project: granted.project.epoch,
            identity: granted.identity.epoch,
            credential: if has_credential {
                granted.authenticated.credential.epoch
            } else {
                0
            },
            principal: acting.map_or(0, |acting| acting.user.epoch),
        },
        credential_id: has_credential.then(|| granted.authenticated.credential.id.cast()),
        issuer_id: granted.authenticated.issuer_id,
        chain_id: match (acting, exchanged) {
            (Some(acting), _) => Some(acting.chain.clone()),
            // It dies with the token that it came of, and with all that renewed that.
            (None, Some(exchanged)) => exchanged.claims.chain_id.clone(),
            (None, None) => None,
        },
        cnf: bound_to(ctx, granted.authenticated.certificate.as_ref()),
        run: run.map(countersign_model::run::Run::claim),
        roles: doc.roles.iter().map(ToString::to_string).collect(),
        approval_id: granted
            .redeemed
            .as_ref()
            .map(|redeemed| redeemed.approval_id),
        authorization_details: granted.detail.iter().cloned().collect(),
        act: person.map(|_| Actor {
            sub: doc.subject.clone(),
            sub_profile: Some(doc.kind.profile().sub_profile.to_owned()),
        }),
        principal_id: person,
        auth_time: None,
        metadata: None,
        sub_profile: Some(match person {
            Some(_) => "user".to_owned(),
            None => doc.kind.profile().sub_profile.to_owned(),
        }),
        managed_identity_id: managed.then(|| granted.identity.id.cast()),
        is_service_account: managed.then_some(true),
    };
    let event = Event::TokenIssued(Box::new(TokenIssued {
        grant: request.grant.as_str().to_owned(),
        client_auth: granted.authenticated.method.to_owned(),
        subject: claims.sub.clone(),
        identity_kind: Some(doc.kind),
        client_id: claims.client_id.clone(),
        audience: claims.aud.clone(),
        actions: granted.actions.clone(),
        withheld: granted.withheld.clone(),
        environment: claims.environment.clone(),
        artifact_digest: granted
            .detail
            .as_ref()
            .and_then(|detail| detail.artifact_digest.clone()),
        cnf: claims.cnf.clone(),
        expires_at: Timestamp::from_seconds(claims.exp),
        approval_id: claims.approval_id,
        policies: granted.policies.clone(),
        run: run.map(RunEvidence::from),
        source_address: ctx.source.as_deref().map(Text::personal),
    }));
    let mut draft = Draft::new(txn, event).audited(doc.kind, &grants::audited(granted));
    draft.id = Some(jti);
    draft.refs = references(tenant, granted, facts)?;
    draft.parents = granted
        .redeemed
        .as_ref()
        .map(|redeemed| redeemed.parents.clone())
        .unwrap_or_default();
    draft.parents.extend(acting.map(|acting| acting.session));
    draft
        .parents
        .extend(exchanged.map(|exchanged| exchanged.claims.jti));
    let mut used = vec![granted.identity.id, granted.authenticated.credential.id];
    used.dedup();
    let entry = Entry {
        tenant_id: tenant.id,
        sealed: draft.seal(ctx, tenant.id)?,
        guards: guards(granted, &tenant_record),
        replay: granted.authenticated.replay.clone(),
        proof: ctx.sender.proof.clone(),
        redeemed: granted.redeemed.clone(),
        now: Timestamp::from_seconds(claims.iat),
    };
    let scope_shown = granted.narrowed.then(|| {
        let words = granted.words.iter().map(|word| word.as_str());
        words
            .chain(granted.actions.iter().map(|action| action.as_str()))
            .collect::<Vec<_>>()
            .join(" ")
    });
    let token = Unsigned {
        claims,
        using,
        scope_shown,
        details_shown: granted.detail.is_some(),
        withheld: granted.withheld.clone(),
    };
    Ok(IssuePlan { entry, token, used })
}

/// The client of people's own tokens.
pub const PERSONAL_CLIENT: &str = "countersign-cli";

/// Everything that was decided about the token of a person.
#[derive(Clone, Copy)]
pub struct UserToken<'a> {
    /// The issuer.
    pub tenant: &'a Tenant,
    /// Its record.
    pub tenant_record: &'a Record,
    /// The person.
    pub user: &'a Record,
    /// When it dies.
    pub ends: Timestamp,
    /// When the person proved presence, in seconds.
    pub auth_time: i64,
    /// The sign-in that it is of, when that lasts.
    pub session: Option<Id<id::Session>>,
    /// How it was asked for, in the record.
    pub grant: &'static str,
    /// What was presented for it, in the record.
    pub client_auth: &'static str,
    /// What it follows from: the sign-in, or the token before it.
    pub parent: Id<id::Evidence>,
    /// The story.
    pub txn: Id<id::Transaction>,
}

/// Plans the token of a person who proved presence: for Countersign's own API alone.
///
/// # Errors
/// A fault.
pub fn plan_for_user(ctx: &Ctx, asked: &UserToken<'_>) -> Result<IssuePlan, Fault> {
    let UserToken {
        tenant,
        tenant_record,
        user,
        ends,
        txn,
        ..
    } = *asked;
    let doc = user
        .user()
        .ok_or_else(|| Fault::Invariant("a user token for what is no user".to_owned()))?;
    let jti: Id<id::Evidence> = ctx.id();
    let user_id: Id<id::User> = user.id.cast();
    let mut claims = user_claims(&Claimed {
        tenant,
        user: user_id,
        session: asked.session,
        jti,
        txn,
        issued: ctx.now,
        ends,
        auth_time: asked.auth_time,
        generation: Generation {
            tenant: tenant_record.epoch,
            identity: user.epoch,
            ..Generation::default()
        },
    });
    claims.cnf = bound_to(ctx, None);
    let event = Event::TokenIssued(Box::new(TokenIssued {
        grant: asked.grant.to_owned(),
        client_auth: asked.client_auth.to_owned(),
        subject: claims.sub.clone(),
        identity_kind: None,
        client_id: claims.client_id.clone(),
        audience: claims.aud.clone(),
        actions: Default::default(),
        withheld: Default::default(),
        environment: None,
        artifact_digest: None,
        cnf: claims.cnf.clone(),
        expires_at: Timestamp::from_seconds(claims.exp),
        approval_id: None,
        policies: Vec::new(),
        run: None,
        source_address: ctx.source.as_deref().map(Text::personal),
    }));
    let mut draft = Draft::new(txn, event)
        .refs([
            refer_person(Role::Actor, user_id, &doc.email),
            refer(Role::Token, jti, None),
        ])
        .parents([asked.parent]);
    draft.refs.extend(
        asked
            .session
            .map(|session| refer(Role::Chain, session, Some("user"))),
    );
    draft.id = Some(jti);
    let entry = Entry {
        tenant_id: tenant.id,
        sealed: draft.seal(ctx, tenant.id)?,
        guards: vec![
            (user.id, user.version),
            (tenant_record.id, tenant_record.version),
        ],
        replay: None,
        proof: ctx.sender.proof.clone(),
        redeemed: None,
        now: Timestamp::from_seconds(claims.iat),
    };
    let using = if claims.lifetime() > SHORT_LIVED_SECONDS {
        Use::LongLived
    } else {
        Use::Access(SigningAlg::Es256)
    };
    let token = Unsigned {
        claims,
        using,
        scope_shown: None,
        details_shown: false,
        withheld: Default::default(),
    };
    Ok(IssuePlan {
        entry,
        token,
        used: vec![user.id],
    })
}

/// What a person's token says, and what a browser's session stands for.
pub(crate) struct Claimed<'a> {
    /// The tenant.
    pub tenant: &'a Tenant,
    /// Who.
    pub user: Id<id::User>,
    /// In which session.
    pub session: Option<Id<id::Session>>,
    /// Its record.
    pub jti: Id<id::Evidence>,
    /// The story.
    pub txn: Id<id::Transaction>,
    /// From when.
    pub issued: Timestamp,
    /// Until when.
    pub ends: Timestamp,
    /// When the person proved presence, in seconds.
    pub auth_time: i64,
    /// The epochs that must stand.
    pub generation: Generation,
}

/// The claims of a person: for this server alone, without actions of their own.
pub(crate) fn user_claims(of: &Claimed<'_>) -> AccessClaims {
    AccessClaims {
        iss: of.tenant.issuer.clone(),
        sub: countersign_model::subject::of_user(of.user),
        aud: of.tenant.issuer.clone(),
        exp: of.ends.seconds(),
        iat: of.issued.seconds(),
        jti: of.jti,
        client_id: PERSONAL_CLIENT.to_owned(),
        scope: "user".to_owned(),
        txn: of.txn,
        identity_id: of.user.cast(),
        identity_type: PrincipalType::User,
        identity_kind: None,
        tenant_id: of.tenant.id,
        project_id: None,
        actions: Vec::new(),
        environment: None,
        generation: of.generation,
        credential_id: None,
        issuer_id: None,
        chain_id: of.session.map(|session| session.to_string()),
        cnf: None,
        run: None,
        roles: Vec::new(),
        approval_id: None,
        authorization_details: Vec::new(),
        act: None,
        principal_id: None,
        auth_time: Some(of.auth_time),
        metadata: None,
        sub_profile: Some("user".to_owned()),
        managed_identity_id: None,
        is_service_account: None,
    }
}

/// What a token is bound to that is issued now: what its first holder proved to hold (RFC 9449 §5, RFC 8705 §3).
fn bound_to(ctx: &Ctx, certificate: Option<&Thumbprint>) -> Option<Box<Confirmation>> {
    let key = ctx.sender.proof.as_ref().map(Proof::key);
    if key.is_none() && certificate.is_none() {
        return None;
    }
    Some(Box::new(Confirmation {
        jkt: key.cloned(),
        certificate: certificate.cloned(),
    }))
}

fn guards(granted: &Granted, tenant: &Record) -> Vec<(Id<id::Record>, i64)> {
    let mut guards = vec![
        (granted.identity.id, granted.identity.version),
        (granted.project.id, granted.project.version),
        (
            granted.authenticated.credential.id,
            granted.authenticated.credential.version,
        ),
        (tenant.id, tenant.version),
    ];
    guards.extend(
        granted
            .audience
            .as_ref()
            .map(|audience| (audience.id, audience.version)),
    );
    let acting = granted.impersonation.as_ref();
    let team = acting.and_then(|acting| acting.team.as_ref());
    guards.extend(team.map(|team| (team.id, team.version)));
    guards
}

fn references(tenant: &Tenant, granted: &Granted, facts: &Facts) -> Result<Vec<Reference>, Stop> {
    let mut refs = Vec::with_capacity(10);
    let identity = &granted.identity;
    if let Some(doc) = identity.identity() {
        refs.push(refer(Role::Identity, identity.id, Some(&doc.attribution())));
        for (role, party) in [(Role::Sponsor, doc.sponsor), (Role::Owner, doc.owner)] {
            refs.push(match facts.record(tenant.id, party.record_id())? {
                Some(record) if record.user().is_some() => {
                    refer_person(role, record.id, &record.name)
                }
                Some(record) => refer(role, record.id, Some(&format!("team {}", record.name))),
                None => refer(role, party.record_id(), None),
            });
        }
    }
    refs.push(refer(
        Role::Project,
        granted.project.id,
        Some(&granted.project.name),
    ));
    let credential = &granted.authenticated.credential;
    // What a long-lived token was exchanged for follows from its record; it is not the chain, which ending it must not end.
    refs.extend(match &granted.impersonation {
        Some(acting) => Some(refer_person(Role::Actor, acting.user.id, &acting.user.name)),
        None if granted.authenticated.exchanged.is_some() => None,
        None => Some(refer(
            Role::Credential,
            credential.id,
            credential
                .credential()
                .map(|doc| doc.credential_type().as_str()),
        )),
    });
    if let Some(audience) = &granted.audience {
        refs.push(refer(Role::Audience, audience.id, Some(&audience.name)));
    }
    if let Some(issuer) = granted.authenticated.issuer_id {
        let record = facts.record(tenant.id, issuer)?;
        refs.push(refer(
            Role::Issuer,
            issuer,
            record.as_ref().map(|record| record.name.as_str()),
        ));
    }
    if let Some(run) = &granted.authenticated.run {
        let claimed = run.assurance == RunAssurance::Claimed;
        refs.push(refer(
            Role::Run,
            &run.key,
            if claimed {
                Some("claimed")
            } else {
                run.run_id.as_deref()
            },
        ));
        refs.extend(
            run.commit
                .as_ref()
                .map(|commit| refer(Role::Commit, commit, None)),
        );
    }
    if let Some(digest) = granted
        .detail
        .as_ref()
        .and_then(|detail| detail.artifact_digest.as_ref())
    {
        refs.push(refer(Role::Digest, digest, None));
    }
    if let Some(redeemed) = &granted.redeemed {
        refs.push(refer(Role::Approval, redeemed.approval_id, None));
    }
    Ok(refs)
}
