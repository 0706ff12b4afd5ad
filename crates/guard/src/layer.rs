//! A tower layer: nothing reaches the service behind it that the guard does not let through.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use countersign_model::evidence::Outcome;
use http::{StatusCode, request::Parts};
use tower::{Layer, Service};

use crate::{
    authorized::Authorized,
    challenge::bearer_token,
    error::GuardError,
    guard::Guard,
    presented::{PeerCertificate, Presented},
    request::{InvalidRequest, Request},
};

/// Says what an HTTP request is about to do: a closure over its head, or a fixed [`Request`].
///
/// Read nothing here from where the caller is free to lie about what the service will then do: the
/// service must act on the same values.
pub trait Describe {
    /// What is about to be done.
    ///
    /// # Errors
    /// When the request does not say it as it should. It is answered with 400.
    fn describe(&self, head: &Parts) -> Result<Request, InvalidRequest>;
}

impl Describe for Request {
    fn describe(&self, _: &Parts) -> Result<Request, InvalidRequest> {
        Ok(self.clone())
    }
}

impl<F: Fn(&Parts) -> Result<Request, InvalidRequest>> Describe for F {
    fn describe(&self, head: &Parts) -> Result<Request, InvalidRequest> {
        self(head)
    }
}

/// Puts a guard before a service. The service finds an [`Authorized`] in the request's extensions.
///
/// When the service has answered without a report of its own, its status is reported: below 400 as
/// done, else as failed; a request that ends without an answer as failed too.
#[derive(Debug, Clone)]
pub struct GuardLayer<D> {
    guard: Guard,
    describe: D,
    reports_status: bool,
}

/// A service behind a guard.
#[derive(Debug, Clone)]
pub struct GuardService<S, D> {
    service: S,
    layer: GuardLayer<D>,
}

impl<D: Describe> GuardLayer<D> {
    /// A layer that asks for what `describe` says.
    #[must_use]
    pub const fn new(guard: Guard, describe: D) -> Self {
        Self {
            guard,
            describe,
            reports_status: true,
        }
    }

    /// Leave every report to the service: for one that answers before it has done the work.
    #[must_use]
    pub fn without_status_reports(self) -> Self {
        Self {
            reports_status: false,
            ..self
        }
    }

    async fn admit(&self, head: &Parts) -> Result<Authorized, (GuardError, Option<Request>)> {
        // Who has no token learns nothing of what the service expects.
        let url = self.guard.public_url();
        let url = url.map(|url| format!("{url}{}", head.uri.path()));
        let presented = match &url {
            Some(url) => Presented::of_request(&head.headers, &head.method, url),
            None => bearer_token(&head.headers).map(Presented::bearer),
        };
        let mut presented = presented.map_err(|error| (error, None))?;
        if let Some(certificate) = head.extensions.get::<PeerCertificate>() {
            presented = presented.with_certificate(*certificate);
        }
        let request = self.describe.describe(head);
        let request = request.map_err(|error| (error.into(), None))?;
        let authorized = self.guard.authorize(presented, request.clone()).await;
        authorized.map_err(|error| (error, Some(request)))
    }
}

impl<S, D: Clone> Layer<S> for GuardLayer<D> {
    type Service = GuardService<S, D>;

    fn layer(&self, service: S) -> Self::Service {
        GuardService {
            service,
            layer: self.clone(),
        }
    }
}

impl<S, D, B, R> Service<http::Request<B>> for GuardService<S, D>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    D: Describe + Clone + Send + Sync + 'static,
    B: Send + 'static,
    R: From<String>,
{
    type Response = http::Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        // The one that was polled ready goes along; its clone stays to be polled.
        let clone = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let authorized = match layer.admit(&head).await {
                Ok(authorized) => authorized,
                Err((error, request)) => {
                    let action = request.as_ref().map(|request| &request.action);
                    return Ok(error.response(action, layer.guard.resource_metadata()));
                }
            };
            let ending = layer
                .reports_status
                .then(|| Ending(Some(authorized.clone())));
            head.extensions.insert(authorized);
            let answer = service.call(http::Request::from_parts(head, body)).await;
            if let (Some(ending), Ok(response)) = (ending, &answer) {
                ending.answered(response.status());
            }
            answer
        })
    }
}

/// Reports how a request ended when nobody else did. Dropped, it was without an answer.
struct Ending(Option<Authorized>);

impl Ending {
    fn answered(mut self, status: StatusCode) {
        let Some(authorized) = self.0.take().filter(|authorized| !authorized.is_reported()) else {
            return;
        };
        if status.as_u16() < 400 {
            authorized.report(Outcome::Done, None);
        } else {
            let detail = format!("answered {}", status.as_u16());
            authorized.report(Outcome::Failed, Some(&detail));
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(authorized) = self.0.take().filter(|authorized| !authorized.is_reported()) {
            authorized.report(Outcome::Failed, Some("ended without an answer"));
        }
    }
}
