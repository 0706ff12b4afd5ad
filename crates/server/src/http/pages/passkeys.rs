//! `/passkeys`: whoever holds a link makes a passkey for its person. The link stands behind the `#` of the address and comes in
//! the body of requests alone.

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse, Response},
};
use countersign_api::passkeys::{
    AskedPasskey, BeginPasskey, EnrolInBrowser, FinishPasskey, PasskeyLink as WireLink,
};
use countersign_authority::{
    Ctx, Rejection,
    enrolment::UseCode,
    passkeys::{Entrance, OfferPasskey, RegisterPasskey, relying_party},
    signing_keys::Tenant,
};
use http::{HeaderMap, StatusCode};

use super::{
    browser::{InBrowser, SameOrigin},
    layout::{Page, escape},
};
use crate::{
    app::App,
    http::{
        api::{passkeys::wire, sessions::opened as opened_code},
        context::{Context, RequestContext},
        json::Json,
        problem::Failure,
    },
};

/// `GET /passkeys`.
pub async fn page(
    State(app): State<App>,
    Context(context): Context,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (_, tenant, person) = InBrowser::find(&app, &context, &headers).await?;
    let base = escape(&tenant.issuer);
    let body = match relying_party(&tenant) {
        Err(refusal) => format!("<p class=\"warn\">{}</p>", escape(&refusal.detail)),
        Ok(_) => format!(
            "<p>This makes a passkey on this machine, or on a key that you plug in. It signs you in here from then on.</p>
<form data-passkey=\"enrol\" action=\"{base}/passkeys\" method=\"post\" hidden>
<label for=\"code\">One-time code</label>
<input type=\"text\" id=\"code\" name=\"code\" autocomplete=\"one-time-code\" autocapitalize=\"off\" spellcheck=\"false\" maxlength=\"1024\" aria-describedby=\"code-from\" required>
<p class=\"soft\" id=\"code-from\">Whoever holds the data directory makes one with <code>countersign admin enrol EMAIL</code>. Where you are signed in, <code>countersign passkey add</code> prints a link that needs none.</p>
<button>Use the code</button></form>
<form data-passkey=\"register\" data-next=\"{base}/login\" action=\"{base}/passkeys\" method=\"post\" hidden>
<label for=\"name\">What you call it</label>
<input type=\"text\" id=\"name\" name=\"name\" value=\"my passkey\" maxlength=\"64\" required>
<button>Make a passkey</button></form>
<p class=\"said\" data-said role=\"status\"></p>
<noscript><p class=\"warn\">A passkey is made by a script of this page: let scripts run.</p></noscript>"
        ),
    };
    let page = Page {
        base: &tenant.issuer,
        title: "Make a passkey",
        person: person.as_ref(),
        body,
    };
    Ok(page.answer(StatusCode::OK))
}

/// `POST /passkeys/enrol`: uses a one-time code up, and answers a link that makes a passkey for its person.
pub async fn enrol(
    State(app): State<App>,
    Context(context): Context,
    _: SameOrigin,
    Json(body): Json<EnrolInBrowser>,
) -> Result<(StatusCode, JsonAnswer<WireLink>), Failure> {
    let ctx = app.ctx(&context);
    let (code, tenant) = opened_code(&app, &context, &ctx, body.code.trim()).await?;
    relying_party(&tenant)?;
    let authority = app.authority();
    let permit = authority.system_permit(&ctx, &tenant);
    let signed_in = authority.execute(&ctx, &permit, UseCode { code }).await?;
    let own = signed_in.permit(&ctx, &permit);
    let command = OfferPasskey {
        token: signed_in.evidence,
        browser: None,
        more_than_token: true,
    };
    let link = authority.execute(&ctx, &own, command).await?;
    Ok((StatusCode::CREATED, JsonAnswer(wire(&app, &tenant, &link)?)))
}

/// `POST /passkeys/begin`: asks the browser for a new passkey.
pub async fn begin(
    State(app): State<App>,
    Context(context): Context,
    _: SameOrigin,
    Json(body): Json<BeginPasskey>,
) -> Result<JsonAnswer<AskedPasskey>, Failure> {
    let (ctx, tenant) = (app.ctx(&context), app.tenant(&context)?);
    let entrance = opened(&app, &context, &ctx, &tenant, &body.link)?;
    let begun = app.authority().begin_passkey(&ctx, &tenant, entrance)?;
    let begun = begun.await?;
    Ok(JsonAnswer(AskedPasskey {
        ceremony: begun.question.ceremony,
        options: begun.question.options,
        user: Some(begun.email),
    }))
}

/// `POST /passkeys/finish`: keeps what the browser made.
pub async fn finish(
    State(app): State<App>,
    Context(context): Context,
    _: SameOrigin,
    Json(body): Json<FinishPasskey>,
) -> Result<Response, Failure> {
    let (ctx, tenant) = (app.ctx(&context), app.tenant(&context)?);
    let command = RegisterPasskey {
        entrance: opened(&app, &context, &ctx, &tenant, &body.link)?,
        ceremony: body.ceremony,
        answer: body.credential,
        name: body.name,
        party: relying_party(&tenant)?,
    };
    let permit = app.authority().system_permit(&ctx, &tenant);
    app.authority().execute(&ctx, &permit, command).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A link that was made here. Whoever has none is counted.
fn opened(
    app: &App,
    context: &RequestContext,
    ctx: &Ctx,
    tenant: &Tenant,
    link: &str,
) -> Result<Entrance, Failure> {
    app.attempts()
        .admit("passkey", context.address, context.arrived)?;
    let key = &app.authority().secrets().codes;
    Entrance::open(key, tenant.id, link, ctx.now).map_err(|refusal| {
        app.attempts()
            .failed("passkey", context.address, context.arrived);
        app.authority()
            .note_refusal(ctx, tenant.id, "passkey", None, &refusal);
        Rejection::from(refusal).into()
    })
}
