//! `/api/notices`: which messages the caller hears of where.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::notices::{ChooseNotices as Choice, Notices};
use countersign_authority::notices::{self, ChooseNotices};
use countersign_model::{
    notice::{Channel, EMAIL, InvalidChannel, NoticeChoices, NoticeKind},
    reason::{Reason, Refusal},
};

use crate::{
    app::App,
    http::{caller::Caller, json::Json, problem::Failure},
};

/// Shows what the caller chose, or what stands where they did not.
pub async fn show(State(app): State<App>, caller: Caller) -> Result<JsonAnswer<Notices>, Failure> {
    let permit = caller.permit.clone();
    let chosen = app
        .authority()
        .store()
        .read(move |tx| notices::choices(tx, &permit))
        .await?;
    Ok(JsonAnswer(wire(&app, &caller, &chosen)))
}

/// Chooses.
pub async fn choose(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Choice>,
) -> Result<JsonAnswer<Notices>, Failure> {
    let invalid = |error: InvalidChannel| Refusal::new(Reason::Unprocessable, error.to_string());
    let channels = body.channels.iter().map(|text| text.parse::<Channel>());
    let command = ChooseNotices {
        kinds: body.kinds,
        channels: channels.collect::<Result<_, _>>().map_err(invalid)?,
        reach: named(&app, &caller).collect(),
    };
    let chosen = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(JsonAnswer(wire(&app, &caller, &chosen)))
}

fn named(app: &App, caller: &Caller) -> impl Iterator<Item = String> {
    let webhooks = app.config().notify.webhooks.iter();
    let its = webhooks.filter(|one| one.is_of(&caller.tenant.name));
    its.filter_map(|one| one.name.as_ref().map(|name| name.as_str().to_owned()))
}

fn wire(app: &App, caller: &Caller, chosen: &NoticeChoices) -> Notices {
    let kinds = NoticeKind::ALL.into_iter().map(|kind| {
        let channels = chosen.channels(kind).into_iter();
        (kind, channels.map(String::from).collect())
    });
    let email = app.config().notify.smtp.url.as_ref();
    let email = email.map(|_| EMAIL.to_owned());
    Notices {
        kinds: kinds.collect(),
        channels: email.into_iter().chain(named(app, caller)).collect(),
    }
}
