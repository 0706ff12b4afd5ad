//! `/api/users/{id}/hand-over`: what somebody answers for is offered, and accepted or declined in one act.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::{
    hand_overs::{AnswerHandOver, HandOver, HandedOver, Offer, OfferHandOver as OfferBody},
    reference::{NameOrId, PartyRef},
};
use countersign_authority::{
    ReadMode,
    command::Command,
    registry::{
        ChangeOutcome,
        leaving::{
            AcceptHandOver, DeclineHandOver, HAND_OVER_BATCH, HandOverAsk, HandOverPlan,
            HandedOver as Handed, OfferHandOver, Offered, offered_hand_over, plan_hand_over,
        },
    },
};
use countersign_model::{Id, id};

use super::departures::refer;
use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, json::Json, problem::Failure},
};

/// `GET /api/users/{id}/hand-over`: what is offered now.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Addressed(user): Addressed,
) -> Result<JsonAnswer<HandOver>, Failure> {
    let permit = caller.permit.clone();
    let plan = app
        .authority()
        .store()
        .read(move |tx| offered_hand_over(tx, &permit, &user))
        .await?;
    Ok(JsonAnswer(wire(plan, false, Vec::new())))
}

/// `POST /api/users/{id}/hand-over`: offers it, or says what would be offered.
pub async fn offer(
    State(app): State<App>,
    caller: Caller,
    Addressed(user): Addressed,
    Json(body): Json<OfferBody>,
) -> Result<JsonAnswer<HandOver>, Failure> {
    let ask = HandOverAsk {
        user,
        to: body.to.map(|to| to.0),
        identities: names(body.identities),
    };
    let permit = caller.permit.clone();
    let pepper = app.authority().secrets().pepper.clone();
    let plan = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            plan_hand_over(tx, &permit, &ask, &pepper)
        })
        .await?;
    let mut waiting = Vec::new();
    if !body.dry_run {
        for part in plan.offers.chunks(HAND_OVER_BATCH) {
            let command = OfferHandOver {
                user: plan.user.id.cast(),
                offers: part
                    .iter()
                    .map(|one| (one.identity.id.cast(), one.party()))
                    .collect(),
                reason: body.reason.clone(),
            };
            let done = app
                .authority()
                .execute(&caller.ctx, &caller.permit, command)
                .await?;
            waiting.extend(waits(&done));
        }
    }
    Ok(JsonAnswer(wire(plan, body.dry_run, waiting)))
}

/// `POST /api/users/{id}/hand-over/accept`: the caller goes on with what is offered to them.
pub async fn accept(
    State(app): State<App>,
    caller: Caller,
    Addressed(user): Addressed,
    Json(body): Json<AnswerHandOver>,
) -> Result<JsonAnswer<HandedOver>, Failure> {
    let identities = names(body.identities);
    let step = |after| AcceptHandOver {
        user: user.clone(),
        identities: identities.clone(),
        after,
    };
    all(&app, &caller, step).await
}

/// `POST /api/users/{id}/hand-over/decline`: the caller does not.
pub async fn decline(
    State(app): State<App>,
    caller: Caller,
    Addressed(user): Addressed,
    Json(body): Json<AnswerHandOver>,
) -> Result<JsonAnswer<HandedOver>, Failure> {
    let identities = names(body.identities);
    let step = |after| DeclineHandOver {
        user: user.clone(),
        identities: identities.clone(),
        after,
        reason: body.reason.clone(),
    };
    all(&app, &caller, step).await
}

/// Answers all that is offered, part by part: what waits for a second person stays offered, and is passed by.
async fn all<C: Command<Output = Handed>>(
    app: &App,
    caller: &Caller,
    step: impl Fn(Option<Id<id::Record>>) -> C,
) -> Result<JsonAnswer<HandedOver>, Failure> {
    let (mut outcomes, mut after) = (Vec::new(), None);
    loop {
        let done = app
            .authority()
            .execute(&caller.ctx, &caller.permit, step(after))
            .await?;
        outcomes.extend(done.outcomes);
        after = done.next;
        if after.is_none() {
            return Ok(JsonAnswer(answered(&outcomes)));
        }
    }
}

fn names(named: Vec<NameOrId>) -> Vec<String> {
    named.into_iter().map(|name| name.0).collect()
}

fn waits(outcomes: &[ChangeOutcome]) -> impl Iterator<Item = Id<id::Approval>> {
    outcomes.iter().filter_map(ChangeOutcome::approval_id)
}

fn answered(outcomes: &[ChangeOutcome]) -> HandedOver {
    let done = outcomes
        .iter()
        .filter(|outcome| outcome.approval_id().is_none());
    HandedOver {
        identities: done.map(|outcome| refer(outcome.record())).collect(),
        waiting: waits(outcomes).collect(),
    }
}

fn wire(plan: HandOverPlan, dry_run: bool, waiting: Vec<Id<id::Approval>>) -> HandOver {
    let offer = |one: &Offered| Offer {
        identity: refer(&one.identity),
        to: PartyRef::new(one.party(), one.to.name.clone()),
        reason: one.successor.as_ref().map(|successor| successor.reason()),
        asked_at: one.asked_at.map(Into::into),
    };
    HandOver {
        from: refer(&plan.user),
        offers: plan.offers.iter().map(offer).collect(),
        without_successor: plan.without.iter().map(refer).collect(),
        waiting,
        dry_run,
        truncated: plan.truncated,
    }
}
