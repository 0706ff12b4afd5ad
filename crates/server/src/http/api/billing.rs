//! `/api/billing`: what was done in a month, as JSON and as CSV.

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use countersign_api::{
    billing::{
        BilledMonth, BillingQuery, ClosedMonth, CountedLog, Statement, StatementLine, StatementList,
    },
    reference::Ref,
    time::Time,
};
use countersign_authority::{ReadMode, billing};
use countersign_model::{
    Id,
    billing::{InvalidMonth, Month},
    id,
    reason::{Reason, Refusal},
};
use http::{HeaderMap, HeaderValue, header};

use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, json::Query, problem::Failure},
};

/// `GET /api/billing/statements`: the months in which anything was counted.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<BillingQuery>,
) -> Result<JsonAnswer<StatementList>, Failure> {
    let (permit, token) = (caller.permit.clone(), caller.token.claims().clone());
    let months = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            billing::months(tx, &permit, &token, query.project.as_deref())
        })
        .await?;
    Ok(JsonAnswer(StatementList {
        items: months.iter().map(billed).collect(),
    }))
}

/// `GET /api/billing/statements/{month}`: the statement of a month, as CSV when the month ends in `.csv` or `Accept` asks.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    Query(query): Query<BillingQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (text, csv) = match named.strip_suffix(".csv") {
        Some(month) => (month, true),
        None => (named.as_str(), prefers_csv(&headers)),
    };
    let month: Month = text
        .parse()
        .map_err(|error: InvalidMonth| Refusal::new(Reason::NotFound, error.to_string()))?;
    let (permit, token) = (caller.permit.clone(), caller.token.claims().clone());
    let statement = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            billing::statement(tx, &permit, &token, month, query.project.as_deref())
        })
        .await?;
    let statement = wire(&statement);
    if !csv {
        return Ok(JsonAnswer(statement).into_response());
    }
    let file = match &statement.project {
        Some(project) => format!("countersign-{month}-{}.csv", project.name),
        None => format!("countersign-{month}.csv"),
    };
    let mut answer = statement.csv().into_response();
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
    );
    if let Ok(named) = HeaderValue::from_str(&format!("attachment; filename=\"{file}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, named);
    }
    Ok(answer)
}

/// Whether the caller asks for CSV and for no JSON.
fn prefers_csv(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter();
    let mut types = accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|one| {
            one.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        })
        .collect::<Vec<_>>()
        .into_iter();
    types.clone().any(|one| one == "text/csv") && !types.any(|one| one == "application/json")
}

fn wire(statement: &billing::Statement) -> Statement {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let named = |id: Option<Id<id::Record>>, name: &Option<String>| {
        id.map(|id| Ref {
            id,
            name: name.clone().unwrap_or_default(),
        })
    };
    let lines = statement.lines.iter().map(|line| StatementLine {
        project: named(line.counter.project.map(Id::cast), &line.project_name),
        identity: named(line.counter.identity.map(Id::cast), &line.identity_name),
        operation: line.counter.operation,
        count: count(line.counted),
        late: count(line.late),
    });
    let lines: Vec<StatementLine> = lines.collect();
    Statement {
        billed: billed(&statement.billed),
        project: statement.project.as_ref().map(|project| Ref {
            id: project.id,
            name: project.name.clone(),
        }),
        counted: CountedLog {
            origin: statement.origin.clone(),
            entries: count(statement.counted.size),
            looked_at: count(statement.looked_at),
        },
        operations: lines.iter().map(|line| line.count).sum(),
        late: lines.iter().map(|line| line.late).sum(),
        lines,
    }
}

fn billed(one: &billing::BilledMonth) -> BilledMonth {
    BilledMonth {
        month: one.month,
        closed: one.closed.as_ref().map(|closed| ClosedMonth {
            at: Time(closed.at),
            evidence_id: closed.evidence_id,
            digest: closed.digest.clone(),
        }),
    }
}
