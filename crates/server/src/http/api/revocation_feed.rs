//! `GET /api/revocations`: the feed that guards follow.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::{
    paging,
    revocations::{Feed, FeedEntry, FeedQuery},
};
use countersign_authority::{Fault, revocation_feed};

use crate::{
    app::App,
    driver::gather,
    http::{caller::Caller, json::Query, problem::Failure},
};

/// Answers with what was revoked since the last time.
pub async fn feed(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<FeedQuery>,
) -> Result<JsonAnswer<Feed>, Failure> {
    let mut facts = app.authority().facts();
    gather(&app, caller.tenant.id, &mut facts, |facts| {
        revocation_feed::may_read(facts, caller.token.claims())
    })
    .await?;
    let list = format!("revocations|{}", caller.tenant.id);
    let after: Option<String> = query
        .after
        .map(|after| app.cursors().open(&list, &after))
        .transpose()?;
    let (tenant, now, limit) = (caller.tenant.id, caller.ctx.now, paging::limit(query.limit));
    let reading = app
        .authority()
        .store()
        .read(move |tx| revocation_feed::read(tx, tenant, after.as_deref(), now, limit));
    let piece = reading.await.map_err(Fault::from)?;
    let entries = piece.entries.into_iter().map(|one| FeedEntry {
        grain: one.grain,
        target: one.target,
        generation: one.generation,
        until: Some(one.until.into()),
    });
    Ok(JsonAnswer(Feed {
        entries: entries.collect(),
        next: app.cursors().seal(&list, &piece.next)?,
        more: piece.more,
        as_of: now.into(),
    }))
}
