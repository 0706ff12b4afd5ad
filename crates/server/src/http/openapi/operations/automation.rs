//! Packs, events and executions.

use countersign_api::{
    events::{CreateEvent, Event, ListRules, Rule, Trigger},
    executions::{
        CancelExecution, Claim, ClaimOne, ClaimedExecutions, Execute, Execution, FinishExecution,
        Heard, Heartbeat, ListExecutions, UpdateExecution,
    },
    packs::Pack,
    paging::ListQuery,
    reference::Why,
};

use super::super::{Operation, Schemas};

pub(super) fn automation(s: &mut Schemas) -> Vec<Operation> {
    let mut rows = vec![
        Operation::get("/api/packs", "packs.list", "lists packs")
            .query::<ListQuery>(s)
            .page::<Pack>(s),
        Operation::get("/api/packs/{id}", "packs.show", "shows a pack").answers::<Pack>(200, s),
        Operation::delete(
            "/api/packs/{id}",
            "packs.delete",
            "deletes a pack with the service accounts of its actions; its name stays taken",
        )
        .tagged()
        .query::<Why>(s)
        .nothing(204),
        Operation::get("/api/triggers", "triggers.list", "lists the types of events")
            .list::<Trigger>(s),
        Operation::get("/api/rules", "rules.list", "lists rules: what a sensor works by")
            .query::<ListRules>(s)
            .list::<Rule>(s),
        Operation::post(
            "/api/events",
            "events.create",
            "creates an event and starts what its rules say; one that was sent before answers 200",
        )
        .body::<CreateEvent>(s)
        .answers::<Event>(201, s),
        Operation::get(
            "/api/events/{id}",
            "events.show",
            "shows an event with the rules that fired",
        )
        .answers::<Event>(200, s),
        Operation::post(
            "/api/webhooks/{path}",
            "webhooks.call",
            "an external system's call: any text, read as JSON when it is; an event of `core.webhook`",
        )
        .answers::<Event>(201, s),
    ];
    rows.extend(executions(s));
    rows
}

fn executions(s: &mut Schemas) -> Vec<Operation> {
    let one = "/api/executions/{id}";
    vec![
        Operation::get("/api/executions", "executions.list", "lists executions, newest first")
            .query::<ListExecutions>(s)
            .page::<Execution>(s),
        Operation::post("/api/executions", "executions.create", "starts an action")
            .keyed()
            .body::<Execute>(s)
            .answers::<Execution>(201, s),
        Operation::post(
            "/api/executions/claim",
            "executions.claim",
            "a worker takes what is due, each with the token that it runs under: the only answer with it",
        )
        .body::<Claim>(s)
        .answers::<ClaimedExecutions>(200, s),
        Operation::post(
            "/api/executions/heartbeat",
            "executions.heartbeat",
            "a worker says what it still works on, and is told what to stop",
        )
        .body::<Heartbeat>(s)
        .answers::<Heard>(200, s),
        Operation::get(one, "executions.show", "shows an execution").answers::<Execution>(200, s),
        Operation::patch(
            one,
            "executions.update",
            "an action says what came of its own execution, with its own token",
        )
        .body::<UpdateExecution>(s)
        .answers::<Execution>(200, s),
        Operation::post(
            format!("{one}/cancel"),
            "executions.cancel",
            "stops an execution: its token dies now",
        )
        .body::<CancelExecution>(s)
        .answers::<Execution>(200, s),
        Operation::post(
            format!("{one}/claim"),
            "executions.claim_one",
            "a worker takes the execution that a message named",
        )
        .body::<ClaimOne>(s)
        .answers::<ClaimedExecutions>(200, s),
        Operation::post(
            format!("{one}/finish"),
            "executions.finish",
            "a worker says how an execution ended",
        )
        .body::<FinishExecution>(s)
        .answers::<Execution>(200, s),
    ]
}
