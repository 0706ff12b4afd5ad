//! Executions: started by people and rules, claimed and ended by workers.

use std::time::Duration;

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use countersign_api::{
    credentials::OneTimeSecret,
    executions::{
        CancelExecution as Cancel, Claim, ClaimOne, ClaimedExecution, ClaimedExecutions,
        ClaimedScript, Execute as Body, Execution, FinishExecution as Finish, Heard, Heartbeat,
        ListExecutions as List, UpdateExecution as Update,
    },
    paging::{self, Page},
};
use countersign_authority::{
    automation::{
        self, CancelExecution, ClaimExecutions, Claimed, Execute, FinishExecution, Reader,
        UpdateExecution,
    },
    command::Command,
};
use countersign_model::{
    Id,
    enforce::Work,
    execution, id,
    reason::{Reason, Refusal},
    time::Seconds,
};
use http::StatusCode;
use tokio::time::Instant;

use super::records;
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::Caller,
        idempotency::IdempotencyKey,
        json::{Json, LargeJson, Query},
        problem::Failure,
    },
    metrics::GrantLabel,
};

/// The longest that a worker waits for work in one request: less than any proxy's patience.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// How often a waiting worker looks for what another replica scheduled.
const LOOKS_EVERY: Duration = Duration::from_millis(500);

/// As many executions as one sign of life names.
const MOST_HEARD: usize = 64;

/// `POST /api/executions`.
pub async fn execute(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<Body>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "executions", &body)?;
    let command = Execute {
        token: caller.token.claims().clone(),
        action_ref: body.action_ref,
        parameters: body.parameters,
    };
    let made: fn(&execution::Execution) -> String = |execution| execution.id.to_string();
    let once = countersign_authority::idempotency::Once { key, command, made };
    let outcome = app
        .authority()
        .execute(&caller.ctx, &caller.permit, once)
        .await?;
    let execution = match outcome {
        countersign_authority::idempotency::Outcome::Done(execution) => execution,
        countersign_authority::idempotency::Outcome::Repeated(id) => {
            found(&app, &caller, &id).await?
        }
    };
    app.work().notify();
    Ok((StatusCode::CREATED, JsonAnswer(shown(execution))).into_response())
}

/// `GET /api/executions`.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<List>,
) -> Result<JsonAnswer<Page<Execution>>, Failure> {
    let list = records::list_name("executions", &caller, &(&query.status, &query.action_ref))?;
    let before: Option<Id<id::Execution>> = query
        .after
        .as_deref()
        .map(|after| app.cursors().open(&list, after))
        .transpose()?;
    let wanted = automation::ListExecutions {
        state: query.status,
        action_ref: query.action_ref,
        before,
        limit: paging::limit(query.limit) as usize,
    };
    let (permit, token) = (caller.permit.clone(), caller.token.claims().clone());
    let page = app
        .authority()
        .store()
        .read(move |tx| {
            let mut reader = Reader::of(tx, &permit, &token, "execution.read", Work::Other)?;
            automation::executions(tx, &mut reader, &wanted)
        })
        .await?;
    let next = page
        .next
        .map(|next| app.cursors().seal(&list, &next))
        .transpose()?;
    let items = page.items.into_iter().map(shown).collect();
    Ok(JsonAnswer(Page { items, next }))
}

/// `GET /api/executions/{id}`.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
) -> Result<JsonAnswer<Execution>, Failure> {
    found(&app, &caller, &text).await.map(shown).map(JsonAnswer)
}

/// `PATCH /api/executions/{id}`: with the execution's own token.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
    LargeJson(body): LargeJson<Update>,
) -> Result<JsonAnswer<Execution>, Failure> {
    let command = UpdateExecution {
        token: caller.token.claims().clone(),
        id: id_of(&text)?,
        result: body.result,
    };
    done(&app, &caller, command).await
}

/// `POST /api/executions/{id}/cancel`.
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
    Json(body): Json<Cancel>,
) -> Result<JsonAnswer<Execution>, Failure> {
    let command = CancelExecution {
        token: caller.token.claims().clone(),
        id: id_of(&text)?,
        reason: body.reason,
    };
    done(&app, &caller, command).await
}

/// `POST /api/executions/{id}/finish`.
pub async fn finish(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
    LargeJson(body): LargeJson<Finish>,
) -> Result<JsonAnswer<Execution>, Failure> {
    let command = FinishExecution {
        token: caller.token.claims().clone(),
        id: id_of(&text)?,
        attempt: body.attempt,
        ending: body.outcome,
        exit_code: body.exit_code,
        stdout: body.stdout,
        stderr: body.stderr,
        result: body.result,
        reason: body.reason,
    };
    done(&app, &caller, command).await
}

/// `POST /api/executions/claim`: answers at once when something is due, else when something is or the wait is over.
pub async fn claim(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Claim>,
) -> Result<JsonAnswer<ClaimedExecutions>, Failure> {
    let wait = Duration::from_secs(body.wait_seconds.into()).min(longest_wait(lease(&app)));
    let until = Instant::now() + wait;
    loop {
        let news = app.work().news();
        let taken = take(&app, &caller, None, body.max).await?;
        let left = until.saturating_duration_since(Instant::now());
        if !taken.is_empty() || left.is_zero() || app.not_ready().is_some() {
            return Ok(JsonAnswer(ClaimedExecutions { executions: taken }));
        }
        tokio::select! {
            () = news => {}
            () = tokio::time::sleep(left.min(LOOKS_EVERY)) => {}
        }
    }
}

/// `POST /api/executions/{id}/claim`: the one that a message named; none when it is not due any more, because a worker has or had
/// it.
pub async fn claim_one(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
    Json(ClaimOne {}): Json<ClaimOne>,
) -> Result<JsonAnswer<ClaimedExecutions>, Failure> {
    let executions = take(&app, &caller, Some(id_of(&text)?), 1).await?;
    Ok(JsonAnswer(ClaimedExecutions { executions }))
}

/// `POST /api/executions/heartbeat`.
pub async fn heartbeat(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Heartbeat>,
) -> Result<JsonAnswer<Heard>, Failure> {
    if body.executions.len() > MOST_HEARD {
        let detail = format!("one sign of life names at most {MOST_HEARD} executions");
        return Err(Refusal::new(Reason::Unprocessable, detail).into());
    }
    caller.permit.program()?;
    let worker = caller.token.claims().clone();
    let lease_until = app.clock().now() + lease(&app);
    let alive: Vec<_> = body
        .executions
        .iter()
        .map(|one| (one.id, one.attempt))
        .collect();
    let stop = app
        .authority()
        .hear_of(caller.tenant.id, worker, alive, lease_until)
        .await?;
    Ok(JsonAnswer(Heard {
        lease_until: lease_until.into(),
        lease_seconds: app.config().automation.lease_seconds,
        stop,
    }))
}

/// An answer that is lost after so long a wait is missed by a worker long before the lease is over that came with it.
fn longest_wait(lease: Seconds) -> Duration {
    let third = u64::try_from(lease.0 / 3).unwrap_or_default();
    LONGEST_WAIT.min(Duration::from_secs(third))
}

fn lease(app: &App) -> Seconds {
    Seconds(app.config().automation.lease_seconds.into())
}

async fn take(
    app: &App,
    caller: &Caller,
    only: Option<Id<id::Execution>>,
    most: u32,
) -> Result<Vec<ClaimedExecution>, Failure> {
    // INVARIANT: a worker that waits may be revoked meanwhile, so that its token is looked at again each time.
    let ctx = app.later(&caller.ctx);
    let permit = caller.again(app, &ctx).await?;
    let token = caller.token.claims().clone();
    let turn = app.work().turn().await;
    let is_due = app
        .authority()
        .store()
        .read({
            let (permit, token, now) = (permit.clone(), token.clone(), ctx.now);
            move |tx| automation::is_due(tx, &permit, &token, only, now)
        })
        .await?;
    if !is_due {
        return Ok(Vec::new());
    }
    let command = ClaimExecutions {
        tenant: caller.tenant.clone(),
        token,
        only,
        most,
        lease: lease(app),
    };
    let claimed = app.authority().hand_out(&ctx, &permit, command)?.await?;
    drop(turn);
    claimed
        .into_iter()
        .map(|one| released(app, caller, one))
        .collect()
}

/// Signs the token, now that its record is durable.
fn released(app: &App, caller: &Caller, claimed: Claimed) -> Result<ClaimedExecution, Failure> {
    let Claimed {
        execution,
        action,
        account,
        recorded,
    } = claimed;
    let released = app
        .authority()
        .release(&caller.ctx, &caller.tenant, &[account], recorded)?;
    let label = GrantLabel { grant: "execution" };
    app.metrics().tokens_issued.get_or_create(&label).inc();
    let script = action.script.map(|script| ClaimedScript {
        name: script.name,
        sha256: script.sha256,
        text: script.text,
    });
    Ok(ClaimedExecution {
        id: execution.id,
        action_ref: execution.action_ref,
        attempt: execution.attempt,
        token: OneTimeSecret::new(released.access_token),
        expires_at: countersign_model::Timestamp::from_seconds(released.claims.exp).into(),
        time_out_seconds: action.time_out.0,
        lease_until: execution.lease_until.unwrap_or(execution.due_at).into(),
        lease_seconds: app.config().automation.lease_seconds,
        command: action.command,
        script,
        environment: action.environment,
        parameters: execution.doc.parameters,
    })
}

async fn done<C: Command<Output = execution::Execution>>(
    app: &App,
    caller: &Caller,
    command: C,
) -> Result<JsonAnswer<Execution>, Failure> {
    let execution = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(JsonAnswer(shown(execution)))
}

async fn found(app: &App, caller: &Caller, text: &str) -> Result<execution::Execution, Failure> {
    let id = id_of(text)?;
    let (permit, token) = (caller.permit.clone(), caller.token.claims().clone());
    Ok(app
        .authority()
        .store()
        .read(move |tx| {
            let own = id.to_string();
            let work = Work::Execution(&own);
            let mut reader = Reader::of(tx, &permit, &token, "execution.read", work)?;
            automation::execution(tx, &mut reader, id)
        })
        .await?)
}

fn id_of(text: &str) -> Result<Id<id::Execution>, Failure> {
    text.parse().map_err(|_| {
        let detail = format!(
            "there is no execution `{}`",
            text.chars()
                .take(64)
                .flat_map(char::escape_debug)
                .collect::<String>()
        );
        Refusal::new(Reason::NotFound, detail).into()
    })
}

fn shown(execution: execution::Execution) -> Execution {
    let doc = execution.doc;
    Execution {
        id: execution.id,
        action_ref: execution.action_ref,
        status: execution.state,
        project_id: execution.project_id,
        identity_id: doc.identity_id,
        parameters: doc.parameters,
        attempt: execution.attempt,
        event_id: execution.event_id,
        rule: doc.rule,
        workflow_id: doc.workflow_id,
        worker: doc.worker,
        created_at: execution.created_at.into(),
        started_at: doc.started_at.map(Into::into),
        ended_at: execution.ended_at.map(Into::into),
        result: doc.result,
        exit_code: doc.exit_code,
        stdout: doc.stdout,
        stderr: doc.stderr,
        reason: doc.reason,
        approval_id: doc.countersigned.map(|waits| waits.approval_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_worker_waits_a_third_of_its_lease_at_most() {
        for (lease, seconds) in [(10, 3), (30, 10), (60, 20), (600, 20)] {
            let wait = longest_wait(Seconds(lease));
            assert_eq!(wait, Duration::from_secs(seconds), "{lease}");
        }
    }
}
