//! `GET /api/console`: who is signed in to this browser, and what its requests must say.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::{
    console::{Console, ConsoleUser},
    reference::Ref,
};
use countersign_model::reason::{Reason, Refusal};

use crate::{
    app::App,
    driver::gather,
    http::{caller::Caller, problem::Failure},
};

/// The session of this browser.
pub async fn show(State(app): State<App>, caller: Caller) -> Result<JsonAnswer<Console>, Failure> {
    let Some(person) = &caller.browser else {
        let detail = "this is for a browser that is signed in: who holds a token asks `GET /api/sessions/current`";
        return Err(Refusal::new(Reason::Forbidden, detail).into());
    };
    let (session, email) = (&person.browser.session, &person.browser.email);
    let mut facts = app.authority().facts();
    let record = gather(&app, caller.tenant.id, &mut facts, |facts| {
        facts.record(caller.tenant.id, session.user_id)
    })
    .await?;
    let called = record
        .as_ref()
        .and_then(|record| record.user())
        .map(|user| user.display_name.trim())
        .filter(|name| !name.is_empty());
    Ok(JsonAnswer(Console {
        user: ConsoleUser {
            id: session.user_id,
            name: called.unwrap_or(email).to_owned(),
            email: email.clone(),
        },
        tenant: Ref {
            id: caller.tenant.id.cast(),
            name: caller.tenant.name.clone(),
        },
        csrf_token: person.token().to_owned(),
        expires_at: session.ends_at.into(),
    }))
}
