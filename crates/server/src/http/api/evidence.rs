//! Evidence: searched, read in full with its proof, erased where it is personal.

use axum::{
    Json as JsonAnswer,
    extract::{Path, State},
};
use countersign_api::{
    Time,
    evidence::{
        Erase as EraseBody, ErasedFields, EvidenceRecord, EvidenceRef, EvidenceSummary,
        SearchEvidence,
    },
    paging::{self, Page},
    reference::NameOrId,
};
use countersign_authority::{
    ReadMode, Rejection,
    evidence::{
        erase::Erase,
        search::{self, Found, Gap, Known, Page as Listed, Search},
        summary,
    },
    lineage, log, people,
};
use countersign_model::{
    Id, id,
    reason::{Reason, Refusal},
    registry::Noun,
};

use super::log::{disclosed, position};
use crate::{
    app::App,
    http::{
        caller::Caller,
        json::{Json, Query},
        problem::Failure,
    },
};

/// `GET /api/evidence`: what happened, newest first.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<SearchEvidence>,
) -> Result<JsonAnswer<Page<EvidenceSummary>>, Failure> {
    let user = caller.permit.user()?;
    let tenant = caller.tenant.id;
    let list = format!("evidence|{tenant}");
    let before = query
        .after
        .as_deref()
        .map(|after| app.cursors().open(&list, after))
        .transpose()?;
    let pepper = app.authority().secrets().pepper.clone();
    let page = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            let person = people::person(tx, tenant, user)?;
            let id_of = |tx: &mut _, noun, named: &Option<NameOrId>| match named {
                Some(named) => lineage::id_of(tx, tenant, noun, &named.to_string()).map(Some),
                None => Ok(None),
            };
            let wanted = Search {
                identity: id_of(tx, Noun::Identity, &query.identity)?,
                person: id_of(tx, Noun::User, &query.person)?,
                credential: id_of(tx, Noun::Credential, &query.credential)?,
                action: query.action.clone(),
                execution: query.execution.clone(),
                resource: query.resource.clone(),
                source: query.source.clone(),
                outcome: query.outcome.clone(),
                kind: query.kind.clone(),
                txn: query.txn.map(|txn| txn.to_string()),
                term: None,
                since: query.since.map(Into::into),
                until: query.until.map(Into::into),
                before,
                limit: paging::limit(query.limit),
                bytes: None,
            };
            let mut page = search::search(tx, tenant, &wanted, &pepper)?;
            lineage::retain_readable(tx, tenant, &person, &mut page)?;
            Ok::<_, Rejection>(page)
        })
        .await?;
    let next = page
        .next
        .map(|next| app.cursors().seal(&list, &next))
        .transpose()?;
    let mut items: Vec<_> = page.records.iter().map(summarise).collect();
    items.extend(page.gaps.iter().map(summarise_gap));
    // Ids are ordered by their making: a gap stands where its record would.
    items.sort_by_key(|item| std::cmp::Reverse(item.id));
    Ok(JsonAnswer(Page { items, next }))
}

/// `GET /api/evidence/{id}`: one record in full, with its proof.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<JsonAnswer<EvidenceRecord>, Failure> {
    let user = caller.permit.user()?;
    let tenant = caller.tenant.id;
    let id = parse(&id)?;
    let (found, place) = app
        .authority()
        .store()
        .read(move |tx| {
            let person = people::person(tx, tenant, user)?;
            let mut found = Listed::default();
            match search::by_id(tx, tenant, id)? {
                Some(Known::Found(one)) => found.records.push(*one),
                Some(Known::Gap(gap)) => found.gaps.push(*gap),
                None => {}
            }
            lineage::retain_readable(tx, tenant, &person, &mut found)?;
            let missing = || {
                Refusal::new(
                    Reason::NotFound,
                    format!("there is no record {id} that you can see"),
                )
            };
            let found = match (found.records.pop(), found.gaps.pop()) {
                (Some(found), _) => Ok(found),
                (None, Some(gap)) => Err(gap),
                (None, None) => return Err(missing().into()),
            };
            let place = log::position(tx, id)?;
            Ok::<_, Rejection>((found, place))
        })
        .await?;
    let found = match found {
        Ok(found) => found,
        Err(gap) => {
            return Ok(JsonAnswer(EvidenceRecord {
                summary: summarise_gap(&gap),
                record: serde_json::Value::Null,
                salt: hex::encode(&gap.row.salt),
                disclosed: disclosed(gap.row.disclosed.as_deref()),
                parents: Vec::new(),
                body: String::new(),
                log: place.map(position),
            }));
        }
    };
    Ok(JsonAnswer(EvidenceRecord {
        summary: summarise(&found),
        record: serde_json::to_value(&found.record).map_err(countersign_authority::Fault::from)?,
        salt: hex::encode(&found.row.salt),
        disclosed: disclosed(found.row.disclosed.as_deref()),
        parents: found.record.parents.clone(),
        body: found.row.body,
        log: place.map(position),
    }))
}

/// `POST /api/evidence/{id}/erase`: takes personal values out; every proof stays.
pub async fn erase(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<EraseBody>,
) -> Result<JsonAnswer<ErasedFields>, Failure> {
    let command = Erase {
        record: parse(&id)?,
        digests: body.digests,
        reason: body.reason,
    };
    let erased = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(JsonAnswer(ErasedFields {
        fields: erased.fields,
        evidence_id: erased.evidence,
    }))
}

fn parse(id: &str) -> Result<Id<id::Evidence>, Refusal> {
    id.parse()
        .map_err(|error: id::InvalidId| Refusal::new(Reason::NotFound, error.to_string()))
}

pub(super) fn summarise(found: &Found) -> EvidenceSummary {
    let record = &found.record;
    EvidenceSummary {
        id: record.id,
        kind: record.event.kind().to_owned(),
        outcome: record.event.outcome().to_owned(),
        summary: summary::line(record),
        occurred_at: Time::from(record.occurred_at),
        recorded_at: Time::from(record.recorded_at),
        source: Some(record.source.clone()),
        assurance: Some(record.assurance),
        txn: record.txn,
        refs: record
            .refs
            .iter()
            .map(|reference| EvidenceRef {
                role: reference.role,
                id: reference.id.clone(),
                name: reference.name.as_ref().map(|name| name.shown().to_owned()),
            })
            .collect(),
        missing: record.missing.clone(),
        gap: None,
        log_index: found.log_index,
    }
}

/// What the table still says of a record that cannot be read.
pub(super) fn summarise_gap(gap: &Gap) -> EvidenceSummary {
    EvidenceSummary {
        id: gap.row.id,
        kind: gap.row.kind.clone(),
        outcome: gap.row.outcome.clone(),
        summary: format!("[gap: {}]", gap.why),
        occurred_at: Time::from(gap.row.occurred_at),
        recorded_at: Time::from(gap.row.recorded_at),
        source: None,
        assurance: None,
        txn: gap.row.txn,
        refs: Vec::new(),
        missing: Vec::new(),
        gap: Some(gap.why.clone()),
        log_index: gap.log_index,
    }
}
