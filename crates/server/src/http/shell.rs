//! What surrounds every request: one thin function, no stack of layers.
//!
//! It refuses paths with two spellings, decides where the request comes from and which tenant it
//! addresses, gives it an id, bounds its time, turns a panic into a fault, counts, and sets the headers
//! that every answer has.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::Poll,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
};
use countersign_crypto::certificate::ClientCertificate;
use countersign_model::name::TenantName;
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Sleep, sleep};
use tower::Service as _;

use crate::{
    config::{Cidr, ClientCertificates},
    http::{
        client_address::{Origin, origin},
        client_certificate::{self, Peer},
        context::{REQUEST_ID, RequestContext},
        oauth_error::OauthFailure,
        path,
        problem::Failure,
        refused::RefusedFor,
        router::{RouteCounters, is_oauth, refuse},
    },
    metrics::{Metrics, ReasonLabel},
    telemetry::{current_request, in_request, trace_context::TraceContext},
};

/// The router and what surrounds it. Clones share it.
#[derive(Clone)]
pub struct Shell(Arc<Inner>);

struct Inner {
    router: Router,
    counters: RouteCounters,
    metrics: Arc<Metrics>,
    settings: ShellSettings,
}

/// How the shell is set up.
#[derive(Debug, Clone)]
pub struct ShellSettings {
    /// The issuer of the first tenant.
    pub issuer: String,
    /// Whose forwarded headers count.
    pub proxies: Vec<Cidr>,
    /// Where certificates of clients come from.
    pub client_certificates: ClientCertificates,
    /// The longest a request may take.
    pub timeout: Duration,
}

impl ShellSettings {
    /// The path of the issuer, without an end `/`; mostly empty.
    fn base_path(&self) -> &str {
        let after_scheme = self.issuer.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme
            .find('/')
            .and_then(|start| after_scheme.get(start..))
            .unwrap_or_default()
    }

    fn is_secure(&self) -> bool {
        self.issuer.starts_with("https://")
    }
}

impl Shell {
    /// Surrounds a router.
    #[must_use]
    pub fn new(
        router: Router,
        counters: RouteCounters,
        metrics: Arc<Metrics>,
        settings: ShellSettings,
    ) -> Self {
        Self(Arc::new(Inner {
            router,
            counters,
            metrics,
            settings,
        }))
    }

    /// The metrics that it counts with.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Answers a request of this peer.
    pub async fn answer(&self, peer: &Peer, mut request: Request<Body>) -> Response {
        let inner = &*self.0;
        let arrived = Instant::now();
        let settings = &inner.settings;
        let origin = origin(
            peer.address,
            peer.encrypted,
            request.headers(),
            &settings.proxies,
        );
        let certificate = client_certificate::shown(
            peer,
            request.headers(),
            settings.client_certificates,
            &settings.proxies,
        );
        let placed = place(&mut request, inner.settings.base_path());
        let context = Arc::new(context(
            &request,
            origin,
            certificate,
            placed.as_ref().ok().cloned().flatten(),
            arrived,
        ));
        let counters = inner.counters.of(request.uri().path());
        let in_flight = InFlight::new(&inner.metrics.requests_in_flight);
        let answer = async {
            match placed {
                Ok(_) => {
                    request.extensions_mut().insert(Arc::clone(&context));
                    self.route(request, &context, counters.route).await
                }
                Err(refusal) => *refusal,
            }
        };
        let mut response = in_request(Arc::clone(&context), answer).await;
        drop(in_flight);
        counters.answered(response.status(), arrived.elapsed());
        if let Some(RefusedFor { refusal, count, .. }) = response.extensions().get() {
            inner
                .metrics
                .refusals
                .get_or_create(&ReasonLabel {
                    reason: refusal.reason.as_str(),
                })
                .inc_by(*count);
        }
        self.finish(&context, &mut response);
        log_answer(counters.route, &context, response.status());
        response
    }

    /// Runs the handler within its time, and survives its panic. What it refuses to a caller who proved
    /// who they are is recorded before it is told.
    async fn route(
        &self,
        request: Request<Body>,
        context: &RequestContext,
        route: &'static str,
    ) -> Response {
        let inner = &*self.0;
        let mut router = inner.router.clone();
        let (method, oauth) = (request.method().clone(), is_oauth(request.uri().path()));
        let handler = async {
            let Ok(response) = router.call(request).await;
            match context.admitted.get() {
                Some(admitted) => admitted.answered(&method, route, response).await,
                None => response,
            }
        };
        match bounded(inner.settings.timeout, handler).await {
            Ended::Answered(response) => response,
            Ended::Panicked => {
                // The panic hook has logged the place.
                inner.metrics.panics.inc();
                if oauth {
                    oauth_fault()
                } else {
                    Failure::internal().into_response()
                }
            }
            Ended::Late => {
                inner.metrics.request_timeouts.inc();
                tracing::warn!("a request took longer than it may");
                let detail = "the request took longer than it may: try again";
                if oauth {
                    OauthFailure::unavailable(detail, 1).into_response()
                } else {
                    Failure::unavailable(detail, 1).into_response()
                }
            }
        }
    }

    fn finish(&self, context: &RequestContext, response: &mut Response) {
        let settings = &self.0.settings;
        let status = response.status();
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&context.id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(trace) = &context.trace
            && let Ok(value) = HeaderValue::from_str(&trace.header())
        {
            headers.insert(TRACEPARENT, value);
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        let json = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/"));
        if !json {
            headers
                .entry(header::CONTENT_SECURITY_POLICY)
                .or_insert(HeaderValue::from_static(NOTHING_LOADS));
            headers
                .entry(header::REFERRER_POLICY)
                .or_insert(HeaderValue::from_static("no-referrer"));
            headers
                .entry(header::X_FRAME_OPTIONS)
                .or_insert(HeaderValue::from_static("DENY"));
        }
        if settings.is_secure() {
            headers.insert(
                header::STRICT_TRANSPORT_SECURITY,
                HeaderValue::from_static(TWO_YEARS),
            );
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            point_to_metadata(settings, context, headers);
        }
    }
}

/// One line for each answer, for who looks for it. The route, never the path: a path may hold a name.
fn log_answer(route: &'static str, context: &Arc<RequestContext>, status: StatusCode) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let status = status.as_u16();
    let micros = u64::try_from(context.arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(
        http.route = route,
        http.status = u64::from(status),
        duration.micros = micros,
        request.id = context.id.as_str(),
        "answered {status} at {route}"
    );
}

/// Says where the metadata of this resource are (RFC 9728 §5.1), which names the issuer to ask.
fn point_to_metadata(
    settings: &ShellSettings,
    context: &RequestContext,
    headers: &mut http::HeaderMap,
) {
    let Some(challenge) = headers
        .get(header::WWW_AUTHENTICATE)
        .and_then(|value| value.to_str().ok())
    else {
        return;
    };
    if !challenge.starts_with("Bearer") && !challenge.starts_with("DPoP") {
        return;
    }
    let separator = if challenge == "Bearer" { " " } else { ", " };
    let base = settings.base_path();
    let root = settings
        .issuer
        .strip_suffix(base)
        .unwrap_or(&settings.issuer);
    let tenant = context
        .tenant
        .as_ref()
        .map(|name| format!("/t/{name}"))
        .unwrap_or_default();
    let full = format!(
        "{challenge}{separator}resource_metadata=\"{root}{PROTECTED_RESOURCE}{base}{tenant}\""
    );
    if let Ok(value) = HeaderValue::from_str(&full) {
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
}

/// Refuses a path with two spellings; takes base path and tenant off the rest.
fn place(request: &mut Request<Body>, base: &str) -> Result<Option<TenantName>, Box<Response>> {
    let path = request.uri().path();
    if !path::is_canonical(path) {
        let detail = "the path has another spelling: no `//`, no dot segments, no escapes of plain characters";
        return Err(Box::new(refuse(
            path,
            StatusCode::BAD_REQUEST,
            "bad_request",
            detail,
        )));
    }
    let Some(place) = path::place(base, path) else {
        return Err(Box::new(refuse(
            path,
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing here",
        )));
    };
    let is_root = matches!(place.path.as_deref(), Some("" | "/"));
    if is_root && !path.ends_with('/') {
        return Err(Box::new(to_folder(path)));
    }
    if let Some(path) = place.path {
        let query = request
            .uri()
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        match Uri::try_from(format!("{path}{query}")) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => {
                return Err(Box::new(refuse(
                    &path,
                    StatusCode::NOT_FOUND,
                    "not_found",
                    "there is nothing here",
                )));
            }
        }
    }
    Ok(place.tenant)
}

/// The address of an issuer that has a path is that of its console too, whose files lie below it.
fn to_folder(path: &str) -> Response {
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("{path}/")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

fn context(
    request: &Request<Body>,
    origin: Origin,
    certificate: Option<Arc<ClientCertificate>>,
    tenant: Option<TenantName>,
    arrived: Instant,
) -> RequestContext {
    let headers = request.headers();
    RequestContext {
        id: RequestContext::id_of(headers),
        trace: headers
            .get(TRACEPARENT)
            .and_then(|value| TraceContext::from_header(value.as_bytes())),
        address: origin.address,
        encrypted: origin.encrypted,
        certificate,
        tenant,
        arrived,
        admitted: OnceLock::new(),
    }
}

fn oauth_fault() -> Response {
    let id = current_request().map(|request| request.id.clone());
    OauthFailure::server_error(id.as_deref()).into_response()
}

/// Counts a request until it is answered, or its connection goes away.
struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How a handler ended.
enum Ended<T> {
    Answered(T),
    Late,
    Panicked,
}

/// Polls the handler until it answers, panics or is late. The timer is made only for a handler that waits:
/// one that answers out of memory costs none.
async fn bounded<F: Future>(time: Duration, handler: F) -> Ended<F::Output> {
    let mut handler = pin!(handler);
    let mut alarm: Option<Pin<Box<Sleep>>> = None;
    poll_fn(move |context| {
        // INVARIANT: after a panic the handler is dropped, never polled again.
        match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => return Poll::Ready(Ended::Answered(output)),
            Ok(Poll::Pending) => {}
            Err(_) => return Poll::Ready(Ended::Panicked),
        }
        let alarm = alarm.get_or_insert_with(|| Box::pin(sleep(time)));
        alarm.as_mut().poll(context).map(|()| Ended::Late)
    })
    .await
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const NOTHING_LOADS: &str = "default-src 'none'; frame-ancestors 'none'";
const TWO_YEARS: &str = "max-age=63072000; includeSubDomains";

#[cfg(test)]
mod tests;
