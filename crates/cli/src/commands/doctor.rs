//! `doctor`: what is wrong here, and what to do about it.

use std::path::PathBuf;

use clap::Args;
use countersign_api::Client;
use countersign_model::Timestamp;
use countersign_server::{admin, clock::Clock, config};
use serde::Serialize;

use crate::{app::App, clock, failure::Failure, log_folder::LogTrust, out::Tone, view::plain};

/// Look for what is wrong: configuration, data directory, server, clock, sign-in, log
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign doctor --config countersign.toml")]
pub struct Doctor {
    /// The server's configuration file, to look at it and at its data directory too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's data directory, to look at it too
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What one look found.
#[derive(Debug, Serialize)]
struct Finding {
    /// `good`, `look` or `bad`.
    level: &'static str,
    /// What was looked at.
    what: &'static str,
    /// What was found, and what to do.
    detail: String,
}

/// How far two clocks may be apart before tokens of one are refused by the other.
const SKEW_SECONDS: i64 = 30;

/// How long a record may wait for its place in the log: ten times as long as it does.
const WAITING_SECONDS: f64 = 10.0;

impl Doctor {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let mut findings = Vec::new();
        if (self.config.is_some() || self.data.is_some())
            && let Some(config) = self.configuration(&mut findings)
        {
            held(&config, &mut findings).await;
            broker(&config, &mut findings).await;
        }
        self.server(app, &mut findings).await;
        app.out.data(&findings, |_| {
            let line = |finding: &Finding| {
                let mark = match finding.level {
                    "good" => app.out.tint("good", Tone::Added),
                    "look" => app.out.tint("look", Tone::Changed),
                    _ => app.out.tint("bad ", Tone::Removed),
                };
                format!("{mark}  {:14}  {}", finding.what, plain(&finding.detail))
            };
            findings.iter().map(line).collect::<Vec<_>>().join("\n")
        })?;
        match findings
            .iter()
            .filter(|finding| finding.level == "bad")
            .count()
        {
            0 => Ok(()),
            bad => Err(Failure::failed(format!(
                "{bad} of the above must be mended"
            ))),
        }
    }

    fn configuration(&self, findings: &mut Vec<Finding>) -> Option<config::Config> {
        let data = self
            .data
            .as_ref()
            .map(|data| ("data.dir", data.display().to_string()));
        let loaded = config::load(
            self.config.as_deref(),
            std::env::vars(),
            &Vec::from_iter(data),
        );
        let config = match loaded {
            Ok(config) => config,
            Err(error) => {
                findings.push(bad("configuration", error.to_string()));
                return None;
            }
        };
        let wrong = config::check::check(&config);
        findings.extend(wrong.iter().map(|finding| match finding.level {
            config::check::Level::Error => bad(
                "configuration",
                format!("{}: {}", finding.key, finding.detail),
            ),
            config::check::Level::Warning => look(
                "configuration",
                format!("{}: {}", finding.key, finding.detail),
            ),
        }));
        if wrong.is_empty() {
            findings.push(good("configuration", "nothing is wrong with it"));
        }
        let directory = config.data_directory();
        findings.push(match std::fs::metadata(&directory) {
            Ok(found) if !found.is_dir() => bad(
                "data",
                format!("`{}` is not a directory", directory.display()),
            ),
            Ok(found) => open_to_others(&found, 0o077).map_or_else(
                || {
                    good(
                        "data",
                        format!(
                            "`{}` is there, and nobody else can look into it",
                            directory.display()
                        ),
                    )
                },
                |mode| {
                    look(
                        "data",
                        format!(
                            "`{}` is open to others ({mode:o}): make it 0700",
                            directory.display()
                        ),
                    )
                },
            ),
            Err(error) => look(
                "data",
                format!(
                    "`{}`: {error}; the first start makes it",
                    directory.display()
                ),
            ),
        });
        findings.push(archive(&config));
        let key = config.key_file();
        if let Ok(found) = std::fs::metadata(&key) {
            findings.push(open_to_others(&found, 0o077).map_or_else(
                || {
                    good(
                        "key file",
                        format!("only its owner can read `{}`", key.display()),
                    )
                },
                |mode| {
                    bad(
                        "key file",
                        format!(
                            "`{}` can be read by others ({mode:o}): make it 0600",
                            key.display()
                        ),
                    )
                },
            ));
        }
        Some(config)
    }

    async fn server(&self, app: &App, findings: &mut Vec<Finding>) {
        let base = app.base();
        let ready = async {
            reqwest::Client::builder()
                .timeout(countersign_api::client::TIMEOUT)
                .build()?
                .get(format!("{base}/readyz"))
                .send()
                .await
        };
        let response = match ready.await {
            Ok(response) => response,
            Err(error) => {
                return findings.push(bad(
                    "server",
                    format!("cannot reach {base}: {}", error.without_url()),
                ));
            }
        };
        let status = response.status();
        let date = response
            .headers()
            .get("date")
            .and_then(|date| date.to_str().ok())
            .and_then(http_date);
        let body = response.text().await.unwrap_or_default();
        findings.push(match status.is_success() {
            true => good("server", format!("{base} is ready")),
            false => bad(
                "server",
                format!(
                    "{base} is not ready ({status}): {}",
                    body.chars().take(200).collect::<String>()
                ),
            ),
        });
        if let Some(date) = date {
            let apart = (clock::now().seconds() - date.seconds()).abs();
            findings.push(if apart > SKEW_SECONDS {
                bad(
                    "clock",
                    format!("this machine and the server are {apart} s apart: synchronise both"),
                )
            } else {
                good("clock", "this machine and the server agree")
            });
        }
        measured(&base, findings).await;
        self.sign_in(app, &base, findings).await;
    }

    async fn sign_in(&self, app: &App, base: &str, findings: &mut Vec<Finding>) {
        let client = match app.client() {
            Ok(client) => client,
            Err(failure) => return findings.push(look("sign-in", failure.what)),
        };
        findings.push(match client.current_session(&()).await {
            Ok(session) => good(
                "sign-in",
                format!("as {} until {}", session.name, session.expires_at),
            ),
            Err(error) => bad("sign-in", error.to_string()),
        });
        log(app, &client, base, findings).await;
    }
}

/// Whether a transaction that stays open in the shared database holds the log: its connection is named, for the
/// database's administrator to end it.
async fn held(config: &config::Config, findings: &mut Vec<Finding>) {
    match admin::log_held(config, &Clock::system()).await {
        Ok(None) if config.data.database.is_none() => {}
        Ok(None) => findings.push(good("transactions", "none holds the log")),
        Ok(Some(waiting)) => {
            let holder = waiting.holder.map(|holder| holder.to_string());
            findings.push(bad(
                "transactions",
                format!(
                    "records since {} wait for their place in the log, held by {}: let it end, or end it with \
                     `SELECT pg_terminate_backend(PID)`",
                    waiting.since,
                    holder.unwrap_or_default()
                ),
            ));
        }
        Err(error) => findings.push(bad("transactions", format!("{error:#}"))),
    }
}

/// Whether the broker takes this server's connection.
async fn broker(config: &config::Config, findings: &mut Vec<Finding>) {
    let Some(Ok(broker)) = config.automation.broker() else {
        return;
    };
    findings.push(match broker.connect("countersign doctor").await {
        Ok(_) => good("broker", format!("{broker} takes our user")),
        Err(error) => bad(
            "broker",
            format!("{broker}: {error}; executions wait in the database until it is mended"),
        ),
    });
}

/// Whether the log goes on, and checkpoints reach every place outside the database, as the server's metrics say.
async fn measured(base: &str, findings: &mut Vec<Finding>) {
    let metrics = async {
        reqwest::Client::builder()
            .timeout(countersign_api::client::TIMEOUT)
            .build()?
            .get(format!("{base}/metrics"))
            .send()
            .await?
            .text()
            .await
    };
    // Whoever hides the metrics from this machine looks at them elsewhere.
    let metrics = metrics.await.unwrap_or_default();
    findings.extend(waiting(&metrics));
    let failing = failing_sinks(&metrics);
    if let Some(failing) = failing {
        findings.push(match failing.as_slice() {
            [] => good("checkpoints", "every place in `log.publish` has the newest"),
            failing => bad(
                "checkpoints",
                format!(
                    "they do not reach {}: the server's messages say why",
                    failing.join(", ")
                ),
            ),
        });
    }
}

/// Whether what is recorded gets its place in the log soon enough; nothing when the metrics do not say.
fn waiting(metrics: &str) -> Option<Finding> {
    let age = metrics
        .lines()
        .find_map(|line| line.strip_prefix("countersign_log_waiting_age_seconds "))?;
    let seconds: f64 = age.trim().parse().ok()?;
    Some(if seconds <= WAITING_SECONDS {
        good("sequencer", "what is recorded gets its place in the log")
    } else {
        bad(
            "sequencer",
            format!(
                "the oldest record without a place in the log has waited {seconds:.0} s: \
                 `countersign doctor --config FILE`, with the server's configuration, names what holds it, and so do \
                 the server's messages"
            ),
        )
    })
}

/// The sinks that failed the last time, of those that the metrics name; nothing when they name none.
fn failing_sinks(metrics: &str) -> Option<Vec<String>> {
    let sinks: Vec<(&str, u64)> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("countersign_checkpoint_sink_failures{sink=\""))
        .filter_map(|line| line.split_once("\"} "))
        // The family's first member, there before any sink is.
        .filter(|(sink, _)| *sink != "any")
        .filter_map(|(sink, count)| Some((sink, count.trim().parse().ok()?)))
        .collect();
    let failing = sinks
        .iter()
        .filter(|(_, failures)| *failures > 0)
        .map(|(sink, failures)| format!("`{sink}` ({failures} failures in a row)"));
    (!sinks.is_empty()).then(|| failing.collect())
}

/// Where the bodies of old records go.
fn archive(config: &config::Config) -> Finding {
    let Some(directory) = config.archive_directory() else {
        return look(
            "archive",
            "bodies of old records stay in the database: set `log.archive.directory` to a directory that every server shares",
        );
    };
    let days = config.log.archive.keep_days;
    if directory.is_dir() || config.log.archive.directory.is_none() {
        return good(
            "archive",
            format!(
                "bodies older than {days} days go to `{}`",
                directory.display()
            ),
        );
    }
    bad(
        "archive",
        format!(
            "`{}` is not a directory; is it mounted?",
            directory.display()
        ),
    )
}

async fn log(app: &App, client: &Client, base: &str, findings: &mut Vec<Finding>) {
    let trust = match LogTrust::of(app, None, Some(base)) {
        Ok(trust) => trust,
        Err(failure) => return findings.push(look("log", failure.what)),
    };
    let note = match client.checkpoint().await {
        Ok(note) => note,
        Err(error) => return findings.push(look("log", format!("no checkpoint: {error}"))),
    };
    findings.push(match trust.verify(&note) {
        Ok(head) => good(
            "log",
            format!("{} entries, signed with the pinned key", head.size()),
        ),
        Err(what) => bad(
            "log",
            format!("the checkpoint is not the log's own: {what}"),
        ),
    });
}

/// The mode, when any of these bits is set.
fn open_to_others(found: &std::fs::Metadata, bits: u32) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = found.permissions().mode() & 0o777;
        (mode & bits != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = (found, bits);
        None
    }
}

/// The instant of an HTTP `Date` (RFC 9110 §5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Timestamp::from_seconds(zoned.timestamp().as_second()))
}

fn good(what: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        level: "good",
        what,
        detail: detail.into(),
    }
}

fn look(what: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        level: "look",
        what,
        detail: detail.into(),
    }
}

fn bad(what: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        level: "bad",
        what,
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_that_fails_is_named() {
        let metrics = "countersign_checkpoint_sink_failures{sink=\"1 directory\"} 0\n\
                       countersign_checkpoint_sink_failures{sink=\"2 url\"} 5\n";
        assert_eq!(
            failing_sinks(metrics),
            Some(vec!["`2 url` (5 failures in a row)".to_owned()])
        );
        assert_eq!(
            failing_sinks(&metrics.replace(" 5", " 0")),
            Some(Vec::new())
        );
        assert_eq!(failing_sinks("countersign_log_size 7\n"), None);
    }

    #[test]
    fn a_log_that_stands_still_is_said() {
        let level = |text: &str| waiting(text).map(|finding| finding.level);
        assert_eq!(
            level("countersign_log_waiting_age_seconds 0.4\n"),
            Some("good")
        );
        assert_eq!(
            level("countersign_log_waiting_age_seconds 95.1\n"),
            Some("bad")
        );
        assert_eq!(level("countersign_log_size 7\n"), None);
    }

    #[test]
    fn where_old_bodies_go_is_said() {
        let mut config = config::Config::default();
        assert_eq!(archive(&config).level, "good");
        config.data.database = Some(countersign_crypto::Secret::new(
            "postgres://db/x".to_owned(),
        ));
        assert!(
            archive(&config)
                .detail
                .contains("set `log.archive.directory`")
        );
        config.log.archive.directory = Some(PathBuf::from("/nonexistent/share"));
        assert_eq!(archive(&config).level, "bad");
    }

    #[test]
    fn the_date_of_a_server_is_understood() {
        let date = http_date("Sun, 22 Nov 2026 09:00:00 GMT");
        assert_eq!(date, Some(Timestamp::from_seconds(1_795_338_000)));
        assert_eq!(http_date("yesterday"), None);
    }
}
