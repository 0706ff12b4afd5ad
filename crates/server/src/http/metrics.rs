//! `GET /metrics`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;

use crate::{app::App, metrics::DirectionLabel};

/// Everything that is counted, in the OpenMetrics text format.
pub async fn metrics(State(app): State<App>) -> Response {
    let metrics = app.metrics();
    let store = app.authority().store().statistics();
    for (direction, waiting) in [("read", store.queued_reads), ("write", store.queued_writes)] {
        let gauge = metrics
            .store_waiting
            .get_or_create_owned(&DirectionLabel { direction });
        gauge.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
    metrics.feed_age.set(app.freshness().age().as_secs_f64());
    metrics
        .revocations
        .set(i64::try_from(app.authority().revoked().len()).unwrap_or(i64::MAX));
    ([(header::CONTENT_TYPE, TEXT)], metrics.text()).into_response()
}

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
