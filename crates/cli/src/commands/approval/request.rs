//! A request as the person who decides reads it.

use countersign_api::approvals;
use countersign_crypto::countersignature::{Decision, verify};
use countersign_model::evidence::Separation;
use serde_json::{Value, json};

use crate::view::{self, plain, seconds, wrapped};

/// All that is bound, line by line.
pub(super) fn described(approval: &approvals::Approval) -> String {
    let mut lines = Vec::new();
    let mut say = |label: &str, text: String| {
        if label == LINE {
            // A script is read as it stands; a terminal is told nothing by it.
            let mut line: Vec<char> = plain(&text).chars().collect();
            let mut bar = '|';
            loop {
                let rest = line.split_off(line.len().min(62));
                let piece: String = line.iter().collect();
                lines.push(format!("{:14} {bar} {piece}", ""));
                if rest.is_empty() {
                    return;
                }
                (line, bar) = (rest, ' ');
            }
        }
        let mut label = format!("{label}:");
        for line in wrapped(&plain(&text), 65) {
            lines.push(format!("{label:14} {line}"));
            label.clear();
        }
    };
    say("what", approval.summary.clone());
    say("status", approval.status.as_str().to_owned());
    if let Some(identity) = &approval.identity {
        let version = approval
            .identity_version
            .map(|version| format!(" (version {version})"))
            .unwrap_or_default();
        say("identity", format!("{}{version}", identity.name));
    }
    for (label, text) in approval.change.iter().flat_map(changes) {
        say(label, text);
    }
    for (label, text) in approval.execution.iter().flat_map(begins) {
        say(label, text);
    }
    for action in &approval.actions {
        say(
            "action",
            format!("{} ({})", action.name, action.class.as_str()),
        );
    }
    let optional = [
        (
            "environment",
            approval.environment.as_ref().map(ToString::to_string),
        ),
        ("audience", approval.audience.clone()),
        ("resource", approval.resource.clone()),
        (
            "artifact",
            approval.artifact_digest.as_ref().map(ToString::to_string),
        ),
        ("commit", approval.commit.clone()),
        ("run", approval.run.as_ref().map(run)),
        (
            "triggered by",
            approval.human.as_ref().map(|human| human.name.clone()),
        ),
        (
            "asked by",
            approval.requested_by.as_ref().map(|user| user.name.clone()),
        ),
        ("reason", approval.reason.clone()),
        ("voided", approval.voided_because.clone()),
    ];
    for (label, text) in optional {
        if let Some(text) = text {
            say(label, text);
        }
    }
    if approval.run.is_some() && approval.separation == Separation::Unproven {
        say(
            "separation",
            "unproven: nobody knows who is behind the run".to_owned(),
        );
    }
    let approvers: Vec<String> = approval.approvers.iter().map(ToString::to_string).collect();
    let who = if approvers.is_empty() {
        "the owners of the project and the tenant".to_owned()
    } else {
        approvers.join(", ")
    };
    say("takes", format!("{} of {who}", approval.required));
    for decision in &approval.decisions {
        let verb = if decision.approved {
            "countersigned"
        } else {
            "refused"
        };
        let reason = decision
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let (name, at) = (&decision.by.name, seconds(decision.at));
        let signed = signed(approval, decision);
        say(verb, format!("{name} at {at}{signed}{reason}"));
    }
    say("lapses", seconds(approval.expires_at));
    say("digest", approval.digest.clone());
    lines.join("\n")
}

/// Whether the passkey that a decision names made it: worked out here, of what the server sent.
fn signed(approval: &approvals::Approval, decision: &approvals::Decided) -> String {
    let Some(countersignature) = &decision.countersignature else {
        return String::new();
    };
    let decided = Decision {
        approval_id: approval.id,
        digest: &approval.digest,
        approved: decision.approved,
        nonce: &countersignature.nonce,
    };
    match verify(countersignature, &decided) {
        Ok(()) => format!(", signed with passkey {}", countersignature.passkey_id),
        Err(error) => format!(", WITH A SIGNATURE THAT DOES NOT HOLD ({error})"),
    }
}

/// What a change does, line by line, with names where ids stand.
fn changes(change: &approvals::ApprovalChange) -> Vec<(&'static str, String)> {
    let noun = change.noun.replace('_', " ");
    let of = format!("{noun} {} (version {})", change.record.name, change.version);
    let named = |value: &Value| {
        let mut text = value.to_string();
        for (id, name) in &change.names {
            text = text.replace(id.as_str(), name);
        }
        text
    };
    let mut lines = vec![("changes", of)];
    for (member, value) in change.does.as_object().into_iter().flatten() {
        match (member.as_str(), value) {
            // It is said beside, or in the summary.
            ("loosens" | "requested_by" | "reason", _) => {}
            ("verb", Value::String(verb)) => lines.push(("does", verb.clone())),
            ("set", Value::Object(set)) => {
                for (name, value) in set {
                    match (change.noun.as_str(), name.as_str(), value) {
                        ("pack", "actions", Value::Array(actions)) => {
                            lines.extend(actions.iter().flat_map(executes));
                        }
                        _ => lines.push(("sets", format!("{name} = {}", named(value)))),
                    }
                }
            }
            ("brings", Value::Object(brings)) => lines.extend(
                brings
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| ("brings", format!("{name} = {}", named(value)))),
            ),
            (member, value) => lines.push(("sets", format!("{member} = {}", named(value)))),
        }
    }
    lines
}

/// An execution that waits: what is executed, with what, and what started it.
fn begins(execution: &approvals::ApprovalExecution) -> Vec<(&'static str, String)> {
    let mut lines = match &execution.executes {
        Some(now) => {
            let mut action = now.clone();
            action["name"] = execution.action_ref.clone().into();
            action["script"] = json!({ "text": execution.script });
            executes(&action)
        }
        None => vec![("action", format!("{} is no more", execution.action_ref))],
    };
    let given = execution.parameters.iter().flatten();
    lines.extend(given.map(|(name, value)| ("parameter", format!("{name} = {value}"))));
    let optional = [
        ("by rule", execution.rule.clone()),
        ("on event", execution.event_id.map(|id| id.to_string())),
        ("started by", execution.workflow_id.map(|id| id.to_string())),
        ("execution", Some(execution.id.to_string())),
    ];
    let optional = optional.into_iter();
    lines.extend(optional.filter_map(|(label, text)| Some((label, text?))));
    lines
}

/// An action of a pack: what it executes and the keys that it reads, and its script line by line.
fn executes(action: &Value) -> Vec<(&'static str, String)> {
    let words = |name: &str| {
        let words = action[name].as_array().into_iter().flatten();
        let words: Vec<_> = words.filter_map(Value::as_str).collect();
        words.join(if name == "keys" { ", " } else { " " })
    };
    let name = action["name"].as_str().unwrap_or_default();
    let (command, keys, script) = (words("command"), words("keys"), &action["script"]);
    let mut text = format!("{name} executes");
    for part in [
        command.as_str(),
        script["name"].as_str().unwrap_or_default(),
    ] {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(part);
        }
    }
    if let Some(environment) = action["environment"]
        .as_object()
        .filter(|all| !all.is_empty())
    {
        let pairs = environment
            .iter()
            .map(|(name, value)| format!("{name}={}", view::cell(value)));
        text.push_str(&format!(" with {}", pairs.collect::<Vec<_>>().join(" ")));
    }
    if !keys.is_empty() {
        text.push_str(&format!(", and reads {keys}"));
    }
    let mut lines = vec![("action", text)];
    let script = script["text"].as_str().unwrap_or_default();
    lines.extend(script.lines().map(|line| (LINE, line.to_owned())));
    lines
}

/// Stands before a line of a script, which is shown as it is.
const LINE: &str = "|";

fn run(run: &countersign_model::run::Run) -> String {
    let mut text = run.provider.clone();
    let parts = [
        (" ", &run.project_name),
        (" run ", &run.run_id),
        (" attempt ", &run.attempt),
        (" on ", &run.git_ref),
    ];
    for (label, part) in parts {
        if let Some(part) = part {
            text.push_str(label);
            text.push_str(part);
        }
    }
    if run.assurance == countersign_model::run::RunAssurance::Claimed {
        text.push_str(" (claimed, not verified)");
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in super::super) fn approval() -> approvals::Approval {
        let id = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
        serde_json::from_value(json!({
            "id": id, "status": "pending", "type": "grant", "summary": "deploy.release in production",
            "digest": "abc", "required": 1, "decisions": [], "approvers": [],
            "identity": {"id": id, "name": "release-promoter-prod"}, "identity_version": 3,
            "actions": [{"name": "deploy.release", "class": "irreversible"}], "environment": "production",
            "run": {"key": "k", "assurance": "verified", "provider": "github", "project_name": "octo/app", "run_id": "9", "attempt": "1"},
            "separation": "unproven", "reason": "release\n1.2", "opened_at": "2026-11-22T09:00:00Z",
            "expires_at": "2026-11-22T17:00:00Z", "txn": id,
        }))
        .unwrap()
    }

    #[test]
    fn who_decides_reads_everything_that_is_bound() {
        let text = described(&approval());
        for part in [
            "deploy.release (irreversible)",
            "release-promoter-prod (version 3)",
            "github octo/app run 9 attempt 1",
            "unproven: nobody knows",
            "1 of the owners of the project and the tenant",
            "digest:        abc",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(
            !text.contains("release\n1.2"),
            "a reason cannot add lines of its own"
        );
    }

    #[test]
    fn who_decides_on_a_change_reads_what_it_sets_and_for_whom() {
        let mut approval = approval();
        let kim = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b22";
        let change = json!({
            "noun": "project", "record": {"id": kim, "name": "release"}, "version": 4,
            "does": {"verb": "updated", "loosens": ["approver_added"], "set": {"members": [{"user_id": kim, "role": "owner"}], "description": null},
                "brings": {"type": "trust-rule", "match": {"repository_id": "666"}, "expires_at": null}},
            "names": {kim: "kim@example.com"},
        });
        approval.change = Some(serde_json::from_value(change).unwrap());
        let text = described(&approval);
        for part in [
            "changes:       project release (version 4)",
            "sets:          members = [{",
            r#""user_id":"kim@example.com""#,
            "description = null",
            "does:          updated",
            r#"brings:        match = {"repository_id":"666"}"#,
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn who_lets_an_execution_begin_reads_what_it_executes_and_with_what() {
        let mut approval = approval();
        let id = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b22";
        let execution = json!({
            "id": id, "action_ref": "disks.wipe", "action_sha256": "00", "parameters_sha256": "01", "salt": "02",
            "executes": {"command": ["sh"], "environment": {"A": "b"}, "keys": ["disks.key"]}, "script": "echo one\necho two",
            "parameters": {"disk": "/dev/sdb", "times": 3}, "rule": "disks.on_call",
        });
        approval.execution = Some(serde_json::from_value(execution).unwrap());
        let text = described(&approval);
        for part in [
            "disks.wipe executes sh with A=b, and reads disks.key",
            "| echo two",
            "parameter:     disk = \"/dev/sdb\"",
            "parameter:     times = 3",
            "by rule:       disks.on_call",
            id,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn who_decides_on_a_pack_reads_its_scripts_line_by_line() {
        let mut approval = approval();
        let script = format!(
            "#!/bin/sh\n  curl {}\ndigest:        forged",
            "q".repeat(90)
        );
        let change = json!({
            "noun": "pack", "record": {"id": "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b22", "name": "ledger"}, "version": 2,
            "does": {"verb": "updated", "set": {"actions": [{
                "name": "close", "command": ["sh"], "keys": ["ledger.password"], "environment": {"LANG": "C"},
                "script": {"name": "script", "sha256": "00", "text": script},
            }]}},
            "names": {},
        });
        approval.change = Some(serde_json::from_value(change).unwrap());
        let text = described(&approval);
        let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = "close executes sh script with LANG=C, and reads ledger.password";
        assert!(flowing.contains(said), "{text}");
        assert!(text.contains("|   curl qqq"), "{text}");
        let barred = text.lines().filter(|line| line.contains(" | "));
        assert_eq!(
            barred.count(),
            3,
            "each line of the script begins once: {text}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        let own = text.lines().filter(|line| line.starts_with("digest:"));
        assert_eq!(
            own.count(),
            1,
            "no line of a script is taken for one of ours: {text}"
        );
        assert_eq!(
            text.matches('q').count(),
            90,
            "nothing of it is cut: {text}"
        );
    }
}
