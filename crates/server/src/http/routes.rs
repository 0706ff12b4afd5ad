//! Every route of the server, in one table. What is not here does not exist (T36).

use countersign_api::{
    audiences::Audience,
    credentials::Credential,
    environments::Environment,
    issuers::Issuer,
    policies::Policy,
    projects::Project,
    teams::Team,
    users::{LinkedAccount, User},
};

use crate::{
    app::App,
    health::{healthz, readyz},
    http::{
        access,
        api::{
            actions, approvals, audiences, credentials, device_authorizations, environments,
            evidence, findings, identities, issuers, lineage, linked_accounts, log, manifests,
            policies, projects, records, refresh, results, revocation_feed, revocations,
            service_accounts, sessions, signing_keys, teams, tenant, trust, users,
        },
        metrics::metrics,
        oauth::{device_authorization, introspect, metadata, revoke, token},
        openapi, pages,
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
        Route::get(
            "/.well-known/oauth-authorization-server",
            metadata::metadata,
        ),
        Route::get("/.well-known/openid-configuration", metadata::metadata),
        Route::get(
            "/.well-known/oauth-protected-resource",
            metadata::protected_resource,
        ),
        Route::get("/.well-known/jwks.json", metadata::jwks),
        Route::post("/oauth2/token", token::token),
        Route::post(
            "/oauth2/device_authorization",
            device_authorization::device_authorization,
        ),
        Route::post("/oauth2/introspect", introspect::introspect),
        Route::post("/oauth2/revoke", revoke::revoke),
        Route::get("/log/checkpoint", log::checkpoint),
        Route::get("/log/tile/{*path}", log::tile),
        Route::get("/api/openapi.json", openapi::openapi),
        Route::get("/api/log/key", log::key),
        Route::get("/api/log/entries", log::entries),
        Route::get("/api/findings", findings::list),
        Route::get("/api/identities", identities::list),
        Route::post("/api/identities", identities::create),
        Route::get("/api/identities/{id}", identities::show),
        Route::patch("/api/identities/{id}", identities::update),
        Route::delete("/api/identities/{id}", identities::delete),
        Route::post("/api/identities/{id}/disable", identities::disable),
        Route::post("/api/identities/{id}/enable", identities::enable),
        Route::post("/api/identities/{id}/transfer", identities::transfer),
        Route::post("/api/identities/{id}/rename", identities::rename),
        Route::post(
            "/api/identities/{id}/accept-sponsorship",
            identities::accept_sponsorship,
        ),
        Route::post(
            "/api/identities/{id}/decline-sponsorship",
            identities::decline_sponsorship,
        ),
        Route::post("/api/identities/{id}/review", identities::review),
        Route::get("/api/identities/{id}/attempts", trust::attempts),
        Route::get("/api/identities/{id}/credentials", credentials::list),
        Route::post("/api/identities/{id}/credentials", credentials::create),
        Route::get("/api/credentials/{id}", records::show::<Credential>),
        Route::post("/api/credentials/{id}/rotate", credentials::rotate),
        Route::post("/api/credentials/{id}/revoke", credentials::revoke),
        Route::get("/api/projects", records::list::<Project>),
        Route::post("/api/projects", projects::create),
        Route::get("/api/projects/{id}", records::show::<Project>),
        Route::patch("/api/projects/{id}", projects::update),
        Route::delete("/api/projects/{id}", projects::delete),
        Route::get("/api/teams", records::list::<Team>),
        Route::post("/api/teams", teams::create),
        Route::get("/api/teams/{id}", records::show::<Team>),
        Route::patch("/api/teams/{id}", teams::update),
        Route::delete("/api/teams/{id}", teams::delete),
        Route::get("/api/users", records::list::<User>),
        Route::post("/api/users", users::create),
        Route::get("/api/users/{id}", records::show::<User>),
        Route::patch("/api/users/{id}", users::update),
        Route::delete("/api/users/{id}", users::delete),
        Route::get("/api/linked-accounts", records::list::<LinkedAccount>),
        Route::post("/api/linked-accounts", linked_accounts::create),
        Route::get("/api/linked-accounts/{id}", records::show::<LinkedAccount>),
        Route::delete("/api/linked-accounts/{id}", linked_accounts::delete),
        Route::get("/api/environments", records::list::<Environment>),
        Route::post("/api/environments", environments::create),
        Route::get("/api/environments/{id}", records::show::<Environment>),
        Route::patch("/api/environments/{id}", environments::update),
        Route::delete("/api/environments/{id}", environments::delete),
        Route::get("/api/audiences", records::list::<Audience>),
        Route::post("/api/audiences", audiences::create),
        Route::get("/api/audiences/{id}", records::show::<Audience>),
        Route::patch("/api/audiences/{id}", audiences::update),
        Route::delete("/api/audiences/{id}", audiences::delete),
        Route::get("/api/issuers", records::list::<Issuer>),
        Route::post("/api/issuers", issuers::create),
        Route::get("/api/issuers/{id}", records::show::<Issuer>),
        Route::patch("/api/issuers/{id}", issuers::update),
        Route::delete("/api/issuers/{id}", issuers::delete),
        Route::get("/api/policies", records::list::<Policy>),
        Route::post("/api/policies", policies::create),
        Route::get("/api/policies/{id}", records::show::<Policy>),
        Route::patch("/api/policies/{id}", policies::update),
        Route::delete("/api/policies/{id}", policies::delete),
        Route::post("/api/projects/{id}/leave", projects::leave),
        Route::post("/api/users/current/leave", users::leave),
        Route::post("/api/issuers/{id}/enable", issuers::enable),
        Route::post("/api/users/{id}/disable", users::disable),
        Route::post("/api/users/{id}/enable", users::enable),
        Route::get("/api/actions", actions::list),
        Route::post("/api/actions", actions::create),
        Route::get("/api/actions/{id}", actions::show),
        Route::patch("/api/actions/{id}", actions::update),
        Route::delete("/api/actions/{id}", actions::delete),
        Route::get("/api/tenant", tenant::show),
        Route::patch("/api/tenant", tenant::update),
        Route::post("/api/approvals", approvals::open),
        Route::get("/api/approvals", approvals::list),
        Route::get("/api/approvals/{id}", approvals::show),
        Route::post("/api/approvals/{id}/approve", approvals::approve),
        Route::post("/api/approvals/{id}/deny", approvals::deny),
        Route::post("/api/manifests/plan", manifests::plan),
        Route::post("/api/manifests/apply", manifests::apply),
        Route::get("/api/manifests/export", manifests::export),
        Route::get("/api/manifests/schema", manifests::schema),
        Route::post("/api/revocations", revocations::revoke),
        Route::post("/api/trust-tests", trust::test),
        Route::get("/api/signing-keys", signing_keys::list),
        Route::post("/api/signing-keys/rotate", signing_keys::rotate),
        Route::post("/api/signing-keys/{kid}/kill", signing_keys::kill),
        Route::get("/.well-known/authzen-configuration", access::configuration),
        Route::post("/access/v1/evaluation", access::evaluation),
        Route::post("/access/v1/evaluations", access::evaluations),
        Route::get("/api/evidence", evidence::list),
        Route::get("/api/evidence/{id}", evidence::show),
        Route::post("/api/evidence/{id}/erase", evidence::erase),
        Route::get("/api/lineage", lineage::follow),
        Route::post("/api/results", results::report),
        Route::get("/api/revocations", revocation_feed::feed),
        Route::get("/api/service-accounts", service_accounts::list),
        Route::post("/api/service-accounts", service_accounts::create),
        Route::delete("/api/service-accounts/{id}", service_accounts::delete),
        Route::post("/api/service-accounts/{id}/tokens", service_accounts::next),
        Route::post("/api/auth/refresh", refresh::refresh),
        Route::post("/api/sessions", sessions::create),
        Route::get("/api/sessions", sessions::list),
        Route::get("/api/sessions/current", sessions::current),
        Route::delete("/api/sessions/current", sessions::delete),
        Route::delete("/api/sessions/{id}", sessions::end),
        Route::post(
            "/api/device-authorizations/show",
            device_authorizations::show,
        ),
        Route::post(
            "/api/device-authorizations/confirm",
            device_authorizations::confirm,
        ),
        Route::post(
            "/api/device-authorizations/deny",
            device_authorizations::deny,
        ),
        Route::get("/device", pages::device),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::router::inventory;

    #[test]
    fn every_row_stands_once() {
        let mut seen = BTreeSet::new();
        for (method, path) in inventory(&routes()) {
            assert!(seen.insert((method.to_string(), path)), "{method} {path}");
        }
    }
}
