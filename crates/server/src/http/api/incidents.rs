//! `GET /api/incidents`: what a credential, run, token, program or person did between two times.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::{
    incidents::{Containment, Incident, IncidentQuery, IncidentRecord, IncidentSource},
    paging,
};
use countersign_authority::{
    ReadMode,
    incident::{self, About, Asked},
    people,
};
use countersign_model::{Timestamp, time::Seconds};

use super::evidence;
use crate::{
    app::App,
    http::{caller::Caller, json::Query, problem::Failure},
};

/// Tells what happened, newest first.
pub async fn tell(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<IncidentQuery>,
) -> Result<JsonAnswer<Incident>, Failure> {
    let user = caller.permit.user()?;
    let tenant = caller.tenant.id;
    let about: About = query.reference.parse()?;
    let until: Timestamp = query.until.map_or(caller.ctx.now, Into::into);
    let since: Timestamp = query.since.map_or(until - Seconds::days(1), Into::into);
    let list = format!("incident|{tenant}|{}", query.reference);
    let before = query
        .after
        .as_deref()
        .map(|after| app.cursors().open(&list, after))
        .transpose()?;
    let limit = paging::limit(query.limit);
    let pepper = app.authority().secrets().pepper.clone();
    let told = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            let person = people::person(tx, tenant, user)?;
            let asked = Asked {
                about: &about,
                since,
                until,
                before,
                limit,
            };
            incident::tell(tx, tenant, &person, &asked, &pepper)
        })
        .await?;
    let next = told
        .page
        .next
        .map(|next| app.cursors().seal(&list, &next))
        .transpose()?;
    let mut items: Vec<_> = told
        .page
        .records
        .iter()
        .map(|found| IncidentRecord {
            summary: evidence::summarise(found),
            address: incident::address_of(&found.record.event).map(str::to_owned),
        })
        .collect();
    items.extend(told.page.gaps.iter().map(|gap| IncidentRecord {
        summary: evidence::summarise_gap(gap),
        address: None,
    }));
    items.sort_by_key(|item| std::cmp::Reverse(item.summary.id));
    Ok(JsonAnswer(Incident {
        reference: query.reference,
        name: told.name,
        since: since.into(),
        until: until.into(),
        items,
        sources: told
            .sources
            .into_iter()
            .map(|source| IncidentSource {
                address: source.address,
                records: source.records,
                first_time: source.first_time,
            })
            .collect(),
        contain: told
            .contain
            .into_iter()
            .map(|one| Containment {
                grain: one.grain,
                target: one.target,
                name: one.name,
            })
            .collect(),
        truncated: told.truncated.iter().map(ToString::to_string).collect(),
        tokens_since: told.tokens_since.map(Into::into),
        next,
    }))
}
