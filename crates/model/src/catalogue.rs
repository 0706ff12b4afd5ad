//! The actions that every tenant starts with, each with its class.

use crate::action::ActionClass::{self, Irreversible, Read, Reversible};

/// A built-in action.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// The dotted verb.
    pub name: &'static str,
    /// How much it can hurt.
    pub class: ActionClass,
    /// The group that it is shown in.
    pub group: &'static str,
    /// What it does.
    pub description: &'static str,
}

const fn action(
    name: &'static str,
    class: ActionClass,
    group: &'static str,
    description: &'static str,
) -> BuiltIn {
    BuiltIn {
        name,
        class,
        group,
        description,
    }
}

/// The built-in catalogue, by group: what pipelines, bots, services and sensors commonly do.
pub const BUILT_IN: &[BuiltIn] = &[
    action(
        "artifact.publish",
        Irreversible,
        "build",
        "publishes an artifact",
    ),
    action("artifact.read", Read, "build", "reads an artifact"),
    action("build.run", Reversible, "build", "runs a build"),
    action("build.trigger", Reversible, "build", "triggers a build"),
    action(
        "deploy.release",
        Irreversible,
        "release",
        "releases to an environment",
    ),
    action(
        "deploy.rollback",
        Irreversible,
        "release",
        "goes back to an earlier release",
    ),
    action(
        "registry.scim.write",
        Irreversible,
        "identity",
        "keeps people and teams in step with the company's directory",
    ),
    action(
        "release.promote",
        Irreversible,
        "release",
        "promotes a release",
    ),
    action("rollout.pause", Reversible, "release", "pauses a roll-out"),
    action(
        "rollout.status.read",
        Read,
        "release",
        "reads how a roll-out stands",
    ),
    action(
        "infrastructure.apply",
        Irreversible,
        "infrastructure",
        "changes infrastructure",
    ),
    action(
        "infrastructure.plan",
        Read,
        "infrastructure",
        "shows what would change",
    ),
    action(
        "infrastructure.read",
        Read,
        "infrastructure",
        "reads infrastructure",
    ),
    action(
        "credential.issue",
        Irreversible,
        "credentials",
        "issues a credential",
    ),
    action(
        "credential.rotate",
        Irreversible,
        "credentials",
        "rotates a credential",
    ),
    action(
        "secrets.read",
        Irreversible,
        "credentials",
        "reads secrets: what was read cannot be unread",
    ),
    action(
        "secrets.write",
        Irreversible,
        "credentials",
        "writes secrets",
    ),
    action(
        "key.read",
        Irreversible,
        "credentials",
        "reads a stored key: what was read cannot be unread",
    ),
    action(
        "identity.admin",
        Irreversible,
        "credentials",
        "administers identities",
    ),
    action(
        "identity.impersonate",
        Irreversible,
        "credentials",
        "acts as somebody else",
    ),
    action(
        "billing.admin",
        Irreversible,
        "credentials",
        "administers billing",
    ),
    action(
        "billing.statement.read",
        Read,
        "credentials",
        "reads the statements of its project",
    ),
    action(
        "case.comment.write",
        Reversible,
        "tickets",
        "comments on a case",
    ),
    action("case.label.write", Reversible, "tickets", "labels a case"),
    action("case.read", Read, "tickets", "reads a case"),
    action("ticket.close", Reversible, "tickets", "closes a ticket"),
    action("ticket.open", Reversible, "tickets", "opens a ticket"),
    action(
        "ticket.open.privileged",
        Irreversible,
        "tickets",
        "opens a privileged ticket",
    ),
    action(
        "configuration.merge",
        Irreversible,
        "configuration",
        "merges configuration",
    ),
    action(
        "configuration.read",
        Read,
        "configuration",
        "reads configuration",
    ),
    action("notify.send", Irreversible, "notify", "notifies people"),
    action(
        "incident.notify",
        Irreversible,
        "notify",
        "tells people of an incident",
    ),
    action("event.create", Reversible, "automation", "creates an event"),
    action("execution.read", Read, "automation", "reads an execution"),
    action(
        "execution.update",
        Reversible,
        "automation",
        "updates the status of an execution",
    ),
    action(
        "execution.claim",
        Irreversible,
        "automation",
        "takes executions, with the tokens that they run under",
    ),
    action("rule.read", Read, "automation", "reads rules"),
    action("trigger.read", Read, "automation", "reads triggers"),
    action(
        "action.execute",
        Irreversible,
        "automation",
        "executes an action",
    ),
    action("metrics.read", Read, "automation", "reads metrics"),
    action("payroll.run", Irreversible, "business", "runs the payroll"),
    action(
        "object.read",
        Read,
        "business",
        "reads an object from storage",
    ),
    action(
        "object.write",
        Irreversible,
        "business",
        "writes an object to storage",
    ),
    action("repository.read", Read, "business", "reads a repository"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ActionName;

    #[test]
    fn every_built_in_action_is_canonical_and_there_once() {
        let mut seen = std::collections::BTreeSet::new();
        for action in BUILT_IN {
            assert!(action.name.parse::<ActionName>().is_ok(), "{}", action.name);
            assert!(seen.insert(action.name), "{}", action.name);
        }
    }

    /// What pipelines have power to do, each a group of actions.
    #[test]
    fn s1_14_each_power_of_a_pipeline_is_a_group_of_actions() {
        let powers: [(&str, &[&str]); 7] = [
            (
                "build",
                &[
                    "artifact.publish",
                    "artifact.read",
                    "build.run",
                    "build.trigger",
                ],
            ),
            (
                "release",
                &[
                    "deploy.release",
                    "deploy.rollback",
                    "release.promote",
                    "rollout.pause",
                    "rollout.status.read",
                ],
            ),
            (
                "infrastructure",
                &[
                    "infrastructure.apply",
                    "infrastructure.plan",
                    "infrastructure.read",
                ],
            ),
            (
                "credentials",
                &[
                    "credential.issue",
                    "credential.rotate",
                    "secrets.read",
                    "secrets.write",
                    "key.read",
                    "identity.admin",
                    "identity.impersonate",
                    "billing.admin",
                    "billing.statement.read",
                ],
            ),
            (
                "tickets",
                &[
                    "case.comment.write",
                    "case.label.write",
                    "case.read",
                    "ticket.close",
                    "ticket.open",
                    "ticket.open.privileged",
                ],
            ),
            (
                "configuration",
                &["configuration.merge", "configuration.read"],
            ),
            ("notify", &["notify.send", "incident.notify"]),
        ];
        for (group, actions) in powers {
            let found: Vec<_> = BUILT_IN
                .iter()
                .filter(|action| action.group == group)
                .map(|action| action.name)
                .collect();
            assert_eq!(found, actions, "{group}");
            let only_reads = BUILT_IN
                .iter()
                .filter(|action| action.group == group)
                .all(|action| action.class == Read);
            assert!(!only_reads, "{group} changes something");
        }
    }
}
