//! Prometheus metrics, under documented names.
//!
//! INVARIANT: a label's values are of a closed set; nothing from a request is ever one.

mod labels;
mod reference;

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::Registry,
};

pub use labels::{
    AlertLabel, DirectionLabel, GrantLabel, JobLabel, JobLabels, OutcomeLabel, ReasonLabel,
    RowsLabel, SinkLabel,
};
pub use reference::markdown;

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<RouteLabels, Counter>,
    durations: Family<RouteLabel, Histogram, Durations>,
    /// Requests that are being answered.
    pub requests_in_flight: Gauge,
    /// Connections that are open.
    pub connections: Gauge,
    /// Requests that took longer than they may.
    pub request_timeouts: Counter,
    /// Handlers that panicked.
    pub panics: Counter,
    /// Refusals, by reason code.
    pub refusals: Family<ReasonLabel, Counter>,
    /// Tokens issued, by grant type.
    pub tokens_issued: Family<GrantLabel, Counter>,
    /// Renewal chains that somebody must look at, by what happened.
    pub renewal_alerts: Family<AlertLabel, Counter>,
    /// Executions whose worker was not heard of any more.
    pub executions_lost: Counter,
    /// Executions that the broker was told of, by what became of it.
    pub executions_published: Family<OutcomeLabel, Counter>,
    /// Seconds that the oldest execution that the broker knows nothing of has waited.
    pub publish_age: Gauge<f64, AtomicU64>,
    /// Whether the broker did what it was last asked for.
    pub broker_connected: Gauge,
    /// Introspections, by whether the token was active.
    pub introspections: Family<OutcomeLabel, Counter>,
    /// Decisions, by whether they allowed.
    pub decisions: Family<OutcomeLabel, Counter>,
    /// Runs of jobs, by how they ended.
    pub job_runs: Family<JobLabels, Counter>,
    /// When a job last succeeded, in seconds since the epoch.
    pub job_last_success: Family<JobLabel, Gauge<f64, AtomicU64>>,
    /// How long turns of jobs took.
    pub job_durations: Family<JobLabel, Histogram, Durations>,
    /// Failures of jobs in a row.
    pub job_failures: Family<JobLabel, Gauge>,
    /// Notifications, by how they ended.
    pub notifications: Family<OutcomeLabel, Counter>,
    /// Notifications that wait to be delivered.
    pub notifications_waiting: Gauge,
    /// Seconds that the oldest of them has waited.
    pub notifications_waiting_age: Gauge<f64, AtomicU64>,
    /// Checkpoints published, by how that ended.
    pub checkpoints_published: Family<OutcomeLabel, Counter>,
    /// How often in a row a sink did not take the newest checkpoint; 0 when it has it.
    pub checkpoint_sink_failures: Family<SinkLabel, Gauge>,
    /// Records whose bodies are in the archive alone.
    pub log_archived: Gauge,
    /// Records in the log.
    pub log_size: Gauge,
    /// Seconds since the newest checkpoint.
    pub log_checkpoint_age: Gauge<f64, AtomicU64>,
    /// Seconds that the oldest record without a place in the log has waited.
    pub log_waiting_age: Gauge<f64, AtomicU64>,
    /// Seconds since the change feed was last read.
    pub feed_age: Gauge<f64, AtomicU64>,
    /// Revocations in memory.
    pub revocations: Gauge,
    /// Rows that the clean-up removed, by what they were.
    pub cleaned_up: Family<RowsLabel, Counter>,
    /// Work that waits for the database, by direction.
    pub store_waiting: Family<DirectionLabel, Gauge>,
    /// Fetches of foreign keys, by how they ended.
    pub key_fetches: Family<OutcomeLabel, Counter>,
}

/// A route and the class of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
    status: &'static str,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

/// The counters of one route, found once so that a request takes no lock to find them.
#[derive(Clone)]
pub struct RouteMetrics {
    /// The route, as the table has it.
    pub route: &'static str,
    classes: [Counter; 5],
    durations: Histogram,
}

/// Makes the histograms of durations.
#[derive(Clone, Debug)]
pub struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(DURATION_BUCKETS)
    }
}

impl Metrics {
    /// Counts from zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            requests: Family::default(),
            durations: Family::new_with_constructor(Durations),
            requests_in_flight: Gauge::default(),
            connections: Gauge::default(),
            request_timeouts: Counter::default(),
            panics: Counter::default(),
            refusals: Family::default(),
            tokens_issued: Family::default(),
            renewal_alerts: Family::default(),
            executions_lost: Counter::default(),
            executions_published: Family::default(),
            publish_age: Gauge::default(),
            broker_connected: Gauge::default(),
            introspections: Family::default(),
            decisions: Family::default(),
            job_runs: Family::default(),
            job_last_success: Family::default(),
            job_durations: Family::new_with_constructor(Durations),
            job_failures: Family::default(),
            notifications: Family::default(),
            notifications_waiting: Gauge::default(),
            notifications_waiting_age: Gauge::default(),
            checkpoints_published: Family::default(),
            checkpoint_sink_failures: Family::default(),
            log_archived: Gauge::default(),
            log_size: Gauge::default(),
            log_checkpoint_age: Gauge::default(),
            log_waiting_age: Gauge::default(),
            feed_age: Gauge::default(),
            revocations: Gauge::default(),
            cleaned_up: Family::default(),
            store_waiting: Family::default(),
            key_fetches: Family::default(),
        };
        metrics.register();
        metrics
    }

    /// The counters of a route.
    #[must_use]
    pub fn route(&self, route: &'static str) -> RouteMetrics {
        let counter = |status| {
            self.requests
                .get_or_create_owned(&RouteLabels { route, status })
        };
        RouteMetrics {
            route,
            classes: STATUS_CLASSES.map(counter),
            durations: self.durations.get_or_create_owned(&RouteLabel { route }),
        }
    }

    /// Everything in the text format of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Gives every family one member: a family without any is not in the text.
    fn touch(&self) {
        let outcome = OutcomeLabel { outcome: "success" };
        drop(self.route("other"));
        drop(self.refusals.get_or_create(&ReasonLabel {
            reason: "not_found",
        }));
        drop(self.tokens_issued.get_or_create(&GrantLabel {
            grant: "client_credentials",
        }));
        drop(
            self.renewal_alerts
                .get_or_create(&AlertLabel { alert: "forked" }),
        );
        for family in [
            &self.executions_published,
            &self.introspections,
            &self.decisions,
            &self.notifications,
            &self.checkpoints_published,
            &self.key_fetches,
        ] {
            drop(family.get_or_create(&outcome));
        }
        drop(self.checkpoint_sink_failures.get_or_create(&SinkLabel {
            sink: "any".to_owned(),
        }));
        drop(self.job_runs.get_or_create(&JobLabels {
            job: "any",
            outcome: "success",
        }));
        drop(
            self.job_last_success
                .get_or_create(&JobLabel { job: "any" }),
        );
        let any = JobLabel { job: "any" };
        drop(self.job_durations.get_or_create(&any));
        drop(self.job_failures.get_or_create(&any));
        drop(self.cleaned_up.get_or_create(&RowsLabel {
            rows: "revocations",
        }));
        drop(
            self.store_waiting
                .get_or_create(&DirectionLabel { direction: "read" }),
        );
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "http_requests",
            "Requests answered, by route and class of status",
            self.requests.clone(),
        );
        r.register(
            "http_request_duration_seconds",
            "From the headers to the answer, by route",
            self.durations.clone(),
        );
        r.register(
            "http_requests_in_flight",
            "Requests being answered",
            self.requests_in_flight.clone(),
        );
        r.register(
            "http_connections",
            "Open connections",
            self.connections.clone(),
        );
        r.register(
            "http_request_timeouts",
            "Requests that took longer than they may",
            self.request_timeouts.clone(),
        );
        r.register("http_panics", "Handlers that panicked", self.panics.clone());
        r.register(
            "refusals",
            "Refusals, by reason code",
            self.refusals.clone(),
        );
        r.register(
            "tokens_issued",
            "Tokens issued, by grant type",
            self.tokens_issued.clone(),
        );
        r.register(
            "renewal_alerts",
            "Renewal chains that somebody must look at: forked, overdue, or a refresh token that was used twice (`reused`)",
            self.renewal_alerts.clone(),
        );
        r.register(
            "executions_lost",
            "Executions whose worker was not heard of any more",
            self.executions_lost.clone(),
        );
        r.register(
            "executions_published",
            "Executions that RabbitMQ was told of: confirmed, waiting (their queue holds messages already), returned, refused or failed",
            self.executions_published.clone(),
        );
        r.register(
            "executions_unpublished_age_seconds",
            "Seconds that the oldest execution has waited of which RabbitMQ knows nothing; 0 without one",
            self.publish_age.clone(),
        );
        r.register(
            "broker_connected",
            "1 when RabbitMQ did what this replica last asked of it",
            self.broker_connected.clone(),
        );
        r.register(
            "introspections",
            "Introspections: active or inactive",
            self.introspections.clone(),
        );
        r.register(
            "decisions",
            "Decisions: allowed or denied",
            self.decisions.clone(),
        );
        r.register(
            "job_runs",
            "Runs of jobs: success or failure",
            self.job_runs.clone(),
        );
        r.register(
            "job_last_success_timestamp_seconds",
            "When a job last succeeded",
            self.job_last_success.clone(),
        );
        r.register(
            "job_duration_seconds",
            "How long a turn of a job took, all of its steps together",
            self.job_durations.clone(),
        );
        r.register(
            "job_failures",
            "Failures of a job in a row; 0 once it has succeeded",
            self.job_failures.clone(),
        );
        r.register(
            "notifications",
            "Notifications: delivered, retried or given_up",
            self.notifications.clone(),
        );
        r.register(
            "notifications_waiting",
            "Notifications that wait to be delivered",
            self.notifications_waiting.clone(),
        );
        r.register(
            "notifications_waiting_age_seconds",
            "Age of the oldest notification that waits; 0 when none does",
            self.notifications_waiting_age.clone(),
        );
        r.register(
            "checkpoints_published",
            "Checkpoints published: success or failure",
            self.checkpoints_published.clone(),
        );
        r.register(
            "checkpoint_sink_failures",
            "Failures in a row of a place where checkpoints go; 0 when it has the newest",
            self.checkpoint_sink_failures.clone(),
        );
        r.register(
            "log_archived",
            "Records whose bodies are in the archive alone",
            self.log_archived.clone(),
        );
        r.register("log_size", "Records in the log", self.log_size.clone());
        r.register(
            "log_checkpoint_age_seconds",
            "Age of the newest checkpoint",
            self.log_checkpoint_age.clone(),
        );
        r.register(
            "log_waiting_age_seconds",
            "Age of the oldest record without a place in the log; `countersign doctor` names what holds it",
            self.log_waiting_age.clone(),
        );
        r.register(
            "feed_age_seconds",
            "Age of what this replica knows of changes",
            self.feed_age.clone(),
        );
        r.register(
            "revocations",
            "Revocations in memory",
            self.revocations.clone(),
        );
        r.register(
            "cleaned_up",
            "Rows removed by the clean-up, by what they were",
            self.cleaned_up.clone(),
        );
        r.register(
            "store_waiting",
            "Units of work waiting for the database: read or write",
            self.store_waiting.clone(),
        );
        r.register(
            "key_fetches",
            "Fetches of foreign keys: success or failure",
            self.key_fetches.clone(),
        );
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl RouteMetrics {
    /// Counts an answer.
    pub fn answered(&self, status: http::StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.classes.get(class) {
            counter.inc();
        }
        self.durations.observe(took.as_secs_f64());
    }
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RouteMetrics({})", self.route)
    }
}

const PREFIX: &str = "countersign";
const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// From an answer out of memory to one that waited for a slow disk.
const DURATION_BUCKETS: [f64; 12] = [
    0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0,
];
