//! Signing in through the company's OpenID Provider (OIDC Core §3.1, code flow with PKCE).
//!
//! The network is elsewhere. Here: where a browser is sent and what it must bring back, what an ID token must say, and what
//! comes of it. A person is known by issuer and subject, never by an address.

mod groups;
mod id_token;
mod link;
mod logout;
mod sign_in;

pub use id_token::{Vouched, client_assertion, key_source};
pub use link::LinkAtProvider;
pub use logout::{LogOutAtProvider, LoggedOut, verify_logout_token};
pub use sign_in::{AtTheDoor, SignInAtProvider};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_crypto::{
    Secret,
    digest::{equal, sha256, sha256_of},
    random,
};
use countersign_model::{
    Id, id,
    passkey::{ASKED_FOR, Ceremony, CeremonyDoc, ProviderFlowDoc},
    reason::{Reason, Refusal},
    registry::{Noun, ProviderClientAuth, ProviderDoc, Record},
    session::{BROWSER_IDLE, Session},
};
use countersign_store::{Pending, Tx, WriteMode, key_values, passkeys, sessions};

use crate::{
    authority::Authority,
    command::WriteTx,
    ctx::Ctx,
    data_keys,
    passkeys::{Browser, ask, asked, person_of},
    rejection::{Fault, Rejection, refuse},
    rows,
};

/// A browser on its way to the provider.
pub struct Departing {
    /// What its cookie holds: everything else is made of it, and nothing of it is kept here.
    pub cookie: Secret<String>,
    /// `state`.
    pub state: String,
    /// `nonce`.
    pub nonce: String,
    /// `code_challenge`, for S256 (RFC 7636 §4.2).
    pub challenge: String,
}

/// A browser that came back with the cookie and the state that it was sent with.
pub struct CameBack {
    /// The provider, which is still the one that it was sent to.
    pub provider: ProviderDoc,
    /// What the ID token must say.
    pub nonce: String,
    /// What redeems the code.
    pub verifier: Secret<String>,
    /// Who links their account; absent for a sign-in.
    pub link: Option<Browser>,
    /// Where the person goes afterwards.
    pub next: String,
}

impl Authority {
    /// The provider of a tenant, if it has one.
    pub fn provider(
        &self,
        tenant: Id<id::Tenant>,
    ) -> Pending<Result<Option<ProviderDoc>, Rejection>> {
        self.store().read(move |tx| provider_of(tx, tenant))
    }

    /// The secret of this server at a provider; nothing when it needs none.
    pub fn provider_secret(
        &self,
        tenant: Id<id::Tenant>,
        provider: &ProviderDoc,
    ) -> Pending<Result<Option<Secret<String>>, Rejection>> {
        let (secrets, client_auth) = (self.shared_secrets(), provider.client_auth);
        self.store().read(move |tx| {
            let ProviderClientAuth::Secret { version } = client_auth else {
                return Ok(None);
            };
            let found = key_values::find(tx, tenant.cast(), version)?
                .filter(|value| value.tenant_id == tenant);
            let missing = || Fault::Keys("the secret at the provider is not there".to_owned());
            let opened = data_keys::open(tx, &secrets, &found.ok_or_else(missing)?)?;
            let text = String::from_utf8(opened.expose().clone())
                .map_err(|_| Fault::Keys("the secret at the provider is no text".to_owned()))?;
            Ok(Some(Secret::new(text)))
        })
    }

    /// Sends a browser to the provider: for a sign-in, or to link the account of who signed in just now.
    ///
    /// # Errors
    /// `presence_too_old`.
    pub fn depart(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        provider: &ProviderDoc,
        link: Option<&Session>,
        next: String,
    ) -> Result<Pending<Result<Departing, Rejection>>, Refusal> {
        if let Some(session) = link {
            session.lately(ctx.now)?;
        }
        let cookie = hex::encode(random::bytes::<32>());
        let ceremony = Ceremony {
            id: flow_id(&cookie),
            tenant_id: tenant,
            expires_at: ctx.now + ASKED_FOR,
            doc: CeremonyDoc::Provider(Box::new(ProviderFlowDoc {
                issuer: provider.issuer.clone(),
                client_id: provider.client_id.clone(),
                link: link.map(|session| session.id),
                next,
            })),
        };
        let now = ctx.now;
        Ok(self.door.store.write(WriteMode::Housekeeping, move |tx| {
            ask(tx, &ceremony, now)?;
            let challenge = sha256(made_of(&cookie, VERIFIER).as_bytes());
            Ok(Departing {
                state: made_of(&cookie, STATE),
                nonce: made_of(&cookie, NONCE),
                challenge: URL_SAFE_NO_PAD.encode(challenge),
                cookie: Secret::new(cookie.clone()),
            })
        }))
    }

    /// Takes a browser back, once: what it brings must be of its own cookie (RFC 6749 §10.12), and of the provider that it was
    /// sent to (RFC 9700 §4.4).
    ///
    /// # Errors
    /// `credential_invalid`.
    pub fn come_back(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        cookie: &str,
        state: &str,
    ) -> Result<Pending<Result<CameBack, Rejection>>, Refusal> {
        let own = cookie.len() == 64 && cookie.bytes().all(|b| b.is_ascii_hexdigit());
        if !own || !equal(made_of(cookie, STATE).as_bytes(), state.as_bytes()) {
            return Err(not_begun_here());
        }
        let (cookie, now) = (cookie.to_owned(), ctx.now);
        Ok(self.door.store.write(WriteMode::Housekeeping, move |tx| {
            let id = flow_id(&cookie);
            let CeremonyDoc::Provider(flow) = asked(tx, tenant, id, now)? else {
                return Err(not_begun_here().into());
            };
            if !passkeys::answered(tx, id)? {
                return Err(not_begun_here().into());
            }
            let provider = provider_of(tx, tenant)?;
            let provider = still(provider, &flow.issuer, &flow.client_id)?;
            let link = match flow.link {
                None => None,
                Some(session) => Some(browser_of(tx, tenant, session, now)?),
            };
            Ok(CameBack {
                provider,
                nonce: made_of(&cookie, NONCE),
                verifier: Secret::new(made_of(&cookie, VERIFIER)),
                link,
                next: flow.next,
            })
        }))
    }
}

/// The person who went to link their account, while they are signed in still.
fn browser_of(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    session: Id<id::Session>,
    now: countersign_model::Timestamp,
) -> Result<Browser, Rejection> {
    let session = sessions::by_id(tx, session)?.filter(|session| {
        session.tenant_id == tenant
            && session.is_live(now)
            && session
                .doc
                .seen_at
                .is_some_and(|seen| now < seen + BROWSER_IDLE)
    });
    let session = session.ok_or_else(signed_out)?;
    let user = person_of(tx, &session)?.ok_or_else(signed_out)?;
    Ok(Browser {
        session,
        email: user.name,
    })
}

fn signed_out() -> Refusal {
    Refusal::new(
        Reason::CredentialInvalid,
        "you are not signed in any more: sign in, and link your account then",
    )
}

fn provider_of(tx: &mut Tx<'_>, tenant: Id<id::Tenant>) -> Result<Option<ProviderDoc>, Rejection> {
    let record = rows::by_id(tx, tenant, tenant.cast())?;
    Ok(record.and_then(|record| record.tenant().and_then(|doc| doc.provider.clone())))
}

/// The provider, when it is this one still.
fn still(
    provider: Option<ProviderDoc>,
    issuer: &str,
    client_id: &str,
) -> Result<ProviderDoc, Rejection> {
    match provider.filter(|now| now.issuer == issuer && now.client_id == client_id) {
        Some(provider) => Ok(provider),
        None => refuse(
            Reason::CredentialInvalid,
            "an owner changed through whom people sign in here: begin again",
        ),
    }
}

/// The tenant's provider in a command, when it is the one that vouched.
fn vouching(tx: &mut WriteTx<'_, '_>, vouched: &Vouched) -> Result<ProviderDoc, Rejection> {
    let tenant = tx.get(tx.tenant_id())?;
    let provider = tenant.tenant().and_then(|doc| doc.provider.clone());
    still(provider, &vouched.issuer, &vouched.client_id)
}

/// The account's record, dead ones included.
fn account(tx: &mut WriteTx<'_, '_>, vouched: &Vouched) -> Result<Option<Record>, Rejection> {
    let name =
        countersign_model::registry::LinkedAccountDoc::key(&vouched.issuer, &vouched.subject);
    tx.find(Noun::LinkedAccount, &name)
}

fn not_begun_here() -> Refusal {
    Refusal::new(
        Reason::CredentialInvalid,
        "this browser did not begin this sign-in, or too long ago, or it was used: begin again",
    )
}

/// What the browser's cookie yields for one purpose: nobody who sees one of them learns another.
fn made_of(cookie: &str, purpose: &str) -> String {
    hex::encode(sha256_of(&[purpose.as_bytes(), b"|", cookie.as_bytes()]))
}

fn flow_id(cookie: &str) -> Id<id::Ceremony> {
    let digest = sha256_of(&[b"flow|", cookie.as_bytes()]);
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    Id::from_bytes(bytes)
}

const NONCE: &str = "nonce";
const STATE: &str = "state";
const VERIFIER: &str = "verifier";
