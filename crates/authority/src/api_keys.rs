//! API keys: opaque, for reading only, checked by the resource server through introspection, and
//! exchangeable for nothing.

use countersign_crypto::opaque::{ParsedSecret, SecretKind};
use countersign_model::{
    Id,
    action::{ActionClass, ActionSet},
    id,
    identity::Kind,
    narrow::narrow,
    registry::{CredentialSecret, IdentityDoc, Noun, Status},
    token::{AccessClaims, ActionDetail, ActionDetailType, Generation, PrincipalType},
};

use crate::{
    ctx::Ctx,
    facts::Facts,
    grants::{Ran, Surroundings, guard_rails, may_get_tokens, possible_actions},
    rejection::Stop,
    secrets::Secrets,
    signing_keys::Tenant,
};

/// What a key may do at an audience that this client serves; nothing when it is not a live key.
///
/// The claims have the form of a token's, so that a resource server reads one answer. The key's `jti`
/// is its credential's id.
///
/// # Errors
/// What must be looked up first.
pub fn introspect(
    ctx: &Ctx,
    tenant: &Tenant,
    key: &str,
    caller: Id<id::Identity>,
    secrets: &Secrets,
    facts: &Facts,
) -> Result<Option<AccessClaims>, Stop> {
    let Ok(parsed) = ParsedSecret::parse(key) else {
        return Ok(None);
    };
    if parsed.kind() != SecretKind::ApiKey {
        return Ok(None);
    }
    let Some(credential) = facts.named(tenant.id, Noun::Credential, parsed.public_id())? else {
        return Ok(None);
    };
    let Some(doc) = credential.credential() else {
        return Ok(None);
    };
    let CredentialSecret::ApiKey { hash } = &doc.secret else {
        return Ok(None);
    };
    let genuine = hex::decode(hash).is_ok_and(|stored| parsed.verify(&secrets.pepper, &stored));
    let usable =
        credential.status == Status::Active && doc.expires_at.is_none_or(|at| ctx.now < at);
    if !genuine || !usable {
        return Ok(None);
    }
    let Some(identity) = facts.record(tenant.id, doc.identity_id)? else {
        return Ok(None);
    };
    let Some(about) = identity
        .identity()
        .filter(|about| about.kind == Kind::ApiKey)
    else {
        return Ok(None);
    };
    if may_get_tokens(&identity, about, ctx.now).is_err() {
        return Ok(None);
    }
    let Some(project) = facts
        .record(tenant.id, about.project_id)?
        .filter(|project| project.status == Status::Active)
    else {
        return Ok(None);
    };
    let Some(tenant_record) = facts.record(tenant.id, tenant.id)? else {
        return Ok(None);
    };
    let Some(audience) = served(tenant, about.audiences.as_slice(), caller, facts)? else {
        return Ok(None);
    };
    let catalogue = facts.catalogue(tenant.id)?;
    let possible = possible_actions(about, &project, true);
    let reading: ActionSet = possible
        .iter()
        .filter(|action| catalogue.class(action) == ActionClass::Read)
        .cloned()
        .collect();
    let reading = narrow(&[&possible, &reading], &[&about.denied_actions]);
    let on = |resource: Option<&str>| -> Result<ActionSet, Stop> {
        if reading.is_empty() || facts.guard_rails(tenant.id)?.is_empty() {
            return Ok(reading.clone());
        }
        let around = Surroundings {
            identity: &identity,
            project: &project,
            audience: &audience,
            environment: None,
            resource,
            run: Ran::Unknown,
            approved: false,
        };
        Ok(guard_rails(tenant.id, &reading, &around, facts)?.allowed)
    };
    let (actions, authorization_details) = if about.resources.is_empty() {
        (on(None)?, Vec::new())
    } else {
        bound(about, on)?
    };
    let ends = doc
        .expires_at
        .map_or(about.expires_at, |at| at.min(about.expires_at));
    Ok(Some(AccessClaims {
        iss: tenant.issuer.clone(),
        sub: about.subject.clone(),
        aud: audience,
        exp: ends.seconds(),
        iat: credential.created_at.seconds(),
        jti: credential.id.cast(),
        client_id: about.client_id.clone(),
        scope: String::new(),
        txn: credential.id.cast(),
        identity_id: identity.id.cast(),
        identity_type: PrincipalType::ServiceAccount,
        identity_kind: Some(about.kind),
        tenant_id: tenant.id,
        project_id: Some(about.project_id),
        actions: actions.0.into_iter().collect(),
        environment: None,
        generation: Generation {
            tenant: tenant_record.epoch,
            project: project.epoch,
            identity: identity.epoch,
            credential: credential.epoch,
            ..Generation::default()
        },
        credential_id: Some(credential.id.cast()),
        issuer_id: None,
        chain_id: None,
        cnf: None,
        run: None,
        roles: about.roles.iter().map(ToString::to_string).collect(),
        approval_id: None,
        authorization_details,
        act: None,
        principal_id: None,
        auth_time: None,
        metadata: None,
        sub_profile: Some(about.kind.profile().sub_profile.to_owned()),
        managed_identity_id: None,
        is_service_account: None,
    }))
}

/// A key is presented as it is and cannot choose: it is for each of its identity's resources, and for no other.
fn bound(
    about: &IdentityDoc,
    on: impl Fn(Option<&str>) -> Result<ActionSet, Stop>,
) -> Result<(ActionSet, Vec<ActionDetail>), Stop> {
    let (mut actions, mut details) = (ActionSet::default(), Vec::new());
    for resource in &about.resources {
        let allowed = on(Some(resource))?;
        if allowed.is_empty() {
            continue;
        }
        details.push(ActionDetail {
            detail_type: ActionDetailType::Action,
            actions: allowed.iter().cloned().collect(),
            environment: None,
            resource: Some(resource.clone()),
            artifact_digest: None,
        });
        actions.0.extend(allowed.0);
    }
    Ok((actions, details))
}

/// The first of these audiences that the client serves.
fn served(
    tenant: &Tenant,
    audiences: &[Id<id::Audience>],
    caller: Id<id::Identity>,
    facts: &Facts,
) -> Result<Option<String>, Stop> {
    for id in audiences {
        let record = facts
            .record(tenant.id, *id)?
            .filter(|record| record.status == Status::Active);
        if let Some(record) = record
            && record
                .audience()
                .is_some_and(|doc| doc.served_by.contains(&caller))
        {
            return Ok(Some(record.name.clone()));
        }
    }
    Ok(None)
}
