//! The Cedar schema that guard rails are validated against.
//!
//! An action of the catalogue is an entity of type `Action` named by its dotted verb, in the groups
//! `class:<class>` and `group:<group>`. There are as many as people want and unknown ones are
//! allowed, so that they are not listed here: those which a guard rail names are declared when it is
//! compiled, all alike. Any canonical action name therefore validates, and nothing else does.

use std::{collections::BTreeSet, fmt::Write as _};

use cedar_policy::{EntityUid, Schema, Validator};
use countersign_model::name::ActionName;

/// The schema, as published. `docs/reference/guard-rails.md` explains it.
pub const SCHEMA: &str = r#"// Where identities live: `principal in Project::"support"`.
entity Project;

// Who acts.
entity Identity in [Project] = {
  "name": String,
  "kind": String,              // agent, api_key, bot, oauth_client, pipeline, service_account, workload
  "project": String,
  "subject": String,
  "risk": String,              // low, medium, high
  "sponsor": String,           // user:EMAIL or team:NAME
  "requires_approval": Bool,
  "environments": Set<String>,
  "roles": Set<String>,
  "allowed_actions": Set<String>,
  "denied_actions": Set<String>,
};

// Where it acts: `resource in Environment::"production"`.
entity Environment = {
  "name": String,
  "protected": Bool,
};

// The resource server: `resource in Audience::"support-automation-api"`.
entity Audience = {
  "name": String,
};

// On what it acts; named by the resource server, empty when the request names nothing.
entity Resource in [Environment, Audience] = {
  "name": String,
};

// The run that acts. A claimed run is the caller's word; a verified one a foreign issuer's.
type Run = {
  "assurance": String,         // claimed, verified
  "provider": String,
  "project"?: String,
  "workflow"?: String,
  "ref"?: String,
  "commit"?: String,
  "trigger"?: String,
};

type Request = {
  "action": String,
  "class": String,             // read, reversible, irreversible
  "group": String,
  "approved": Bool,
  "environment"?: Environment,
  "audience"?: Audience,
  "resource"?: String,
  "run"?: Run,
};

action "class:read", "class:reversible", "class:irreversible";
"#;

/// The id of the generic permit: the action is in the identity's allow list.
pub const ALLOWED_ACTIONS: &str = "allowed_actions";

/// The id of the generic forbid: the action is in the identity's deny list.
pub const DENIED_ACTIONS: &str = "denied_actions";

/// The generic permit and forbid over identity data, by their ids: what every decision means.
#[cfg(test)]
pub(super) const GENERIC: [(&str, &str); 2] = [
    (
        ALLOWED_ACTIONS,
        "permit (principal, action, resource) \
         when { principal.allowed_actions.contains(context.action) };",
    ),
    (
        DENIED_ACTIONS,
        "forbid (principal, action, resource) \
         when { principal.denied_actions.contains(context.action) };",
    ),
];

/// The same where their conditions hold. Deciding adds to a slice those that do.
pub(super) const HELD: [(&str, &str); 2] = [
    (ALLOWED_ACTIONS, "permit (principal, action, resource);"),
    (DENIED_ACTIONS, "forbid (principal, action, resource);"),
];

/// The schema with every action that the guard rails name.
///
/// # Errors
/// Says which of the names is no action.
pub(super) fn with_actions<'a>(
    named: impl IntoIterator<Item = &'a str>,
) -> Result<Schemas, String> {
    let (mut actions, mut groups) = (BTreeSet::from([ANY_OTHER]), BTreeSet::new());
    for name in named {
        match name.split_once(':') {
            Some(("class", class)) if CLASSES.contains(&class) => {}
            Some(("group", group)) if !group.is_empty() => {
                groups.insert(name);
            }
            Some(_) => {
                return Err(format!(
                    "`{name}` is no group of actions: expected {GROUPS}"
                ));
            }
            None => {
                name.parse::<ActionName>()
                    .map_err(|error| error.to_string())?;
                actions.insert(name);
            }
        }
    }
    Ok(Schemas {
        apart: build(&actions, &groups, false)?,
        together: build(&actions, &groups, true)?,
    })
}

/// Two forms of one schema. Whether an action is in a group is the tenant's data, which validation
/// does not know; each form decides it in one way, so that neither branch of
/// `action in Action::"group:release" && ..` goes unchecked.
pub(super) struct Schemas {
    /// No action is in any group.
    pub apart: Validator,
    /// Every action is in every group.
    pub together: Validator,
}

fn build(
    actions: &BTreeSet<&str>,
    groups: &BTreeSet<&str>,
    members: bool,
) -> Result<Validator, String> {
    let mut text = SCHEMA.to_owned();
    let mut parents: Vec<String> = CLASSES
        .iter()
        .map(|class| format!("\"class:{class}\""))
        .collect();
    for group in groups {
        let _ = writeln!(text, "action {group:?};");
        parents.push(format!("{group:?}"));
    }
    let parents = if members {
        format!(" in [{}]", parents.join(", "))
    } else {
        String::new()
    };
    for action in actions {
        let _ = writeln!(text, "action {action:?}{parents} {APPLIES};");
    }
    Schema::from_cedarschema_str(&text)
        .map(|(schema, _)| Validator::new(schema))
        .map_err(|error| error.to_string())
}

/// The id of an entity when it is an action or a group of actions.
pub(super) fn action_name(entity: &EntityUid) -> Option<&str> {
    (entity.type_name().basename() == "Action").then(|| entity.id().unescaped())
}

/// Stands for every action that no guard rail names, so that broad guard rails are checked too.
const ANY_OTHER: &str = "any.other";

const CLASSES: [&str; 3] = ["read", "reversible", "irreversible"];

const GROUPS: &str =
    "`class:read`, `class:reversible`, `class:irreversible` or `group:` and its name";

const APPLIES: &str = "appliesTo { principal: Identity, resource: Resource, context: Request }";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_action_name_validates_and_nothing_else() {
        assert!(with_actions([]).is_ok());
        assert!(
            with_actions([
                "deploy.release",
                "never.heard_of-it",
                "class:read",
                "group:my own"
            ])
            .is_ok()
        );
        for bad in [
            "deploy",
            "Deploy.release",
            "deploy.*",
            "class:harmless",
            "team:platform",
            "group:",
        ] {
            assert!(with_actions([bad]).is_err(), "{bad}");
        }
    }
}
