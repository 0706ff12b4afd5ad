//! `/login/provider`: a browser goes to the company's provider, and comes back to `/login/callback` (OIDC Core §3.1.2); the
//! provider ends sessions at `/login/backchannel` (OIDC Back-Channel Logout 1.0).

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use countersign_authority::{
    Ctx, Rejection,
    provider::{
        AtTheDoor, CameBack, LinkAtProvider, LogOutAtProvider, SignInAtProvider, Vouched,
        client_assertion, key_source, verify_logout_token,
    },
    registry::leaving::Departed,
    sessions::Entered,
    signing_keys::Tenant,
};
use countersign_crypto::{
    Secret,
    jose::{KeySet, Unverified},
};
use countersign_model::{
    reason::{Reason, Refusal},
    registry::{Admits, ProviderDoc},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::{
    browser::{InBrowser, SameOrigin, origin, set_cookie, set_way, way},
    layout::{Page, escape},
    sign_in::is_local,
};
use crate::{
    app::App,
    federation::{ClientProof, FetchError, ProviderMetadata},
    http::{
        context::{Context, RequestContext},
        form::Form,
        oauth_error::OauthFailure,
        problem::Failure,
        urlencoded,
    },
};

/// What the button sends.
#[derive(Deserialize)]
pub struct Begin {
    /// Of which session, when somebody who is signed in links their account.
    token: Option<String>,
    /// Where they go afterwards.
    next: Option<String>,
}

/// `POST /login/provider`: sends the browser on its way.
pub async fn begin(
    State(app): State<App>,
    Context(context): Context,
    _: SameOrigin,
    headers: HeaderMap,
    form: Result<Form<Begin>, OauthFailure>,
) -> Result<Response, Failure> {
    let (ctx, tenant, person) = InBrowser::find(&app, &context, &headers).await?;
    let Form(form) = form.map_err(|_| Failure::bad_request("the form is not well formed"))?;
    app.attempts()
        .admit(WHO, context.address, context.arrived)?;
    app.attempts().sign_in(context.address, context.arrived)?;
    let link = match (&person, &form.token) {
        (Some(person), Some(token)) => {
            person.sent(token)?;
            Some(&person.browser.session)
        }
        (_, None) => None,
        (None, Some(_)) => {
            let detail = "you are not signed in any more: sign in, and link your account then";
            return Err(Refusal::new(Reason::Forbidden, detail).into());
        }
    };
    let authority = app.authority();
    let provider = authority.provider(tenant.id).await?.ok_or_else(none)?;
    let metadata = match app.providers().metadata(tenant.id, &provider).await {
        Ok(metadata) => metadata,
        Err(error) => return Ok(no(&tenant, &unreachable(&error))),
    };
    let place = form.next.filter(|place| is_local(place));
    let next = format!(
        "{}{}",
        origin(&tenant.issuer),
        place.as_deref().unwrap_or("/")
    );
    let departing = authority.depart(&ctx, tenant.id, &provider, link, next)?;
    let departing = departing.await?;
    let mut to = metadata.authorization_endpoint.clone();
    to.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &callback_of(&tenant))
        .append_pair("scope", &scopes(&provider, &metadata))
        .append_pair("state", &departing.state)
        .append_pair("nonce", &departing.nonce)
        .append_pair("code_challenge", &departing.challenge)
        .append_pair("code_challenge_method", "S256")
        .append_pair("max_age", &provider.max_age_seconds.to_string());
    if !provider.acr.is_empty() {
        to.query_pairs_mut()
            .append_pair("acr_values", &provider.acr.join(" "));
    }
    let what = format!("Go on to {}", provider.name);
    let mut response = onward(&tenant, &what, to.as_str());
    put_cookie(
        &mut response,
        set_way(&tenant, Some(departing.cookie.expose())),
    );
    Ok(response)
}

/// `GET /login/callback`: takes the browser back.
pub async fn callback(
    State(app): State<App>,
    Context(context): Context,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (ctx, tenant) = (app.ctx(&context), app.tenant(&context)?);
    app.attempts()
        .admit(WHO, context.address, context.arrived)?;
    let cookie = way(&headers, &tenant).unwrap_or_default();
    let ended = take_back(&app, &ctx, &tenant, query.as_deref(), &cookie).await;
    let mut response = match ended {
        Ok(Ended::Entered(entered, next)) => {
            let mut response = onward(&tenant, "You are signed in. Go on", &next);
            put_cookie(
                &mut response,
                set_cookie(&tenant, Some(entered.cookie.expose())),
            );
            response
        }
        Ok(Ended::Linked(next)) => onward(&tenant, "Your account is linked. Go on", &next),
        Err(rejection) => refused(&app, &ctx, &tenant, &context, rejection)?,
    };
    // What was brought back is used up, whatever came of it.
    put_cookie(&mut response, set_way(&tenant, None));
    Ok(response)
}

/// What the provider posts.
#[derive(Deserialize)]
pub struct LogOut {
    logout_token: String,
}

/// `POST /login/backchannel`: the provider ends sessions. The answers are those of §2.7 and §2.8.
pub async fn backchannel(
    State(app): State<App>,
    Context(context): Context,
    Form(form): Form<LogOut>,
) -> Result<Response, OauthFailure> {
    let ctx = app.ctx(&context);
    let tenant = app
        .tenant(&context)
        .map_err(|refusal| OauthFailure::invalid_request(&refusal.detail))?;
    app.attempts()
        .admit(WHO, context.address, context.arrived)?;
    match log_out(&app, &ctx, &tenant, &form.logout_token).await {
        Ok(()) => {}
        Err(Rejection::Fault(fault)) => return Err(fault.into()),
        Err(Rejection::Recorded(refusal)) => {
            return Err(OauthFailure::invalid_request(&refusal.detail));
        }
        Err(Rejection::Refused(refusal)) => {
            app.attempts().failed(WHO, context.address, context.arrived);
            app.authority()
                .note_refusal(&ctx, tenant.id, WHO, None, &refusal);
            return Err(OauthFailure::invalid_request(&refusal.detail));
        }
    }
    let mut response = StatusCode::OK.into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn log_out(app: &App, ctx: &Ctx, tenant: &Tenant, token: &str) -> Result<(), Rejection> {
    let authority = app.authority();
    let provider = authority.provider(tenant.id).await?;
    let provider = provider.ok_or_else(|| wrong("nobody signs in through a provider here"))?;
    let keys = keys(app, tenant, &provider, token).await?;
    let token = verify_logout_token(ctx, &provider, token, &keys)?;
    let permit = authority.system_permit(ctx, tenant);
    authority
        .execute(ctx, &permit, LogOutAtProvider { token })
        .await
        .map(drop)
}

/// How a way back ended well.
enum Ended {
    Entered(Box<Entered>, String),
    Linked(String),
}

async fn take_back(
    app: &App,
    ctx: &Ctx,
    tenant: &Arc<Tenant>,
    query: Option<&str>,
    cookie: &str,
) -> Result<Ended, Rejection> {
    let answer = Answered::read(query.unwrap_or_default())?;
    let authority = app.authority();
    let mut back = authority
        .come_back(ctx, tenant.id, cookie, &answer.state)?
        .await?;
    let provider = &back.provider;
    let metadata = app.providers().metadata(tenant.id, provider).await;
    let metadata = metadata.map_err(|error| unreachable(&error))?;
    // RFC 9207 §2.4: the answer is of the provider that the browser was sent to, or it is a mix-up.
    match &answer.iss {
        Some(iss) if *iss == provider.issuer => {}
        None if !metadata.names_issuer => {}
        Some(_) | None => {
            return Err(wrong("the answer is not of the provider that was asked").into());
        }
    }
    let code = match (answer.code, answer.error) {
        (Some(code), None) => code,
        (_, Some(error)) => {
            let error: String = error
                .chars()
                .filter(char::is_ascii_graphic)
                .take(64)
                .collect();
            return Err(wrong(&format!("{} answered `{error}`", provider.name)).into());
        }
        (None, None) => return Err(wrong("the answer has no `code`").into()),
    };
    let proof = match authority.provider_secret(tenant.id, provider).await? {
        Some(secret) => ClientProof::Secret(secret),
        None => ClientProof::Assertion(client_assertion(ctx, tenant, provider)?),
    };
    let redirect_uri = callback_of(tenant);
    let grant = [
        ("code", code.expose().as_str()),
        ("redirect_uri", &redirect_uri),
        ("code_verifier", back.verifier.expose()),
    ];
    let id_token = app
        .providers()
        .redeem(&metadata, provider, &grant, &proof)
        .await
        .map_err(|error| unreachable(&error))?;
    let keys = keys(app, tenant, provider, &id_token).await?;
    let vouched = Vouched::check(ctx, &back, &id_token, &keys)?;
    let next = std::mem::take(&mut back.next);
    arrive(app, ctx, tenant, back, vouched)
        .await
        .map(|entered| match entered {
            Some(entered) => Ended::Entered(entered, next),
            None => Ended::Linked(next),
        })
}

/// Signs in whom the provider vouched for, or links their account.
async fn arrive(
    app: &App,
    ctx: &Ctx,
    tenant: &Tenant,
    back: CameBack,
    vouched: Vouched,
) -> Result<Option<Box<Entered>>, Rejection> {
    let authority = app.authority();
    if let Some(browser) = back.link {
        let permit = browser.permit();
        let session = browser.session.id;
        let link = LinkAtProvider { vouched, session };
        authority.execute(ctx, &permit, link).await?;
        return Ok(None);
    }
    let command = SignInAtProvider {
        vouched,
        secrets: authority.shared_secrets(),
    };
    let permit = authority.system_permit(ctx, tenant);
    match authority.hand_out(ctx, &permit, command)?.await? {
        AtTheDoor::Entered(entered) => Ok(Some(entered)),
        AtTheDoor::SentAway(departed) => {
            if let Departed::Left(left) = departed.as_ref()
                && left.more
            {
                let user = left.outcome.record().id.cast();
                while authority.finish_leaving(ctx, tenant.id, user).await?.more {}
            }
            let detail = "none of your groups at the provider lets you in any more";
            Err(Rejection::Recorded(Refusal::new(Reason::Forbidden, detail)))
        }
    }
}

/// The keys of the provider, asked for anew when one is not among them.
async fn keys(
    app: &App,
    tenant: &Tenant,
    provider: &ProviderDoc,
    token: &str,
) -> Result<Arc<KeySet>, Rejection> {
    let token = Unverified::parse(token)
        .map_err(|error| wrong(&format!("the token cannot be read: {error}")))?;
    // Another issuer's token asks nobody for keys.
    if token.issuer_hint() != Some(provider.issuer.as_str()) {
        return Err(wrong("the token's `iss` is not the provider").into());
    }
    let source = key_source(provider);
    let fetching = app.fetcher().keys(tenant.id.cast(), &source, token.kid());
    fetching.await.map_err(|error| unreachable(&error).into())
}

/// What came back in the query (OIDC Core §3.1.2.5, RFC 9207 §2).
struct Answered {
    state: String,
    code: Option<Secret<String>>,
    iss: Option<String>,
    error: Option<String>,
}

impl Answered {
    /// Each parameter at most once: of two, one is somebody else's.
    fn read(query: &str) -> Result<Self, Refusal> {
        let pairs = urlencoded::pairs(query.as_bytes())
            .map_err(|error| wrong(&format!("the answer cannot be read: {error}")))?;
        let mut answer = Self {
            state: String::new(),
            code: None,
            iss: None,
            error: None,
        };
        for (name, value) in pairs {
            match name.as_str() {
                "code" => answer.code = Some(Secret::new(value)),
                "error" => answer.error = Some(value),
                "iss" => answer.iss = Some(value),
                "state" => answer.state = value,
                _ => {}
            }
        }
        Ok(answer)
    }
}

/// A refusal as a page; who proved nothing is counted.
fn refused(
    app: &App,
    ctx: &Ctx,
    tenant: &Tenant,
    context: &RequestContext,
    rejection: Rejection,
) -> Result<Response, Failure> {
    match rejection {
        Rejection::Fault(fault) => Err(fault.into()),
        Rejection::Recorded(refusal) => Ok(no(tenant, &refusal)),
        Rejection::Refused(refusal) => {
            app.attempts().failed(WHO, context.address, context.arrived);
            app.authority()
                .note_refusal(ctx, tenant.id, WHO, None, &refusal);
            Ok(no(tenant, &refusal))
        }
    }
}

fn no(tenant: &Tenant, refusal: &Refusal) -> Response {
    let base = &tenant.issuer;
    let page = Page {
        base,
        title: "Not signed in",
        person: None,
        body: format!(
            "<p class=\"warn\" role=\"alert\">{}</p><p><a href=\"{}/login\">Back to signing in</a></p>",
            escape(&refusal.detail),
            escape(base)
        ),
    };
    let status = match refusal.reason {
        Reason::IssuerUnreachable => StatusCode::BAD_GATEWAY,
        _ => StatusCode::FORBIDDEN,
    };
    page.answer(status)
}

/// A page that moves on by itself: a redirect from another site would not carry the cookie of the session (`SameSite=Strict`), and
/// a form is not let go to one by our own policy.
fn onward(tenant: &Tenant, what: &str, to: &str) -> Response {
    let page = Page {
        base: &tenant.issuer,
        title: "Sign in",
        person: None,
        body: format!("<p><a href=\"{}\">{}</a></p>", escape(to), escape(what)),
    };
    let mut response = page.answer(StatusCode::OK);
    if let Ok(value) = HeaderValue::from_str(&format!("0; url={to}")) {
        response.headers_mut().insert(header::REFRESH, value);
    }
    response
}

fn put_cookie(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn scopes(provider: &ProviderDoc, metadata: &ProviderMetadata) -> String {
    let mut scopes = vec!["openid"];
    if provider.admits == Admits::Invited {
        scopes.push("email");
    }
    // Some list a person's groups only when they are asked for.
    if let Some(claim) = &provider.groups_claim
        && metadata.scopes.iter().any(|scope| scope == claim)
    {
        scopes.push(claim);
    }
    scopes.join(" ")
}

fn callback_of(tenant: &Tenant) -> String {
    format!("{}/login/callback", tenant.issuer)
}

fn none() -> Refusal {
    Refusal::new(Reason::NotFound, "nobody signs in through a provider here")
}

fn wrong(detail: &str) -> Refusal {
    Refusal::new(Reason::CredentialInvalid, detail.to_owned())
}

fn unreachable(error: &FetchError) -> Refusal {
    Refusal::new(
        Reason::IssuerUnreachable,
        format!("the provider does not answer as it should: {error}"),
    )
}

/// Who is counted in the limits.
const WHO: &str = "provider";
