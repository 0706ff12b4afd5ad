//! What the sender of a request proves to hold: a key, by a proof in the `DPoP` header (RFC 9449), and the certificate of its
//! connection (RFC 8705).
//!
//! The header is looked at where a token is asked for, and where one comes as `Authorization: DPoP`; a request with a
//! Bearer token costs nothing here.

use axum::{extract::FromRequestParts, http::request::Parts};
use countersign_authority::{Ctx, signing_keys::Tenant};
use countersign_crypto::{
    Secret, Sender,
    dpop::{self, Proof, Target},
};
use countersign_model::{
    confirmation::Thumbprint,
    reason::{Reason, Refusal},
};
use http::{HeaderMap, HeaderName};

use crate::{
    app::App,
    http::{
        authorization::AccessToken, context::RequestContext, oauth_error::OauthFailure,
        path::ALIASES,
    },
};

/// The header of proofs (RFC 9449 §4.1).
pub const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The paths under which clients know the token endpoint: they sign the one that they called.
const TOKEN_PATHS: [&str; 2] = {
    let [(alias, path)] = ALIASES;
    [path, alias]
};

/// A proof as it came to the token endpoint, if one did.
pub struct Unproved(Option<Secret<String>>);

impl<S: Send + Sync> FromRequestParts<S> for Unproved {
    type Rejection = OauthFailure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, OauthFailure> {
        let header = header(&parts.headers)?;
        Ok(Self(header.map(|proof| Secret::new(proof.to_owned()))))
    }
}

impl Unproved {
    /// The sender of a token request, once its attempts are admitted.
    ///
    /// # Errors
    /// `invalid_dpop_proof`, which counts as a failure of who sent it.
    pub fn check(
        &self,
        app: &App,
        context: &RequestContext,
        ctx: &Ctx,
        tenant: &Tenant,
    ) -> Result<Sender, OauthFailure> {
        let certificate = shown(ctx);
        let Some(proof) = &self.0 else {
            return Ok(Sender {
                proof: None,
                certificate,
            });
        };
        let urls = TOKEN_PATHS.map(|path| format!("{}{path}", tenant.issuer));
        let target = Target {
            access_token: None,
            method: "POST",
            now: ctx.now,
            urls: &urls.each_ref().map(String::as_str),
        };
        match verify(proof.expose(), &target) {
            Ok(proof) => Ok(Sender {
                proof: Some(proof),
                certificate,
            }),
            Err(refusal) => {
                app.attempts().failed("", context.address, context.arrived);
                app.authority()
                    .note_refusal(ctx, tenant.id, "token", None, &refusal);
                Err(refusal.into())
            }
        }
    }
}

/// The sender of a token that came to our own API; `keyed` when as `Authorization: DPoP`.
///
/// # Errors
/// `proof_invalid`.
pub fn of_token(
    parts: &Parts,
    tenant: &Tenant,
    token: &AccessToken,
    ctx: &Ctx,
) -> Result<Sender, Refusal> {
    let certificate = shown(ctx);
    if !token.keyed {
        return Ok(Sender {
            proof: None,
            certificate,
        });
    }
    let Some(proof) = header(&parts.headers)? else {
        return Err(invalid(
            "a token came as DPoP without a DPoP header beside it",
        ));
    };
    let url = format!("{}{}", tenant.issuer, parts.uri.path());
    let target = Target {
        access_token: Some(token.token.expose()),
        method: parts.method.as_str(),
        now: ctx.now,
        urls: &[&url],
    };
    Ok(Sender {
        proof: Some(verify(proof, &target)?),
        certificate,
    })
}

fn shown(ctx: &Ctx) -> Option<Thumbprint> {
    let certificate = ctx.certificate.as_ref();
    certificate.map(|certificate| certificate.thumbprint().clone())
}

fn verify(proof: &str, target: &Target<'_>) -> Result<Proof, Refusal> {
    dpop::verify(proof, target).map_err(|error| invalid(&error.to_string()))
}

/// The one proof of a request (RFC 9449 §4.3, first check).
fn header(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut lines = headers.get_all(&DPOP).iter();
    let first = lines.next();
    if lines.next().is_some() {
        return Err(invalid("more than one DPoP header"));
    }
    let text = first.map(|line| line.to_str()).transpose();
    text.map_err(|_| invalid("the DPoP header is not a token"))
}

fn invalid(detail: &str) -> Refusal {
    Refusal::new(Reason::ProofInvalid, detail)
}
