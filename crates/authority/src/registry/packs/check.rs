//! The rules that every pack keeps.

use std::collections::BTreeSet;

use countersign_model::{
    name::{KeyName, PartName},
    pack::{BUILT_IN_TRIGGERS, MOST_PARTS, PackAction, Rule, SCRIPT_BYTES, Webhook},
    reason::{Reason, Refusal},
    registry::{PackDoc, Record},
    rule::{self, MOST_CONDITIONS},
    schedule::Schedule,
    time::Seconds,
};
use serde_json::Value;

use crate::{
    command::WriteTx,
    registry::{
        packs::of_project,
        rights::{self, DESCRIPTION_BYTES, check_count, check_text},
    },
    rejection::{Rejection, refuse},
};

/// The longest that an action may take: as long as the longest token of an execution (S4.3).
const LONGEST: Seconds = Seconds(3600);

/// As many words as a command line has that a person still reads.
const MOST_WORDS: usize = 50;
const WORD_BYTES: usize = 4096;
const MOST_KEYS: usize = 50;
const MOST_STARTS: usize = 50;
const MOST_VARIABLES: usize = 50;
const MOST_PARAMETERS: usize = 50;
/// Room for a small document of its own in a rule.
const RULE_BYTES: usize = 16 * 1024;

/// Checks a pack against its project.
pub(super) fn check(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
    doc: &PackDoc,
) -> Result<(), Rejection> {
    check_text("description", &doc.description, DESCRIPTION_BYTES)?;
    unique("triggers", doc.triggers.iter().map(|one| &one.name))?;
    unique("actions", doc.actions.iter().map(|one| &one.name))?;
    unique("rules", doc.rules.iter().map(|one| &one.name))?;
    check_count("webhooks", doc.webhooks.len(), MOST_PARTS)?;
    let scripts = doc
        .actions
        .iter()
        .filter_map(|action| action.script.as_ref());
    let bytes: usize = scripts.map(|script| script.text.len()).sum();
    if bytes > SCRIPT_BYTES {
        let detail = format!(
            "the scripts of the pack are {bytes} bytes, and at most {SCRIPT_BYTES} may be: install a larger program where the worker is, and name it in `command`"
        );
        return refuse(Reason::Unprocessable, detail);
    }
    for trigger in &doc.triggers {
        check_text("description", &trigger.description, DESCRIPTION_BYTES)?;
        let reference = doc.part(&trigger.name);
        if BUILT_IN_TRIGGERS
            .iter()
            .any(|(known, _)| *known == reference)
        {
            let detail = format!("trigger type `{reference}` is Countersign's own");
            return refuse(Reason::Unprocessable, detail);
        }
    }
    for action in &doc.actions {
        of_action(action).map_err(|why| wrong("action", &doc.part(&action.name), &why))?;
    }
    let known = Known::of(tx, project, doc)?;
    for rule in &doc.rules {
        of_rule(rule, &known).map_err(|why| wrong("rule", &doc.part(&rule.name), &why))?;
    }
    for webhook in &doc.webhooks {
        of_webhook(webhook).map_err(|why| wrong("webhook", &webhook.path, &why))?;
    }
    Ok(())
}

fn wrong(what: &str, reference: &str, why: &str) -> Rejection {
    Refusal::new(
        Reason::Unprocessable,
        format!("{what} `{reference}`: {why}"),
    )
    .into()
}

fn unique<'a>(
    field: &str,
    names: impl ExactSizeIterator<Item = &'a PartName>,
) -> Result<(), Rejection> {
    check_count(field, names.len(), MOST_PARTS)?;
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            let detail = format!("`{field}` names `{name}` twice");
            return refuse(Reason::Unprocessable, detail);
        }
    }
    Ok(())
}

fn of_action(action: &PackAction) -> Result<(), String> {
    if action.command.is_empty() && action.script.is_none() {
        return Err("it has neither a `command` nor a `script`: say what is executed".to_owned());
    }
    if !(1..=LONGEST.0).contains(&action.time_out.0) {
        return Err(format!(
            "it is stopped after 1 to {} seconds, not {}",
            LONGEST.0, action.time_out.0
        ));
    }
    few("command", action.command.len(), MOST_WORDS)?;
    few("keys", action.keys.len(), MOST_KEYS)?;
    few("starts", action.starts.len(), MOST_STARTS)?;
    few("environment", action.environment.len(), MOST_VARIABLES)?;
    few("parameters", action.parameters.len(), MOST_PARAMETERS)?;
    if action.description.len() > DESCRIPTION_BYTES {
        return Err(format!(
            "its description is longer than {DESCRIPTION_BYTES} bytes"
        ));
    }
    let long = |word: &&String| word.len() > WORD_BYTES || word.contains('\0');
    if action.command.iter().find(long).is_some()
        || action.environment.values().find(long).is_some()
    {
        return Err(format!(
            "a word of `command` or a value of `environment` has at most {WORD_BYTES} bytes, and no NUL"
        ));
    }
    if let Some(error) = action
        .keys
        .iter()
        .find_map(|key| key.parse::<KeyName>().err())
    {
        return Err(error.to_string());
    }
    if let Some(name) = action.environment.keys().find(|name| !is_variable(name)) {
        return Err(format!(
            "`{name}` is no variable for `environment`: capital letters, digits and `_`, and nothing that changes how programs are loaded"
        ));
    }
    if let Some(script) = &action.script
        && (script.name.is_empty()
            || script.name.len() > 255
            || script.name.starts_with('.')
            || !script
                .name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)))
    {
        return Err(format!("`{}` is no plain name of a file", script.name));
    }
    Ok(())
}

fn few(field: &str, found: usize, most: usize) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!(
        "`{field}` takes at most {most} entries, and has {found}"
    ))
}

/// Nothing that decides which code is loaded, where the token stands, or what the worker sets itself.
fn is_variable(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let reserved = ["COUNTERSIGN_", "LD_", "DYLD_"];
    (1..=255).contains(&name.len())
        && name.bytes().all(plain)
        && !name.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && !reserved.iter().any(|prefix| name.starts_with(prefix))
        && !matches!(name, "HOME" | "PATH" | "BASH_ENV" | "ENV" | "IFS")
}

/// What rules of the project can name.
struct Known {
    actions: BTreeSet<String>,
    triggers: BTreeSet<String>,
}

impl Known {
    fn of(tx: &mut WriteTx<'_, '_>, project: &Record, doc: &PackDoc) -> Result<Self, Rejection> {
        let mut known = Self {
            actions: BTreeSet::new(),
            triggers: BUILT_IN_TRIGGERS
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        };
        known.add(doc);
        for other in of_project(tx, project.id.cast())? {
            let other = rights::doc(other.pack())?;
            if other.name != doc.name {
                known.add(other);
            }
        }
        Ok(known)
    }

    fn add(&mut self, doc: &PackDoc) {
        self.actions
            .extend(doc.actions.iter().map(|action| doc.part(&action.name)));
        self.triggers
            .extend(doc.triggers.iter().map(|trigger| doc.part(&trigger.name)));
    }
}

/// What comes by `POST /api/webhooks/{path}`.
const WEBHOOK: &str = "core.webhook";

fn of_rule(rule: &Rule, known: &Known) -> Result<(), String> {
    few("when", rule.when.len(), MOST_CONDITIONS)?;
    if !known.triggers.contains(rule.trigger.as_str()) {
        return Err(format!(
            "there is no trigger type `{}` here; known are {}",
            rule.trigger,
            listed(&known.triggers)
        ));
    }
    if !known.actions.contains(rule.action.as_str()) {
        return Err(format!(
            "there is no action `{}` in this project; known are {}",
            rule.action,
            listed(&known.actions)
        ));
    }
    if TIMED.contains(&rule.trigger.as_str()) {
        Schedule::parse(&rule.trigger, &rule.with).map_err(|error| error.to_string())?;
    }
    if rule.trigger.as_str() == WEBHOOK && rule.with.get("path").and_then(Value::as_str).is_none() {
        return Err(
            "it says at which path it is called: `with: {path: NAME}`; a call at another path may be less well proved"
                .to_owned(),
        );
    }
    if let Some(condition) = rule.when.iter().find(|condition| condition.is_empty()) {
        return Err(format!(
            "the condition on `{}` asks for nothing: say `is`, `is_not`, `exists`, `begins_with`, `above` or `below`",
            condition.field
        ));
    }
    let parameters = Value::Object(rule.parameters.clone());
    if let Some(path) = rule::misspelt(&parameters) {
        return Err(format!(
            "`{{{{ {path} }}}}` is nothing that an event has: `event.payload.…`, `event.id`, `event.trigger_type`, `event.created_at` or `event.created_by`"
        ));
    }
    let when = serde_json::to_string(&rule.when).map_or(usize::MAX, |text| text.len());
    let with = Value::Object(rule.with.clone()).to_string().len();
    if when.saturating_add(with) + parameters.to_string().len() > RULE_BYTES {
        return Err(format!(
            "`when`, `with` and `parameters` take at most {RULE_BYTES} bytes"
        ));
    }
    Ok(())
}

/// The trigger types whose `with` is a schedule: one that never comes is told here, and not by a sensor at night.
const TIMED: [&str; 2] = ["core.interval", "core.timer"];

fn of_webhook(webhook: &Webhook) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let segment =
        |one: &str| !one.is_empty() && !matches!(one, "." | "..") && one.bytes().all(plain);
    if webhook.path.len() > 200 || !webhook.path.split('/').all(segment) {
        return Err("a path is `deploy` or `billing/paid`: letters, digits, `._-`, with no slash at its ends".to_owned());
    }
    Ok(())
}

fn listed(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names
        .iter()
        .take(20)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ")
}
