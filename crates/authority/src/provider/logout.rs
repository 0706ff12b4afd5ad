//! The provider ends sessions here (OpenID Connect Back-Channel Logout 1.0).

use countersign_crypto::{
    assertion,
    digest::sha256_of,
    jose::{KeySet, Unverified, typ},
};
use countersign_model::{
    Id, LEEWAY_SECONDS, Timestamp,
    evidence::Event,
    id,
    reason::{Reason, Refusal},
    registry::{LinkedAccountDoc, Noun, ProviderDoc, Record},
    session::{AtProvider, Session},
    time::Seconds,
};
use countersign_store::{
    replay::{self, Use},
    sessions,
};
use serde_json::Value;

use super::{
    id_token::{LIFE_SECONDS, plain, rules, wrong},
    still,
};
use crate::{
    command::{Command, Verdict, WriteTx},
    ctx::Ctx,
    refusals,
    rejection::{Rejection, refuse},
    sessions::end_with_all_that_came_of_it,
};

/// The event of a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A logout token that was checked: made by [`verify_logout_token`] alone.
#[derive(Debug, Clone)]
pub struct LoggedOut {
    issuer: String,
    client_id: String,
    subject: Option<String>,
    sid: Option<String>,
    replay_key: [u8; 32],
    until: Timestamp,
}

/// Checks a logout token (§2.6).
///
/// # Errors
/// `credential_invalid`, with what is wrong.
pub fn verify_logout_token(
    ctx: &Ctx,
    provider: &ProviderDoc,
    token: &str,
    keys: &KeySet,
) -> Result<LoggedOut, Refusal> {
    let token = Unverified::parse(token)
        .map_err(|error| wrong(&format!("the logout token cannot be read: {error}")))?;
    let audiences = [provider.client_id.as_str()];
    let rules = rules(provider, &audiences, ctx.now, &[typ::LOGOUT], false);
    let verified = assertion::verify(token, keys, &rules)
        .map_err(|error| wrong(&format!("the logout token is not acceptable: {error}")))?;
    let claims = verified.claims();
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(wrong("the logout token's `events` has no logout"));
    }
    // An ID token is no logout token, whoever sends it.
    if claims.contains_key("nonce") {
        return Err(wrong("a logout token has no `nonce`"));
    }
    if !claims.contains_key("iat") {
        return Err(wrong("the logout token has no `iat`"));
    }
    let (subject, sid) = (plain(claims, "sub")?, plain(claims, "sid")?);
    if subject.is_none() && sid.is_none() {
        return Err(wrong("the logout token names neither `sub` nor `sid`"));
    }
    Ok(LoggedOut {
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        subject,
        sid,
        replay_key: sha256_of(&[b"logout", &verified.replay_key()]),
        until: verified.expires_at() + Seconds(2 * LEEWAY_SECONDS),
    })
}

/// Ends the sessions that a logout token names, with the command lines that were confirmed in them. Once: a token that is sent
/// again ends nothing that began since.
#[derive(Debug, Clone)]
pub struct LogOutAtProvider {
    /// The token.
    pub token: LoggedOut,
}

impl Command for LogOutAtProvider {
    type Output = usize;

    const NAME: &'static str = "sign out";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<usize>, Rejection> {
        let token = &self.token;
        let tenant_id = tx.tenant_id();
        let tenant = tx.get(tenant_id)?;
        let provider = tenant.tenant().and_then(|doc| doc.provider.clone());
        still(provider, &token.issuer, &token.client_id)?;
        let once = Use {
            tenant_id,
            issuer_id: tenant_id.cast(),
            key: &token.replay_key,
            purpose: "logout",
            until_at: token.until,
        };
        if !replay::consume(tx.rows(), &once)? {
            return refuse(Reason::Replayed, "this logout token was used before");
        }
        if let Some(sid) = &token.sid {
            // A sign-in by this session may be on its way.
            let key = over(&token.issuer, sid, token.subject.as_deref());
            let until_at = tx.now() + Seconds(LIFE_SECONDS + 2 * LEEWAY_SECONDS);
            replay::consume(tx.rows(), &ended(tenant_id, &key, until_at))?;
        }
        let found = self.sessions(tx, tenant_id)?;
        let ended = found.len();
        for session in found {
            end_with_all_that_came_of_it(tx, session, "signed out at the provider", None)?;
        }
        if ended == 0 {
            // It is used up all the same, and on record: who is signed out already is signed out (§2.7).
            let nobody = Refusal::new(
                Reason::NotFound,
                "nobody is signed in by what the logout token names",
            );
            let event = refusals::event(tx.ctx(), Self::NAME, &nobody, 1);
            tx.evidence(tx.draft(Event::Refused(Box::new(event))))?;
        }
        Ok(Verdict::Done(ended))
    }
}

impl LogOutAtProvider {
    fn sessions(
        &self,
        tx: &mut WriteTx<'_, '_>,
        tenant: Id<id::Tenant>,
    ) -> Result<Vec<Session>, Rejection> {
        let (token, now) = (&self.token, tx.now());
        let mut found = match (&token.sid, &token.subject) {
            (Some(sid), _) => {
                let key = AtProvider::key(&token.issuer, sid);
                sessions::of_provider(tx.peek(), tenant, &key, now)?
            }
            (None, Some(subject)) => {
                let name = LinkedAccountDoc::key(&token.issuer, subject);
                // Whatever became of the account since: what it signed in ends with it.
                match tx.find(Noun::LinkedAccount, &name)? {
                    Some(Record {
                        parent_id: Some(user),
                        ..
                    }) => sessions::of_user(tx.peek(), user.cast(), now)?,
                    Some(_) | None => Vec::new(),
                }
            }
            (None, None) => Vec::new(),
        };
        found.retain(|session| {
            session.is_live(now)
                && session.doc.provider.as_ref().is_some_and(|at| {
                    at.issuer == token.issuer
                        && token
                            .subject
                            .as_ref()
                            .is_none_or(|subject| *subject == at.subject)
                })
        });
        Ok(found)
    }
}

/// Whether a session at the provider was ended there within the life of an ID token: for whomever it was, or for this subject.
pub(super) fn is_over(
    tx: &mut WriteTx<'_, '_>,
    issuer: &str,
    sid: &str,
    subject: Option<&str>,
) -> Result<bool, Rejection> {
    let (tenant, now) = (tx.tenant_id(), tx.now());
    let key = over(issuer, sid, subject);
    Ok(replay::is_consumed(tx.peek(), &ended(tenant, &key, now))?)
}

fn ended(tenant: Id<id::Tenant>, key: &[u8; 32], until_at: Timestamp) -> Use<'_> {
    Use {
        tenant_id: tenant,
        issuer_id: tenant.cast(),
        key,
        purpose: "ended",
        until_at,
    }
}

/// What a session at the provider is remembered by. None of the parts has a space.
fn over(issuer: &str, sid: &str, subject: Option<&str>) -> [u8; 32] {
    sha256_of(&[
        issuer.as_bytes(),
        b" ",
        sid.as_bytes(),
        b" ",
        subject.unwrap_or_default().as_bytes(),
    ])
}
