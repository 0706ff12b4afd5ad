//! Observed accounts: those of other systems, marked as such, with what is weak about each.

use axum::{Json as JsonAnswer, extract::State, response::Response};
use countersign_api::{
    observed::{ListObserved, ObservedAccount, ProposeSponsor as Proposal, Provenance, SignIns},
    paging::Page,
    reference::{Meta, Why},
};
use countersign_authority::registry::observed::{
    self, AnswerProposal, DeleteObserved, ProposeSponsor,
};
use countersign_model::{
    Timestamp,
    registry::{self, Noun, Record},
};
use http::StatusCode;

use super::{
    findings,
    records::{self, Shows, View},
};
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::Caller,
        etag::IfMatch,
        json::{Json, Query},
        problem::Failure,
    },
};

/// `GET /api/observed-accounts`.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListObserved>,
) -> Result<JsonAnswer<Page<ObservedAccount>>, Failure> {
    let filters = ListObserved {
        after: None,
        limit: None,
        ..query.clone()
    };
    let list = records::list_name(ObservedAccount::PATH, &caller, &filters)?;
    let mut wanted = records::page_query(&app, &list, query.after.as_deref(), query.limit, None)?;
    wanted.name_prefix = query.system.map(|system| format!("{system}:"));
    let unanswered = query.unanswered == Some(true);
    let (permit, now) = (caller.permit.clone(), caller.ctx.now);
    let page = app
        .authority()
        .store()
        .read(move |tx| observed::list(tx, &permit, unanswered, &wanted))
        .await?;
    let found: Vec<_> = page
        .items
        .iter()
        .map(|listed| findings::wire(observed::findings(&listed.record, now)))
        .collect();
    let JsonAnswer(mut page) = records::page_of::<ObservedAccount>(&app, &list, page)?;
    for (account, found) in page.items.iter_mut().zip(found) {
        account.findings = found;
    }
    Ok(JsonAnswer(page))
}

/// `GET /api/observed-accounts/{id}`.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
) -> Result<Response, Failure> {
    let permit = caller.permit.clone();
    let shown = app
        .authority()
        .store()
        .read(move |tx| observed::show(tx, &permit, &text))
        .await?;
    answer(&caller, &shown)
}

/// `POST /api/observed-accounts/{id}/propose`.
pub async fn propose(
    State(app): State<App>,
    caller: Caller,
    Addressed(account): Addressed,
    Json(body): Json<Proposal>,
) -> Result<Response, Failure> {
    let command = ProposeSponsor {
        account,
        sponsor: body.sponsor.0,
        reason: body.reason,
    };
    let done = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    changed(&app, &caller, done).await
}

/// `POST /api/observed-accounts/{id}/confirm`.
pub async fn confirm(
    State(app): State<App>,
    caller: Caller,
    Addressed(account): Addressed,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    answered(&app, &caller, account, why, true).await
}

/// `POST /api/observed-accounts/{id}/decline`.
pub async fn decline(
    State(app): State<App>,
    caller: Caller,
    Addressed(account): Addressed,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    answered(&app, &caller, account, why, false).await
}

/// `DELETE /api/observed-accounts/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(account): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteObserved {
        account,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

async fn answered(
    app: &App,
    caller: &Caller,
    account: String,
    why: Why,
    confirm: bool,
) -> Result<Response, Failure> {
    let command = AnswerProposal {
        account,
        confirm,
        reason: why.reason,
    };
    let done = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    changed(app, caller, done).await
}

async fn changed(app: &App, caller: &Caller, record: Record) -> Result<Response, Failure> {
    let shown = records::after_change(app, record).await?;
    answer(caller, &shown)
}

fn answer(
    caller: &Caller,
    shown: &countersign_authority::registry::Shown,
) -> Result<Response, Failure> {
    let mut account: ObservedAccount = records::of_shown(shown)?;
    account.findings = findings::wire(observed::findings(&shown.record, caller.ctx.now));
    Ok(records::tagged(
        caller,
        StatusCode::OK,
        ObservedAccount::PATH,
        &shown.record,
        account,
    ))
}

impl Shows for ObservedAccount {
    const NOUN: Noun = Noun::ObservedAccount;
    const PATH: &'static str = "observed-accounts";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.observed_account()?;
        let (facts, from) = (&doc.facts, &doc.provenance);
        Some(Self {
            meta: view.meta(),
            observed: true,
            system: doc.system.clone(),
            external_id: doc.external_id.clone(),
            label: facts.label.clone(),
            account_type: facts.account_type,
            form: facts.form.clone(),
            place: facts.place.clone(),
            owner: facts.owner.clone(),
            privileges: facts.privileges.clone(),
            made_there_at: facts.created_at.map(Into::into),
            last_used_at: doc.last_used_at().map(Into::into),
            secret_since: facts.secret_since.map(Into::into),
            secret_ends_at: facts.secret_ends_at.map(Into::into),
            disabled_there: facts.disabled,
            sign_ins: doc.sign_ins.as_ref().map(sign_ins),
            sponsor: doc.sponsor.map(|party| view.party(party)),
            proposed: doc.proposed.as_ref().map(|one| view.party(one.party)),
            replaced_by: doc
                .replaced_by
                .as_ref()
                .map(|by| view.refer(by.identity_id)),
            provenance: Provenance {
                format: from.format,
                file_name: from.file_name.clone(),
                file_digest: from.file_digest.clone(),
                line: from.line,
                imported_by: view.refer(from.imported_by),
                imported_at: from.imported_at.into(),
            },
            findings: Vec::new(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

fn sign_ins(sum: &registry::SignIns) -> SignIns {
    let time = |at: Timestamp| at.into();
    SignIns {
        count: sum.count,
        first_at: time(sum.first_at),
        last_at: time(sum.last_at),
        hours_of_day: sum.hours_of_day,
        busiest_hour: sum.busiest_hour,
        by_program: sum.by_program,
        programs: sum.programs.clone(),
        crowded_hours: sum.crowded_hours,
    }
}
