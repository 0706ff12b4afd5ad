//! Where the server connects to: private networks, checkpoints, webhooks.

use countersign_model::notice::EMAIL;
use url::Url;

use super::{Finding, error, host_is_loopback, warning};
use crate::config::{
    Config, PublishConfig, WebhookForm,
    cidr::{LINK_LOCAL, LOOPBACK},
};

pub(super) fn networks(config: &Config, findings: &mut Vec<Finding>) {
    for network in &config.federation.private_networks {
        if network.is_everything() {
            error(
                findings,
                "federation.private_networks",
                format!("`{network}` would open every network"),
            );
        } else if LINK_LOCAL.iter().any(|closed| closed.overlaps(network)) {
            error(
                findings,
                "federation.private_networks",
                format!(
                    "`{network}` holds link-local addresses, where clouds keep their credentials"
                ),
            );
        } else if LOOPBACK.iter().any(|closed| closed.overlaps(network)) {
            error(
                findings,
                "federation.private_networks",
                format!("`{network}` holds loopback: that is `federation.allow_loopback_issuers`"),
            );
        }
    }
}

pub(super) fn publish(config: &Config, findings: &mut Vec<Finding>) {
    for target in &config.log.publish {
        match target {
            PublishConfig::Command(command) if command.command.is_empty() => {
                error(
                    findings,
                    "log.publish",
                    "a command names at least its program",
                );
            }
            PublishConfig::Url(target) if !is_web_url(&target.url, config) => {
                error(findings, "log.publish", WEB_URL);
            }
            PublishConfig::Command(_) | PublishConfig::Directory(_) | PublishConfig::Url(_) => {}
        }
    }
    let data = config.data_directory();
    let outside = |target: &PublishConfig| match target {
        PublishConfig::Directory(target) => !target.directory.starts_with(&data),
        PublishConfig::Command(_) | PublishConfig::Url(_) => true,
    };
    if !config.log.publish.iter().any(outside) {
        warning(
            findings,
            "log.publish",
            "checkpoints go to the data directory alone, and who can change the data can change them too: set `log.publish` to \
             another machine before production",
        );
    }
}

pub(super) fn archive(config: &Config, findings: &mut Vec<Finding>) {
    if config.log.archive.keep_days < SHORTEST_KEPT_DAYS {
        error(
            findings,
            "log.archive.keep_days",
            format!("at least {SHORTEST_KEPT_DAYS}: what is younger is still asked for"),
        );
    }
    if let Some(directory) = &config.log.archive.directory
        && !directory.is_dir()
    {
        warning(
            findings,
            "log.archive.directory",
            format!(
                "`{}` is not a directory: bodies that are there show as gaps until it is mounted",
                directory.display()
            ),
        );
    }
}

pub(super) fn webhooks(config: &Config, findings: &mut Vec<Finding>) {
    if config.notify.webhooks.len() > MOST_WEBHOOKS {
        error(
            findings,
            "notify.webhooks",
            format!("at most {MOST_WEBHOOKS}: a message goes to all of them at once"),
        );
    }
    let mut names: Vec<&str> = Vec::new();
    for name in config
        .notify
        .webhooks
        .iter()
        .filter_map(|one| one.name.as_ref())
    {
        if name.as_str() == EMAIL || names.contains(&name.as_str()) {
            let what = format!(
                "`{}` is no name for a webhook: it means another channel",
                name.as_str()
            );
            error(findings, "notify.webhooks", what);
        }
        names.push(name.as_str());
    }
    for webhook in &config.notify.webhooks {
        if !is_web_url(webhook.url.expose(), config) {
            error(findings, "notify.webhooks", WEB_URL);
        }
        match (webhook.form, &webhook.secret) {
            (WebhookForm::CloudEvents | WebhookForm::Standard, None) => {
                error(
                    findings,
                    "notify.webhooks",
                    "the standard form is signed: it needs `secret`",
                );
            }
            (WebhookForm::CloudEvents | WebhookForm::Standard, Some(secret)) => {
                if let Err(invalid) =
                    countersign_crypto::webhook::WebhookSecret::parse(secret.expose())
                {
                    error(findings, "notify.webhooks", invalid.to_string());
                }
            }
            (WebhookForm::Slack, _) => {}
        }
    }
}

pub(super) fn smtp(config: &Config, findings: &mut Vec<Finding>) {
    let smtp = &config.notify.smtp;
    if smtp.url.is_none() {
        return;
    }
    if let Err(invalid) = crate::notify::email::Mailer::new(smtp) {
        error(findings, "notify.smtp", invalid.to_string());
    }
}

fn is_web_url(text: &str, config: &Config) -> bool {
    let loopback = config.federation.allow_loopback_issuers;
    Url::parse(text).is_ok_and(|url| {
        let secure = url.scheme() == "https"
            || (url.scheme() == "http" && loopback && host_is_loopback(&url));
        secure && url.host().is_some() && url.username().is_empty() && url.password().is_none()
    })
}

const WEB_URL: &str = "a URL begins with `https://` (`http://` only on loopback, with `federation.allow_loopback_issuers`) and has no user";

/// A message goes to all of them at once, and some messages at a time: this bounds the connections that are open for it.
const MOST_WEBHOOKS: usize = 16;

/// As the authority has it; a longer time is anybody's choice.
const SHORTEST_KEPT_DAYS: u32 = 2;
