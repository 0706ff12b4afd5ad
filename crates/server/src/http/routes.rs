//! Every route of the server, in one table. What is not here does not exist (T36).

use crate::{
    app::App,
    health::{healthz, readyz},
    http::{
        api::{evidence, lineage, log, results, revocation_feed, sessions},
        metrics::metrics,
        oauth::{introspect, metadata, revoke, token},
        router::Route,
    },
};

/// The table.
#[must_use]
pub fn routes() -> Vec<Route<App>> {
    vec![
        Route::get("/healthz", healthz),
        Route::get("/readyz", readyz),
        Route::get("/metrics", metrics),
        Route::get("/.well-known/oauth-authorization-server", metadata::metadata),
        Route::get("/.well-known/openid-configuration", metadata::metadata),
        Route::get("/.well-known/oauth-protected-resource", metadata::protected_resource),
        Route::get("/.well-known/jwks.json", metadata::jwks),
        Route::post("/oauth2/token", token::token),
        Route::post("/oauth2/introspect", introspect::introspect),
        Route::post("/oauth2/revoke", revoke::revoke),
        Route::get("/log/checkpoint", log::checkpoint),
        Route::get("/log/tile/{*path}", log::tile),
        Route::get("/api/log/key", log::key),
        Route::get("/api/log/entries", log::entries),
        Route::get("/api/evidence", evidence::list),
        Route::get("/api/evidence/{id}", evidence::show),
        Route::post("/api/evidence/{id}/erase", evidence::erase),
        Route::get("/api/lineage", lineage::follow),
        Route::post("/api/results", results::report),
        Route::get("/api/revocations", revocation_feed::feed),
        Route::post("/api/sessions", sessions::create),
        Route::get("/api/sessions/current", sessions::current),
        Route::delete("/api/sessions/current", sessions::delete),
    ]
}
