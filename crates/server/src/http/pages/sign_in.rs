//! `/login`: a passkey signs a person in; `/logout` ends it.

use axum::{
    Json as JsonAnswer,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use countersign_api::passkeys::{AskedPasskey, FinishLogin, Nothing};
use countersign_authority::{
    Rejection,
    passkeys::relying_party,
    sessions::{EndSession, Ending},
};
use countersign_model::reason::Refusal;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::{
    browser::{InBrowser, SameOrigin, origin, set_cookie},
    layout::{Page, escape},
};
use crate::{
    app::App,
    http::{
        context::Context, form::Form, json::Json, limits::PATH_BYTES, oauth_error::OauthFailure,
        problem::Failure, urlencoded,
    },
};

/// `GET /login`.
pub async fn page(
    State(app): State<App>,
    Context(context): Context,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (_, tenant, person) = InBrowser::find(&app, &context, &headers).await?;
    let base = &tenant.issuer;
    let next = next(base, query.as_deref());
    let provider = app.authority().provider(tenant.id).await?;
    let button = provider.map_or_else(String::new, |provider| {
        through(base, &next, &provider.name, person.as_ref())
    });
    let body = match relying_party(&tenant) {
        Err(refusal) => format!("{button}<p class=\"warn\">{}</p>", escape(&refusal.detail)),
        Ok(_) => format!(
            "{button}<p>Show the passkey that you registered here.</p>
<form data-passkey=\"sign-in\" data-next=\"{1}\" action=\"{0}/login\" method=\"post\"><button>Sign in with a passkey</button></form>
<p class=\"said\" data-said role=\"status\"></p>
<p class=\"soft\">No passkey yet? With a one-time code you <a href=\"{0}/passkeys\">make one here</a>; where you are signed in, <code>countersign passkey add</code> prints a link.</p>
<noscript><p class=\"warn\">A passkey is asked for by a script of this page: let scripts run.</p></noscript>",
            escape(base),
            escape(&next)
        ),
    };
    let page = Page {
        base,
        title: "Sign in",
        person: person.as_ref(),
        body,
    };
    Ok(page.answer(StatusCode::OK))
}

/// The button of the company's provider: who is signed in with a passkey links their account with it.
fn through(base: &str, next: &str, name: &str, person: Option<&InBrowser>) -> String {
    let by_passkey = person.filter(|person| person.browser.session.is_by_passkey());
    let (what, token) = match by_passkey {
        Some(person) => ("Link my account at", person.hidden()),
        None => ("Sign in with", String::new()),
    };
    let place = next.strip_prefix(origin(base)).unwrap_or_default();
    format!(
        "<form method=\"post\" action=\"{}/login/provider\">{token}<input type=\"hidden\" name=\"next\" value=\"{}\"><button>{what} {}</button></form>
",
        escape(base),
        escape(place),
        escape(name)
    )
}

/// Where a person goes who signed in: to the code that they came with, or back to the page that sent them, or to the console.
fn next(base: &str, query: Option<&str>) -> String {
    let code = code_of(query);
    if !code.is_empty() {
        return format!("{base}/device{code}");
    }
    let pairs = query.map(|query| urlencoded::pairs(query.as_bytes()));
    let back = pairs
        .and_then(Result::ok)
        .into_iter()
        .flatten()
        .find_map(|(name, value)| (name == "return").then_some(value));
    match back.filter(|place| is_local(place)) {
        Some(place) => format!("{}{place}", origin(base)),
        None => format!("{base}/"),
    }
}

/// Whether a place is one of this server's own pages, however a browser reads it (T28): a path from the root whose next letter
/// begins no host, without what browsers take out or turn round before they read.
pub(super) fn is_local(place: &str) -> bool {
    place.len() <= PATH_BYTES
        && place.starts_with('/')
        && !place.starts_with("//")
        && !place.contains(|letter: char| {
            letter == '\\' || letter.is_control() || letter.is_whitespace()
        })
}

/// A user code that the page was opened with, to be handed on: letters and a hyphen, and nothing else.
pub(super) fn code_of(query: Option<&str>) -> String {
    let code = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| pair.strip_prefix("user_code="));
    match code.map(countersign_model::device::UserCode::parse) {
        Some(Ok(code)) => format!("?user_code={}", code.shown()),
        Some(Err(_)) | None => String::new(),
    }
}

/// `POST /login/begin`: asks whoever is there for a passkey.
pub async fn begin(
    State(app): State<App>,
    Context(context): Context,
    _: SameOrigin,
    Json(Nothing {}): Json<Nothing>,
) -> Result<JsonAnswer<AskedPasskey>, Failure> {
    let (ctx, tenant) = (app.ctx(&context), app.tenant(&context)?);
    app.attempts()
        .admit("passkey", context.address, context.arrived)?;
    app.attempts().sign_in(context.address, context.arrived)?;
    let asked = app.authority().ask_for_passkey(&ctx, &tenant)?.await?;
    Ok(JsonAnswer(AskedPasskey {
        ceremony: asked.ceremony,
        options: asked.options,
        user: None,
    }))
}

/// `POST /login/finish`: an answer that holds becomes a session.
pub async fn finish(
    State(app): State<App>,
    Context(context): Context,
    _: SameOrigin,
    Json(body): Json<FinishLogin>,
) -> Result<Response, Failure> {
    let (ctx, tenant) = (app.ctx(&context), app.tenant(&context)?);
    app.attempts()
        .admit("passkey", context.address, context.arrived)?;
    let authority = app.authority();
    let failed = |refusal: Refusal| {
        app.attempts()
            .failed("passkey", context.address, context.arrived);
        authority.note_refusal(&ctx, tenant.id, "passkey", None, &refusal);
        Failure::from(refusal)
    };
    let checked = match authority.check_passkey(&ctx, &tenant, body.ceremony, body.credential) {
        Ok(checking) => checking.await,
        Err(rejection) => Err(rejection),
    };
    let sign_in = match checked {
        Ok(sign_in) => sign_in,
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            return Err(failed(refusal));
        }
        Err(fault) => return Err(fault.into()),
    };
    let permit = authority.system_permit(&ctx, &tenant);
    let entered = authority.hand_out(&ctx, &permit, sign_in)?.await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = set_cookie(&tenant, Some(entered.cookie.expose())) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What a form that changes something sends.
#[derive(Deserialize)]
pub struct Leave {
    token: String,
}

/// `POST /logout`: ends the session.
pub async fn leave(
    State(app): State<App>,
    Context(context): Context,
    _: SameOrigin,
    headers: HeaderMap,
    form: Result<Form<Leave>, OauthFailure>,
) -> Result<Response, Failure> {
    let (_, tenant, person) = InBrowser::find(&app, &context, &headers).await?;
    if let Some(person) = person {
        let Form(form) = form.map_err(|_| Failure::bad_request("the form is not well formed"))?;
        person.sent(&form.token)?;
        let command = EndSession {
            session: person.browser.session.id,
            of: Some(person.browser.session.user_id),
            ending: Ending::Alone,
        };
        app.authority()
            .execute(&person.ctx, &person.browser.permit(), command)
            .await?;
    }
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(place) = HeaderValue::from_str(&format!("{}/login", tenant.issuer)) {
        headers.insert(header::LOCATION, place);
    }
    if let Some(cookie) = set_cookie(&tenant, None) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t28_signing_in_leads_to_a_page_of_this_server_and_nowhere_else() {
        let base = "https://id.example/t/a";
        for (query, place) in [
            (
                "return=%2Ft%2Fa%2F%23%2Fapprovals%2F7",
                "/t/a/#/approvals/7",
            ),
            ("return=/device", "/device"),
            (
                "user_code=BCDF-GHJK&return=/x",
                "/t/a/device?user_code=BCDF-GHJK",
            ),
            ("", "/t/a/"),
            ("return=", "/t/a/"),
            ("return=https://evil.example/", "/t/a/"),
            ("return=//evil.example", "/t/a/"),
            ("return=%2F%2Fevil.example", "/t/a/"),
            ("return=/%5Cevil.example", "/t/a/"),
            ("return=/%09/evil.example", "/t/a/"),
            ("return=/%0A/evil.example", "/t/a/"),
            ("return=%09//evil.example", "/t/a/"),
            ("return=javascript:alert(1)", "/t/a/"),
            ("return=@evil.example", "/t/a/"),
            ("return=.evil.example", "/t/a/"),
            ("return=/a&return=//evil.example", "/t/a/"),
            ("return=/%zz", "/t/a/"),
        ] {
            assert_eq!(
                next(base, Some(query)),
                format!("https://id.example{place}"),
                "{query}"
            );
        }
        let long = format!("return=/{}", "a".repeat(PATH_BYTES));
        assert_eq!(
            next("https://id.example", Some(&long)),
            "https://id.example/"
        );
        assert_eq!(next("https://id.example", None), "https://id.example/");
    }
}
