//! The log: checkpoint and tiles for everybody (C2SP tlog-tiles), records for auditors.

use axum::{
    Json as JsonAnswer,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use countersign_api::{
    evidence::Disclosed,
    log::{ListEntries, LogEntries, LogEntry, LogKey, LogPosition},
    paging,
};
use countersign_authority::{
    Fault, Rejection,
    evidence::seal,
    log::{self, Position},
};
use countersign_crypto::log::tile::{Bundle, TilePath};
use countersign_model::reason::{Reason, Refusal};
use http::{HeaderValue, header};

use super::sessions::log_key;
use crate::{
    app::App,
    http::{caller::Caller, json::Query, problem::Failure},
};

/// The widest bundle: 256 entries.
const BUNDLE: u32 = 256;

/// `GET /log/checkpoint`: the newest signed head, as a note.
pub async fn checkpoint(State(app): State<App>) -> Result<Response, Failure> {
    let newest = app
        .authority()
        .store()
        .read(log::newest_checkpoint)
        .await
        .map_err(Fault::from)?;
    match newest {
        Some(checkpoint) => Ok(plain(
            checkpoint.note.into_bytes(),
            "text/plain; charset=utf-8",
            "no-cache",
        )),
        None => Err(Refusal::new(
            Reason::NotFound,
            "the log has no checkpoint yet; the first comes within a second",
        )
        .into()),
    }
}

/// `GET /log/tile/{path}`: hashes, or entries, which are commitments and show nothing.
pub async fn tile(State(app): State<App>, Path(path): Path<String>) -> Result<Response, Failure> {
    let nothing = || Refusal::new(Reason::NotFound, "the signed log has no such tile");
    let wanted: TilePath = format!("tile/{path}").parse().map_err(|_| nothing())?;
    let store = app.authority().store();
    let bytes = match wanted {
        TilePath::Tile(tile) => store
            .read(move |tx| log::tile(tx, &tile))
            .await
            .map_err(Fault::from)?,
        TilePath::Bundle(bundle) => {
            let first = bundle.first_entry();
            let entries = store
                .read(move |tx| log::entries(tx, first, BUNDLE))
                .await
                .map_err(Fault::from)?;
            let whole = entries.get(..usize::from(bundle.width));
            let encoded = whole.map(|entries| {
                Bundle::encode(entries.iter().map(|entry| entry.commitment.as_slice()))
            });
            encoded
                .transpose()
                .map_err(|error| Fault::Invariant(error.to_string()))?
        }
    };
    // What the signed log has never changes.
    bytes
        .map(|bytes| {
            plain(
                bytes,
                "application/octet-stream",
                "public, max-age=31536000, immutable",
            )
        })
        .ok_or_else(|| nothing().into())
}

/// `GET /api/log/key`: what to pin.
pub async fn key(State(app): State<App>) -> JsonAnswer<LogKey> {
    JsonAnswer(log_key(&app))
}

/// `GET /api/log/entries`: records in the order of the log, for auditors of the tenant.
pub async fn entries(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListEntries>,
) -> Result<JsonAnswer<LogEntries>, Failure> {
    let user = caller.permit.user()?;
    let (tenant, from, limit) = (
        caller.tenant.id,
        query.from.unwrap_or(0),
        paging::limit(query.limit),
    );
    let rows = app
        .authority()
        .store()
        .read(move |tx| {
            let person = countersign_authority::people::person(tx, tenant, user)?;
            if !person.reads_evidence() {
                return Err(Rejection::from(Refusal::new(
                    Reason::Forbidden,
                    "only owners and auditors of the tenant read the log's records",
                )));
            }
            Ok(log::records(tx, tenant, from, limit)?)
        })
        .await?;
    let entries = rows.into_iter().map(|(entry, row)| shown(&entry, row));
    Ok(JsonAnswer(LogEntries {
        entries: entries.collect(),
    }))
}

/// Whose a record is that cannot be read cannot be told either: only why is shown.
fn shown(entry: &log::Entry, row: Option<log::Row>) -> LogEntry {
    let other_tenant = row.is_none();
    let (row, gap) = match row {
        Some(row) if row.lost.is_some() => (None, row.lost),
        row => (row, None),
    };
    LogEntry {
        index: u64::try_from(entry.log_index).unwrap_or(0),
        evidence_id: row.as_ref().map(|row| row.id),
        other_tenant,
        gap,
        salt: row
            .as_ref()
            .map(|row| hex::encode(&row.salt))
            .unwrap_or_default(),
        disclosed: disclosed(row.as_ref().and_then(|row| row.disclosed.as_deref())),
        body: row.map(|row| row.body),
    }
}

/// The personal values beside a record.
pub(super) fn disclosed(text: Option<&str>) -> Vec<Disclosed> {
    let values: Vec<seal::Disclosed> = text
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    values
        .into_iter()
        .map(|value| Disclosed {
            digest: value.digest,
            salt: Some(value.salt),
            value: Some(value.value),
        })
        .collect()
}

/// A place in the log on the wire.
pub(super) fn position(position: Position) -> LogPosition {
    LogPosition {
        index: position.index,
        tree_size: position.tree_size,
        proof: position.proof.iter().map(|hash| hash.to_base64()).collect(),
        checkpoint: position.checkpoint,
    }
}

fn plain(body: Vec<u8>, content_type: &'static str, caching: &'static str) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}
