//! Whether a token counts: the one verification, then everything that may have revoked it since.

use std::sync::Arc;

use countersign_crypto::{
    Sender,
    access_token::{self, Expectation, TokenError},
    digest,
    jose::Verified,
    sender::NotTheSender,
};
use countersign_model::{
    Id, LEEWAY_SECONDS, Timestamp,
    action::{ActionClass, ActionSet},
    evidence::Grain,
    id,
    reason::{Reason, Refusal},
    registry::{IdentityDoc, Noun, Record, Status},
    scope,
    time::Seconds,
    token::{AccessClaims, PrincipalType},
};

use crate::{
    authority::Authority,
    command::{Actor, Command, Execution, Permit, Revocation, Verdict, WriteTx},
    ctx::Ctx,
    facts::Facts,
    grants::{Ran, Surroundings, guard_rails, impersonation, is_possible},
    long_lived,
    proved::Proved,
    rejection::{Rejection, Stop, refuse},
    revoked::RevokedSet,
    sessions,
    shelf::Shelf,
    signing_keys::Tenant,
};

/// How many verified tokens are remembered: some ten megabytes.
const REMEMBERED: u64 = 8192;

/// Verified tokens, by digest. Only the signature and form are remembered; time and revocation are
/// looked at on every request.
pub struct TokenCache(Shelf<[u8; 32], Arc<Verified<AccessClaims>>>);

impl Default for TokenCache {
    fn default() -> Self {
        Self(Shelf::new(REMEMBERED))
    }
}

impl TokenCache {
    /// Verifies a token of a tenant for an audience, or for any when none is given. The prefix that a long-lived token may
    /// have before it must be that of its scope.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub fn verify(
        &self,
        tenant: &Tenant,
        token: &str,
        audience: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<Verified<AccessClaims>>, TokenError> {
        let (stated, token) = scope::split_prefix(token);
        let verified = self.verify_bare(tenant, token, audience, now)?;
        if stated.is_some_and(|stated| stated.as_str() != verified.claims().scope) {
            let detail = "the prefix before it is that of another scope".to_owned();
            return Err(TokenError::InvalidToken { detail });
        }
        Ok(verified)
    }

    fn verify_bare(
        &self,
        tenant: &Tenant,
        token: &str,
        audience: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<Verified<AccessClaims>>, TokenError> {
        let key = digest::sha256(token.as_bytes());
        if let Some(verified) = self.0.get(&key) {
            let claims = verified.claims();
            let fresh = now < Timestamp::from_seconds(claims.exp) + Seconds(LEEWAY_SECONDS);
            if claims.iss == tenant.issuer && claims.tenant_id == tenant.id {
                if !fresh {
                    return Err(TokenError::Expired);
                }
                if audience.is_some_and(|audience| audience != claims.aud) {
                    return Err(TokenError::InvalidAudience);
                }
                return Ok(verified);
            }
        }
        let expect = Expectation {
            issuer: &tenant.issuer,
            audience,
            now,
        };
        let verified = Arc::new(access_token::verify(token, tenant.verifying(), &expect)?);
        if verified.claims().tenant_id != tenant.id {
            return Err(TokenError::InvalidIssuer);
        }
        self.0.insert(key, Arc::clone(&verified), 1);
        Ok(verified)
    }

    /// Forgets all: a key was killed.
    pub fn clear(&self) {
        self.0.clear();
    }
}

/// The refusal for a token that was not accepted.
#[must_use]
pub fn refusal(error: &TokenError) -> Refusal {
    let reason = match error {
        TokenError::Expired => Reason::TokenExpired,
        _ => Reason::TokenInvalid,
    };
    Refusal::new(reason, error.to_string())
}

/// In which way a token came, and so what its sender must have proved.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// As what a question is about, or what is to be ended: whoever holds it may.
    AskedAbout,
    /// As what another token is to be made of, which is bound to the same.
    Exchanged,
    /// As the credential of the request, by who proved this.
    Presented(&'a Sender),
}

/// A token that is not accepted.
#[derive(Debug)]
pub struct NotAccepted {
    /// Why.
    pub refusal: Refusal,
    /// Whose it is, when it is a good one in other hands.
    pub subject: Option<String>,
}

impl NotAccepted {
    /// A good token whose sender does not hold what it is bound to.
    pub(crate) fn not_the_sender(error: NotTheSender, claims: &AccessClaims) -> Self {
        let reason = match error {
            // RFC 8705 §3 has no scheme of its own for it.
            NotTheSender::Certificate => Reason::TokenInvalid,
            NotTheSender::NoProof | NotTheSender::OtherKey | NotTheSender::Unbound => {
                Reason::SenderUnproven
            }
        };
        Self {
            refusal: Refusal::new(reason, error.to_string()),
            subject: Some(claims.sub.clone()),
        }
    }
}

impl From<TokenError> for NotAccepted {
    fn from(error: TokenError) -> Self {
        Self {
            refusal: refusal(&error),
            subject: None,
        }
    }
}

impl From<NotAccepted> for Stop {
    fn from(not: NotAccepted) -> Self {
        Self::Refused(not.refusal)
    }
}

/// Whether nothing revoked the token since: the AND over token, run, chain, credential, identity,
/// project, tenant and issuer (T12). An identity that is unknown is not alive.
///
/// # Errors
/// `token_revoked`, or what must be looked up first.
pub fn alive(facts: &Facts, revoked: &RevokedSet, claims: &AccessClaims) -> Result<(), Stop> {
    if let Some(grain) = revoked.hits(claims) {
        return refuse(
            Reason::TokenRevoked,
            format!(
                "token revoked: its {} was",
                grain.as_str().replace('_', " ")
            ),
        );
    }
    let tenant = claims.tenant_id;
    let generation = &claims.generation;
    stands(facts.record(tenant, tenant)?, generation.tenant, "tenant")?;
    match claims.identity_type {
        PrincipalType::User => stands(
            facts.record(tenant, claims.identity_id)?,
            generation.identity,
            "user",
        ),
        PrincipalType::ServiceAccount => {
            let identity = facts.record(tenant, claims.identity_id)?;
            if let Some(person) = claims.principal_id {
                stands(facts.record(tenant, person)?, generation.principal, "user")?;
                let doc = identity.as_ref().and_then(|record| record.identity());
                if !doc.map_or(Ok(false), |doc| impersonation::stands(facts, claims, doc))? {
                    return refuse(
                        Reason::TokenRevoked,
                        "token revoked: the right to act as its identity is over",
                    );
                }
            }
            stands(identity, generation.identity, "identity")?;
            if let Some(project) = claims.project_id {
                stands(
                    facts.record(tenant, project)?,
                    generation.project,
                    "project",
                )?;
            }
            if let Some(credential) = claims.credential_id {
                stands(
                    facts.record(tenant, credential)?,
                    generation.credential,
                    "credential",
                )?;
            }
            Ok(())
        }
    }
}

/// A live token as it counts now: with those of its actions and roles that its identity still has, in
/// the project where it lives, at this audience, under the guard rails of today. The token itself says
/// what it said at issue; authority only narrows.
///
/// # Errors
/// What must be looked up first.
pub fn as_of_now(
    facts: &Facts,
    claims: &AccessClaims,
    audience: Option<&Record>,
) -> Result<AccessClaims, Stop> {
    let mut now = claims.clone();
    if claims.identity_type == PrincipalType::User {
        return Ok(now);
    }
    let identity = facts.record(claims.tenant_id, claims.identity_id)?;
    let doc = identity.as_ref().and_then(|record| record.identity());
    let (Some(identity), Some(doc)) = (&identity, doc) else {
        now.actions.clear();
        now.authorization_details.clear();
        now.roles.clear();
        return Ok(now);
    };
    now.roles
        .retain(|role| doc.roles.iter().any(|one| one.as_str() == role));
    if claims.actions.is_empty() {
        return Ok(now);
    }
    let may_call = audience.is_some_and(|record| {
        record.status == Status::Active && doc.audiences.contains(&record.id.cast())
    });
    let left = if may_call {
        still_allowed(facts, claims, identity, doc)?
    } else {
        ActionSet::default()
    };
    now.actions.retain(|action| left.contains(action));
    if claims.chain_id.is_some() && claims.principal_id.is_none() {
        // It came of a long-lived token, and what the organisation's scope leaves of that counts for it too.
        match long_lived::left(facts, &now, doc, Timestamp::from_seconds(claims.iat)) {
            Ok(None) => {}
            Ok(Some(left)) => now.actions.retain(|action| left.contains(action)),
            Err(Stop::Refused(_)) => now.actions.clear(),
            Err(stop) => return Err(stop),
        }
    }
    let left: ActionSet = now.actions.iter().cloned().collect();
    for detail in &mut now.authorization_details {
        detail.actions.retain(|action| left.contains(action));
    }
    now.authorization_details
        .retain(|detail| !detail.actions.is_empty());
    Ok(now)
}

fn still_allowed(
    facts: &Facts,
    claims: &AccessClaims,
    identity: &Record,
    doc: &IdentityDoc,
) -> Result<ActionSet, Stop> {
    let tenant = claims.tenant_id;
    let project = facts
        .record(tenant, doc.project_id)?
        .filter(|project| project.status == Status::Active);
    let in_environment = claims
        .environment
        .as_ref()
        .is_none_or(|name| doc.environments.contains(name));
    let resource = claims
        .authorization_details
        .iter()
        .find_map(|detail| detail.resource.as_ref());
    // What was bound to nothing, before the identity was, is for nothing of it now.
    let on_resource = doc.resources.is_empty()
        || resource.is_some_and(|resource| doc.resources.contains(resource));
    let Some(project) = project.filter(|_| in_environment && on_resource) else {
        return Ok(ActionSet::default());
    };
    if claims.principal_id.is_some()
        && let Some(name) = &claims.environment
        && impersonation::is_protected(tenant, name, facts)?
    {
        // It was not when the token was issued; nobody acts as an identity where it is.
        return Ok(ActionSet::default());
    }
    let approved = claims.approval_id.is_some();
    let mut left = ActionSet::default();
    for action in &claims.actions {
        if !is_possible(doc, &project, action) {
            continue;
        }
        let needs = doc.requires_approval
            && !approved
            && facts.catalogue(tenant)?.class(action) != ActionClass::Read;
        if !needs {
            left.0.insert(action.clone());
        }
    }
    if left.is_empty() || facts.guard_rails(tenant)?.is_empty() {
        return Ok(left);
    }
    let around = Surroundings {
        identity,
        project: &project,
        audience: &claims.aud,
        environment: claims.environment.as_ref(),
        resource: resource.map(String::as_str),
        run: Ran::With(claims),
        approved,
    };
    Ok(guard_rails(tenant, &left, &around, facts)?.allowed)
}

fn stands(record: Option<Arc<Record>>, generation: i64, what: &str) -> Result<(), Stop> {
    let Some(record) = record else {
        return refuse(
            Reason::TokenRevoked,
            format!("token revoked: its {what} is unknown"),
        );
    };
    match record.status {
        Status::Active | Status::Orphaned if record.epoch == generation => Ok(()),
        Status::Active | Status::Orphaned => refuse(
            Reason::TokenRevoked,
            format!("token revoked: its {what} was revoked"),
        ),
        status => refuse(
            Reason::TokenRevoked,
            format!("token revoked: its {what} is {}", status.as_str()),
        ),
    }
}

/// The permit of who presents a live token of Countersign's own API, or a live session.
///
/// # Errors
/// What must be looked up first, or `token_revoked`.
pub fn permit(facts: &Facts, revoked: &RevokedSet, presented: &Proved) -> Result<Permit, Stop> {
    let claims = presented.claims();
    alive(facts, revoked, claims)?;
    let tenant_id = claims.tenant_id;
    let actor = match claims.identity_type {
        PrincipalType::User => {
            let user: Id<id::User> = claims.identity_id.cast();
            let record = facts
                .record(tenant_id, user)?
                .filter(|record| record.noun == Noun::User);
            let Some(record) = record else {
                return refuse(Reason::TokenRevoked, "token revoked: its user is unknown");
            };
            let auth_time = Timestamp::from_seconds(claims.auth_time.unwrap_or(0));
            Actor::User {
                id: user,
                email: record.name.clone(),
                auth_time,
            }
        }
        PrincipalType::ServiceAccount => Actor::Identity {
            id: claims.identity_id,
            subject: claims.acting_subject().to_owned(),
        },
    };
    Ok(Permit {
        tenant_id,
        actor,
        txn: claims.txn,
        parents: match claims.identity_type {
            PrincipalType::User => vec![claims.jti],
            PrincipalType::ServiceAccount => Vec::new(),
        },
    })
}

impl Authority {
    /// Starts to revoke a token for who holds it.
    pub fn revoke_own(&self, ctx: &Ctx, presented: &Proved) -> Execution<()> {
        let claims = presented.claims();
        let actor = Actor::Identity {
            id: claims.identity_id,
            subject: claims.acting_subject().to_owned(),
        };
        let permit = Permit {
            tenant_id: claims.tenant_id,
            actor,
            txn: claims.txn,
            parents: vec![claims.jti],
        };
        let command = RevokeOwn {
            jti: claims.jti,
            // What was exchanged for another audience ends alone: whoever it was shown to must not end what it came of.
            chain_id: claims.chain_id.clone().filter(|_| claims.aud == claims.iss),
            expires_at: Timestamp::from_seconds(claims.exp),
        };
        self.execute(ctx, &permit, command)
    }
}

/// Revokes one token, of who holds it (RFC 7009), and with it the chain of renewals that it is of: what it came of and what
/// came of it would live on.
pub struct RevokeOwn {
    /// The token.
    pub jti: Id<id::Evidence>,
    /// Its chain, when it is of one.
    pub chain_id: Option<String>,
    /// When it would have died by itself.
    pub expires_at: Timestamp,
}

impl Command for RevokeOwn {
    type Output = ();

    const NAME: &'static str = "token revoke";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        const WHY: &str = "its own client revoked it";
        let chain = self.chain_id.as_deref();
        if let Some(chain) = chain.map_or(Ok(None), |id| long_lived::by_text(tx, id))? {
            long_lived::revoke_chain(tx, chain, None, WHY)?;
            return Ok(Verdict::Done(()));
        }
        if let Some(session) = chain.map_or(Ok(None), |id| sessions::by_text(tx, id))? {
            sessions::end(tx, session, "signed out")?;
            return Ok(Verdict::Done(()));
        }
        let revocation = Revocation {
            tenant_id: tx.tenant_id(),
            grain: Grain::Token,
            target: self.jti.to_string(),
            generation: None,
            // As long as any verifier, its clock and ours apart, could still accept it (T11).
            until: self.expires_at.max(tx.now()) + Seconds(2 * LEEWAY_SECONDS),
        };
        tx.revoke(revocation, None, WHY)?;
        Ok(Verdict::Done(()))
    }
}
