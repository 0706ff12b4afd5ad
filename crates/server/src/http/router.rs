//! The table of routes becomes a router. Every route of the server is a row of one table.

use std::collections::HashMap;

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use http::{Method, StatusCode};

use crate::{
    http::{oauth_error::OauthFailure, problem::Failure},
    metrics::{Metrics, RouteMetrics},
};

/// One row: a method, a path and who answers.
pub struct Route<S> {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` where a segment varies.
    pub path: &'static str,
    handler: MethodRouter<S>,
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// Answers `GET` and `HEAD`.
    pub fn get<T: 'static>(path: &'static str, handler: impl Handler<T, S>) -> Self {
        Self {
            method: Method::GET,
            path,
            handler: on(MethodFilter::GET, handler),
        }
    }

    /// Answers `POST`.
    pub fn post<T: 'static>(path: &'static str, handler: impl Handler<T, S>) -> Self {
        Self {
            method: Method::POST,
            path,
            handler: on(MethodFilter::POST, handler),
        }
    }

    /// Answers `PATCH`.
    pub fn patch<T: 'static>(path: &'static str, handler: impl Handler<T, S>) -> Self {
        Self {
            method: Method::PATCH,
            path,
            handler: on(MethodFilter::PATCH, handler),
        }
    }

    /// Answers `PUT`.
    pub fn put<T: 'static>(path: &'static str, handler: impl Handler<T, S>) -> Self {
        Self {
            method: Method::PUT,
            path,
            handler: on(MethodFilter::PUT, handler),
        }
    }

    /// Answers `DELETE`.
    pub fn delete<T: 'static>(path: &'static str, handler: impl Handler<T, S>) -> Self {
        Self {
            method: Method::DELETE,
            path,
            handler: on(MethodFilter::DELETE, handler),
        }
    }
}

/// Methods and paths of a table: what the documentation and the coverage tests compare.
#[must_use]
pub fn inventory<S>(routes: &[Route<S>]) -> Vec<(Method, &'static str)> {
    routes
        .iter()
        .map(|route| (route.method.clone(), route.path))
        .collect()
}

/// The router of a table. What no row answers is a problem document too.
pub fn build<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>, state: S) -> Router {
    let rows = routes.into_iter();
    rows.fold(Router::new(), |router, route| {
        router.route(route.path, route.handler)
    })
    .fallback(not_found)
    .method_not_allowed_fallback(method_not_allowed)
    .with_state(state)
}

async fn not_found(request: Request) -> Response {
    refuse(
        request.uri().path(),
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing here",
    )
}

async fn method_not_allowed(request: Request) -> Response {
    let detail = "this path does not answer this method; Allow says which it does";
    refuse(
        request.uri().path(),
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        detail,
    )
}

/// A refusal before any handler, in the form of the endpoint's family.
pub fn refuse(path: &str, status: StatusCode, code: &str, detail: &str) -> Response {
    if is_oauth(path) {
        OauthFailure::new(status, "invalid_request", detail).into_response()
    } else {
        Failure::new(status, code, detail).into_response()
    }
}

/// Whether errors of this path have the OAuth form.
#[must_use]
pub fn is_oauth(path: &str) -> bool {
    path.starts_with("/oauth2/")
}

/// The counters of every route, found by path without a lock.
#[derive(Debug)]
pub struct RouteCounters {
    fixed: HashMap<&'static str, RouteMetrics>,
    varying: Vec<(&'static str, RouteMetrics)>,
    other: RouteMetrics,
}

impl RouteCounters {
    /// Counters of these routes.
    #[must_use]
    pub fn new<S>(routes: &[Route<S>], metrics: &Metrics) -> Self {
        let mut counters = Self {
            fixed: HashMap::new(),
            varying: Vec::new(),
            other: metrics.route(OTHER),
        };
        for route in routes {
            if !route.path.contains('{') {
                counters.fixed.insert(route.path, metrics.route(route.path));
            } else if !counters.varying.iter().any(|(path, _)| *path == route.path) {
                counters
                    .varying
                    .push((route.path, metrics.route(route.path)));
            }
        }
        counters
    }

    /// The counters for a path.
    #[must_use]
    pub fn of(&self, path: &str) -> &RouteMetrics {
        let varying = || {
            self.varying
                .iter()
                .find(|(template, _)| fits(template, path))
        };
        match self.fixed.get(path) {
            Some(fixed) => fixed,
            None => varying().map_or(&self.other, |(_, metrics)| metrics),
        }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (Some(wanted), Some(_)) if wanted.starts_with("{*") => return true,
            (Some(wanted), Some(_)) if wanted.starts_with('{') => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

const OTHER: &str = "other";

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;

    fn routes() -> Vec<Route<()>> {
        vec![
            Route::get("/api/things/{id}", async || "one"),
            Route::delete("/api/things/{id}", async || "gone"),
            Route::get("/api/things", async || "all"),
            Route::post("/oauth2/token", async || "token"),
        ]
    }

    async fn answer(method: Method, path: &str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let response = build(routes(), ()).oneshot(request).await.unwrap();
        let kind = response
            .headers()
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), kind.unwrap_or_default())
    }

    #[tokio::test]
    async fn what_no_row_answers_is_an_error_of_its_family() {
        assert_eq!(answer(Method::GET, "/api/things/1").await.0, 200);
        assert_eq!(answer(Method::HEAD, "/api/things/1").await.0, 200);
        assert_eq!(
            answer(Method::GET, "/api/other").await,
            (404, "application/problem+json".to_owned())
        );
        assert_eq!(
            answer(Method::POST, "/api/things").await,
            (405, "application/problem+json".to_owned())
        );
        assert_eq!(
            answer(Method::GET, "/oauth2/token").await,
            (405, "application/json".to_owned())
        );
        assert_eq!(
            answer(Method::POST, "/oauth2/token/").await,
            (404, "application/json".to_owned())
        );
    }

    #[test]
    fn counters_are_found_by_template() {
        assert!(fits("/api/things/{id}", "/api/things/7"));
        assert!(fits("/log/tile/{*path}", "/log/tile/0/x001/2"));
        for other in ["/api/things", "/api/things/7/x", "/api/thing/7"] {
            assert!(!fits("/api/things/{id}", other), "{other}");
        }
        let metrics = Metrics::new();
        let counters = RouteCounters::new(&routes(), &metrics);
        counters
            .of("/api/things/7")
            .answered(StatusCode::OK, std::time::Duration::ZERO);
        counters
            .of("/nowhere")
            .answered(StatusCode::NOT_FOUND, std::time::Duration::ZERO);
        let text = metrics.text();
        assert!(
            text.contains("route=\"/api/things/{id}\",status=\"2xx\"} 1"),
            "{text}"
        );
        assert!(text.contains("route=\"other\",status=\"4xx\"} 1"), "{text}");
    }
}
