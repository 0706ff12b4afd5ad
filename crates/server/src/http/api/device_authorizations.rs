//! A person answers a command line that waits (RFC 8628 §3.3): sees who asks, confirms or denies.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::device_authorizations::{DeviceAuthorization, UserCode as Body};
use countersign_authority::{
    Rejection,
    sessions::{DecideSignIn, Waiting},
};
use countersign_model::{
    device::{DeviceRequest, DeviceState, UserCode},
    reason::{Reason, Refusal},
};

use crate::{
    app::App,
    http::{caller::Caller, context::Context, json::Json, problem::Failure},
};

/// `POST /api/device-authorizations/show`: who waits with this code.
pub async fn show(
    State(app): State<App>,
    Context(context): Context,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<JsonAnswer<DeviceAuthorization>, Failure> {
    let guess = Guess::of(&app, &context, &caller)?;
    let code = guess.code(&body)?;
    let found = app
        .authority()
        .waiting(&caller.ctx, caller.tenant.id, &code)
        .await;
    let Waiting(request) = found.inspect_err(|rejection| guess.missed(rejection))?;
    Ok(JsonAnswer(wire(&caller, &request)))
}

/// `POST /api/device-authorizations/confirm`: the command line may act for the caller.
pub async fn confirm(
    State(app): State<App>,
    Context(context): Context,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<JsonAnswer<DeviceAuthorization>, Failure> {
    decide(&app, &context, &caller, &body, true).await
}

/// `POST /api/device-authorizations/deny`: it may not.
pub async fn deny(
    State(app): State<App>,
    Context(context): Context,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<JsonAnswer<DeviceAuthorization>, Failure> {
    decide(&app, &context, &caller, &body, false).await
}

async fn decide(
    app: &App,
    context: &crate::http::context::RequestContext,
    caller: &Caller,
    body: &Body,
    confirmed: bool,
) -> Result<JsonAnswer<DeviceAuthorization>, Failure> {
    let guess = Guess::of(app, context, caller)?;
    let (code, claims) = (guess.code(body)?, caller.token.claims());
    let command = DecideSignIn::new(
        app.authority(),
        &caller.tenant,
        &code,
        confirmed,
        claims.jti,
        claims.chain_id.clone(),
    );
    let decided = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await;
    let request = decided.inspect_err(|rejection| guess.missed(rejection))?;
    Ok(JsonAnswer(wire(caller, &request)))
}

/// A person who types a code: misses are counted, so that nobody tries codes until one fits (RFC 8628 §5.1).
struct Guess<'a> {
    app: &'a App,
    context: &'a crate::http::context::RequestContext,
    who: String,
}

impl<'a> Guess<'a> {
    fn of(
        app: &'a App,
        context: &'a crate::http::context::RequestContext,
        caller: &Caller,
    ) -> Result<Self, Failure> {
        let user = caller.permit.user()?;
        let who = format!("user_code {user}");
        app.attempts()
            .admit(&who, context.address, context.arrived)?;
        Ok(Self { app, context, who })
    }

    fn code(&self, body: &Body) -> Result<UserCode, Failure> {
        UserCode::parse(&body.user_code).map_err(|error| {
            let refusal = Refusal::new(Reason::NotFound, error.to_string());
            self.count();
            refusal.into()
        })
    }

    fn missed(&self, rejection: &Rejection) {
        if let Rejection::Recorded(refusal) | Rejection::Refused(refusal) = rejection
            && refusal.reason == Reason::NotFound
        {
            self.count();
        }
    }

    fn count(&self) {
        self.app
            .attempts()
            .failed(&self.who, self.context.address, self.context.arrived);
    }
}

fn wire(caller: &Caller, request: &DeviceRequest) -> DeviceAuthorization {
    let doc = &request.doc;
    DeviceAuthorization {
        claimed_host_name: doc.host_name.clone(),
        same_address: doc.address.is_some() && doc.address == caller.ctx.source,
        address: doc.address.clone(),
        requested_at: doc.requested_at.into(),
        expires_at: request.expires_at.into(),
        ttl_days: doc.ttl_seconds / 86_400,
        status: match doc.state {
            DeviceState::Confirmed(_) | DeviceState::Redeemed(_) => "confirmed",
            DeviceState::Denied => "denied",
            DeviceState::Waiting => "waiting",
        }
        .to_owned(),
    }
}
