//! Logs and trace context.
//!
//! One line for each event on standard error: text on a terminal, JSON elsewhere. A line carries the
//! id of the request that it belongs to. INVARIANT: no token, secret, body, query string or personal
//! value is ever an argument of a log macro; libraries speak at `warn` and above alone, because what
//! they say in detail is not under our control.

mod format;
pub mod trace_context;

use std::{io::IsTerminal as _, sync::Arc};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    config::{LogFormat, LoggingConfig},
    http::context::RequestContext,
};

tokio::task_local! {
    static REQUEST: Arc<RequestContext>;
}

/// Starts logging. A second call in one process does nothing: the first one stays.
pub fn start(config: &LoggingConfig) {
    let terminal = std::io::stderr().is_terminal();
    let format = config.format.unwrap_or(if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let colour = terminal && std::env::var_os("NO_COLOR").is_none();
    let lines = format::Lines { format, colour };
    let _ = subscriber(lines, &config.level, std::io::stderr).try_init();
}

fn subscriber<W>(
    lines: format::Lines,
    level: &str,
    writer: W,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    let filter = Targets::new()
        .with_target(OUR_TARGETS, level)
        // A connection that ends is told where it is handled, once.
        .with_target("lapin", LevelFilter::OFF)
        .with_default(LIBRARIES);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .event_format(lines);
    tracing_subscriber::registry().with(layer).with(filter)
}

/// Makes a panic one line of the log. Its message may hold a value, so only the place is told.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.place = %place, "panic at {place}");
    }));
}

/// Runs a request's future so that its log lines and error answers carry its id.
pub fn in_request<F: Future>(
    context: Arc<RequestContext>,
    future: F,
) -> impl Future<Output = F::Output> {
    REQUEST.scope(context, future)
}

/// The request that this task works for.
#[must_use]
pub fn current_request() -> Option<Arc<RequestContext>> {
    REQUEST.try_with(Arc::clone).ok()
}

/// How the names of our crates begin.
const OUR_TARGETS: &str = "countersign";
const LIBRARIES: LevelFilter = LevelFilter::WARN;

#[cfg(test)]
#[path = "telemetry/tests.rs"]
mod tests;
