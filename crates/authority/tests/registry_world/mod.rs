//! What the tests of the registry share: people, readers, tokens.

use countersign_authority::{
    Rejection,
    client_auth::ClientProof,
    command::Permit,
    enrolment::{EnrolmentCode, UseCode},
    grants::{GrantType, TokenRequest},
    issue::Released,
    registry::{
        ChangeOutcome, Page, PageQuery, Shown,
        credentials::{CreateCredential, NewSecret},
        identities::{CreateIdentity, IdentityFilter},
    },
};
use countersign_crypto::Secret;
use countersign_model::{
    Id,
    approval::Approval,
    id,
    identity::Kind,
    reason::Refusal,
    registry::{Record, TenantDoc, TenantRole},
    token::AccessClaims,
};
use countersign_store::{Tx, approvals};

use crate::approvals_world::{User, World, drive, refused};

/// The smallest identity.
pub fn identity(kind: Kind, name: &str) -> CreateIdentity {
    CreateIdentity::new(kind, name.parse().unwrap(), "example")
}

/// Reads as a person does.
pub fn read<T: Send + 'static>(
    world: &World,
    permit: &Permit,
    reader: impl Fn(&mut Tx<'_>, &Permit) -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Refusal> {
    let permit = permit.clone();
    refused(
        world
            .authority()
            .store()
            .read(move |tx| reader(tx, &permit))
            .wait(),
    )
}

pub fn show(world: &World, user: &User, name: &str) -> Result<Shown, Refusal> {
    let name = name.to_owned();
    read(world, &user.permit, move |tx, permit| {
        countersign_authority::registry::identities::show(tx, permit, &name)
    })
}

pub fn list(world: &World, user: &User, filter: IdentityFilter, query: PageQuery) -> Page {
    read(world, &user.permit, move |tx, permit| {
        countersign_authority::registry::identities::list(tx, permit, &filter, &query)
    })
    .unwrap()
}

pub fn names(page: &Page) -> Vec<&str> {
    page.items
        .iter()
        .map(|listed| listed.record.name.as_str())
        .collect()
}

/// The approval that an edit waits for.
pub fn approval(world: &World, outcome: &ChangeOutcome) -> Approval {
    let id = outcome.approval_id().expect("it waits for approval");
    let found = world
        .authority()
        .store()
        .read(move |tx| approvals::by_id(tx, id))
        .wait()
        .unwrap();
    found.unwrap()
}

/// Gives an identity a client secret.
pub fn secret(world: &World, user: &User, identity: &str) -> (Record, String) {
    let (secret, text) = NewSecret::client_secret(&world.authority().secrets().pepper);
    let command = CreateCredential {
        identity: identity.to_owned(),
        label: "first".to_owned(),
        secret,
        expires_at: None,
        reason: None,
    };
    let made = world.run(&user.permit, command).unwrap();
    (made.outcome.record().clone(), text.expose().clone())
}

/// Asks for a token with a client secret.
pub fn token(world: &World, client_id: &str, secret: &str) -> Result<Released, Refusal> {
    world.issue(&token_request(world, client_id, secret))
}

/// The request of a client with its secret.
pub fn token_request(world: &World, client_id: &str, secret: &str) -> TokenRequest {
    TokenRequest {
        tenant: world.tenant(),
        grant: GrantType::ClientCredentials,
        proof: ClientProof::Secret {
            client_id: client_id.to_owned(),
            secret: Secret::new(secret.to_owned()),
            method: "client_secret_basic",
        },
        scope: None,
        audience: None,
        resource: None,
        environment: None,
        authorization_details: None,
        approval_id: None,
        run: None,
    }
}

/// Whether nothing revoked the token since.
pub fn alive(world: &World, claims: &AccessClaims) -> bool {
    let authority = world.authority();
    drive(authority, |facts| authority.alive(claims, facts)).is_ok()
}

/// Somebody in another tenant of the same server.
pub fn stranger(world: &World, tenant: &str, email: &str) -> User {
    let (authority, ctx) = (world.authority(), world.ctx());
    let doc = TenantDoc {
        name: tenant.parse().unwrap(),
        first: false,
        refuse_unknown_actions: false,
        orphan_grace_seconds: 30 * 86_400,
        approvals_need_passkey: false,
        registration: Default::default(),
        provider: None,
        provisioner: None,
    };
    let made: Id<id::Tenant> = refused(authority.make_tenant(&ctx, doc).unwrap().wait()).unwrap();
    authority.reload_keys(ctx.now).unwrap();
    let tenant = authority.tenant_by_id(made).unwrap();
    let code = EnrolmentCode::new(
        email.parse().unwrap(),
        Some(TenantRole::Owner),
        None,
        false,
        ctx.now,
    );
    let permit = authority.system_permit(&ctx, &tenant);
    let signed_in = refused(authority.execute(&ctx, &permit, UseCode { code }).wait()).unwrap();
    let plan = drive(authority, |facts| {
        authority.plan_session(&ctx, &tenant, &signed_in, &permit, facts)
    })
    .unwrap();
    let recorded = authority.record(plan).wait().unwrap();
    let released = authority.release(&ctx, &tenant, &[], recorded).unwrap();
    let token = authority
        .verify_token(
            &ctx,
            &tenant,
            &released.access_token,
            None,
            countersign_authority::tokens::Shown::AskedAbout,
        )
        .unwrap();
    let permit = drive(authority, |facts| authority.permit(&token, facts)).unwrap();
    User {
        id: signed_in.user.id.cast(),
        permit,
        token: token.clone(),
        session: released.access_token,
    }
}
