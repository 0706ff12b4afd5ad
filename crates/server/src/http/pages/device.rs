//! `/device`: a person types the code of a command line, sees who asks, and says yes or no (RFC 8628 §3.3, RFC 10027). Opening
//! the page, also with a code in its address, changes nothing (T28).

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use countersign_authority::{
    Rejection,
    sessions::{DecideSignIn, Waiting},
};
use countersign_model::{
    device::{DeviceRequest, UserCode},
    reason::{Reason, Refusal},
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{
    browser::{InBrowser, SameOrigin},
    layout::{Page, escape},
    sign_in::code_of,
};
use crate::{
    app::App,
    http::{
        context::{Context, RequestContext},
        form::Form,
        oauth_error::OauthFailure,
        problem::{Failure, status},
    },
};

/// `GET /device`.
pub async fn device(
    State(app): State<App>,
    Context(context): Context,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (_, tenant, person) = InBrowser::find(&app, &context, &headers).await?;
    let code = code_of(query.as_deref());
    let base = escape(&tenant.issuer);
    let body = match &person {
        Some(person) => ask(&base, person, code.trim_start_matches("?user_code="), None),
        None => format!(
            "<p>A machine wants to be signed in as you. Sign in here first, then look at who asks.</p>
<p><a href=\"{base}/login{}\">Sign in with a passkey</a></p>
<p>Without one, on a machine where you are signed in: <code>countersign login confirm CODE</code></p>",
            escape(&code)
        ),
    };
    let page = Page {
        base: &tenant.issuer,
        title: TITLE,
        person: person.as_ref(),
        body,
    };
    Ok(page.answer(StatusCode::OK))
}

/// What the page sends.
#[derive(Deserialize)]
pub struct Said {
    token: String,
    user_code: String,
    #[serde(default)]
    say: Option<String>,
}

/// `POST /device`: shows who asks, or does what the person says.
pub async fn answer(
    State(app): State<App>,
    Context(context): Context,
    _: SameOrigin,
    headers: HeaderMap,
    form: Result<Form<Said>, OauthFailure>,
) -> Result<Response, Failure> {
    let (_, tenant, person) = InBrowser::find(&app, &context, &headers).await?;
    let Some(person) = person else {
        let detail = "the session is over: sign in again";
        return Err(Refusal::new(Reason::Unauthenticated, detail).into());
    };
    let Form(said) = form.map_err(|_| Failure::bad_request("the form is not well formed"))?;
    person.sent(&said.token)?;
    let base = escape(&tenant.issuer);
    let (code, body) = match step(&app, &context, &person, &base, &said).await {
        Ok(body) => (StatusCode::OK, body),
        Err(Rejection::Fault(fault)) => return Err(fault.into()),
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            let told = match refusal.reason {
                Reason::PresenceTooOld => once_more(&base, &said.user_code),
                _ => ask(&base, &person, "", Some(&refusal.detail)),
            };
            (status(refusal.reason), told)
        }
    };
    let page = Page {
        base: &tenant.issuer,
        title: TITLE,
        person: Some(&person),
        body,
    };
    Ok(page.answer(code))
}

async fn step(
    app: &App,
    context: &RequestContext,
    person: &InBrowser,
    base: &str,
    said: &Said,
) -> Result<String, Rejection> {
    let who = format!("user_code {}", person.browser.session.user_id);
    if let Err(exhausted) = app.attempts().admit(&who, context.address, context.arrived) {
        let detail = format!(
            "too many codes that nobody waits with: try again in {} s",
            exhausted.retry_after_seconds
        );
        return Err(Refusal::new(Reason::RateLimited, detail).into());
    }
    let missed = |rejection: &Rejection| {
        if let Rejection::Recorded(refusal) | Rejection::Refused(refusal) = rejection
            && refusal.reason == Reason::NotFound
        {
            app.attempts()
                .failed(&who, context.address, context.arrived);
        }
    };
    let code = UserCode::parse(&said.user_code)
        .map_err(|error| Rejection::from(Refusal::new(Reason::NotFound, error.to_string())))
        .inspect_err(missed)?;
    let authority = app.authority();
    let confirmed = match said.say.as_deref() {
        Some("confirm") => true,
        Some("deny") => false,
        _ => {
            let waiting = authority
                .waiting(&person.ctx, person.tenant.id, &code)
                .await;
            let Waiting(request) = waiting.inspect_err(missed)?;
            return Ok(shown(base, person, &code, &request));
        }
    };
    let session = &person.browser.session;
    let command = DecideSignIn::new(
        authority,
        &person.tenant,
        &code,
        confirmed,
        session.doc.entered,
        Some(session.id.to_string()),
    );
    authority
        .execute(&person.ctx, &person.browser.permit(), command)
        .await
        .inspect_err(missed)?;
    Ok(if confirmed {
        "<p>Confirmed. The command line is signed in as you; you can close this page.</p>"
            .to_owned()
    } else {
        "<p>Denied. The command line is turned away.</p>".to_owned()
    })
}

/// Where to show the passkey for this one answer.
fn once_more(base: &str, code: &str) -> String {
    let code = code_of(Some(&format!("user_code={code}")));
    format!(
        "<p class=\"warn\" role=\"alert\">The command line's sign-in outlives your session here, so it is confirmed right after a sign-in.</p>
<p><a href=\"{base}/login{}\">Sign in once more, then confirm</a></p>",
        escape(&code)
    )
}

/// The form for the code.
fn ask(base: &str, person: &InBrowser, code: &str, wrong: Option<&str>) -> String {
    let wrong = wrong.map_or_else(String::new, |wrong| {
        format!("<p class=\"warn\" role=\"alert\">{}</p>", escape(wrong))
    });
    format!(
        "{wrong}<p>Type the code that the other machine shows, to see who asks.</p>
<form method=\"post\" action=\"{base}/device\">{}
<label for=\"code\">Code</label>
<input class=\"code\" type=\"text\" id=\"code\" name=\"user_code\" value=\"{}\" autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"16\" required>
<button>Look</button></form>",
        person.hidden(),
        escape(code)
    )
}

/// Who asks, and the question.
fn shown(base: &str, person: &InBrowser, code: &UserCode, request: &DeviceRequest) -> String {
    let doc = &request.doc;
    let near = match (&doc.address, &person.ctx.source) {
        (Some(theirs), Some(own)) if theirs == own => "your address too",
        _ => "not your address",
    };
    format!(
        "<p>A command line asks to act for you. Confirm only what you began yourself, just now: whoever sent you a code wants to act as you.</p>
<dl>
<dt>Code</dt><dd><code>{}</code></dd>
<dt>From</dt><dd>{} ({near})</dd>
<dt>Host</dt><dd>{} (it says so itself)</dd>
<dt>Asked at</dt><dd>{}</dd>
<dt>Lasts</dt><dd>{} days</dd>
</dl>
<form method=\"post\" action=\"{base}/device\">{}<input type=\"hidden\" name=\"user_code\" value=\"{}\">
<div class=\"row\"><button name=\"say\" value=\"confirm\">Confirm: it is me</button><button class=\"quiet\" name=\"say\" value=\"deny\">Deny</button></div></form>",
        escape(&code.shown()),
        escape(doc.address.as_deref().unwrap_or("an unknown address")),
        escape(doc.host_name.as_deref().unwrap_or("not said")),
        doc.requested_at,
        doc.ttl_seconds / 86_400,
        person.hidden(),
        escape(&code.shown()),
    )
}

const TITLE: &str = "Sign in a command line";
