//! What guard rails read: how they tell apart those who act, so that nobody steps out of one by an edit.
//!
//! Whether an edit lets a guard rail go cannot be told in general. What it cannot read cannot matter to
//! it, so that an edit of anything that it reads counts, whichever way it goes.

use std::collections::BTreeSet;

use cedar_policy::{EntityUid, Policy, PrincipalConstraint};
use countersign_model::{
    name::PolicyName,
    registry::{IdentityDoc, PolicyDoc},
};
use serde_json::Value;

use super::compile::{self, Effects, PolicyError};

/// What the guard rails of a tenant read.
#[derive(Debug, Default)]
pub struct Reads(Vec<Rail>);

/// What one policy reads.
#[derive(Debug)]
struct Rail {
    /// Of whom it can forbid anything: nothing where that is everybody.
    scope: Option<Entity>,
    /// The entities that it names.
    named: BTreeSet<Entity>,
    /// The attributes of who acts.
    of_principal: BTreeSet<String>,
    /// The attributes of anything else: the request, its environment, its run.
    of_request: BTreeSet<String>,
}

/// An entity.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entity {
    kind: String,
    id: String,
}

/// An identity, and the name of its project.
#[derive(Debug, Clone, Copy)]
pub struct Acting<'a> {
    /// The identity.
    pub identity: &'a IdentityDoc,
    /// The name of its project.
    pub project: &'a str,
}

impl Acting<'_> {
    /// Whether no guard rail can tell the two apart, whatever it reads.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.project == other.project
            && ATTRIBUTES
                .iter()
                .all(|name| !differs(name, self.identity, other.identity))
    }
}

impl Reads {
    /// What these guard rails read.
    ///
    /// # Errors
    /// One that does not parse.
    pub fn of<'a>(rails: impl IntoIterator<Item = &'a PolicyDoc>) -> Result<Self, PolicyError> {
        let mut read = Vec::new();
        for doc in rails {
            for policy in compile::parse(&doc.name, &doc.cedar, Effects::ForbidOnly)? {
                read.push(Rail::of(&doc.name, &policy)?);
            }
        }
        Ok(Self(read))
    }

    /// Whether an identity that becomes another one could step out of a guard rail.
    #[must_use]
    pub fn tell_apart(&self, before: Acting<'_>, after: Acting<'_>) -> bool {
        self.0.iter().any(|rail| {
            rail.can_forbid(before)
                && (rail
                    .of_principal
                    .iter()
                    .any(|name| differs(name, before.identity, after.identity))
                    || before.identity.name != after.identity.name
                        && (rail.names(IDENTITY, &before.identity.name)
                            || rail.names(IDENTITY, &after.identity.name))
                    || before.project != after.project
                        && (rail.names(PROJECT, before.project)
                            || rail.names(PROJECT, after.project)))
        })
    }

    /// Whether the identities of a project could step out of a guard rail when it changes its name.
    #[must_use]
    pub fn tell_projects_apart(&self, before: &str, after: &str) -> bool {
        let reads = |rail: &Rail| {
            rail.of_principal.contains("project")
                || rail.names(PROJECT, before)
                || rail.names(PROJECT, after)
        };
        before != after && self.0.iter().any(reads)
    }

    /// Whether a guard rail knows identities by the address or name of their sponsor.
    #[must_use]
    pub fn sponsors(&self) -> bool {
        self.0
            .iter()
            .any(|rail| rail.of_principal.contains("sponsor"))
    }

    /// Whether a guard rail names this identity, or knows identities by their names.
    #[must_use]
    pub fn name_identity(&self, name: &str) -> bool {
        self.0.iter().any(|rail| {
            let reads = |attribute| rail.of_principal.contains(attribute);
            rail.names(IDENTITY, name) || reads("name") || reads("subject")
        })
    }

    /// Whether a guard rail names this project, or knows projects by their names.
    #[must_use]
    pub fn name_project(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|rail| rail.names(PROJECT, name) || rail.of_principal.contains("project"))
    }

    /// Whether a guard rail knows actions by their `class`, or by their `group`.
    #[must_use]
    pub fn actions_by(&self, word: &str) -> bool {
        let prefix = format!("{word}:");
        self.0.iter().any(|rail| {
            rail.of_request.contains(word)
                || rail
                    .named
                    .iter()
                    .any(|one| one.kind == ACTION && one.id.starts_with(&prefix))
        })
    }
}

/// The attributes of an identity that the schema has.
const ATTRIBUTES: [&str; 11] = [
    "name",
    "kind",
    "project",
    "subject",
    "risk",
    "sponsor",
    "requires_approval",
    "environments",
    "roles",
    "allowed_actions",
    "denied_actions",
];

const ACTION: &str = "Action";
const IDENTITY: &str = "Identity";
const PROJECT: &str = "Project";

impl Rail {
    fn of(name: &PolicyName, policy: &Policy) -> Result<Self, PolicyError> {
        let unreadable = |error| PolicyError::new(name, format!("{error}"));
        let text = policy.to_json().map_err(unreadable)?;
        let mut rail = Self {
            scope: match policy.principal_constraint() {
                PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
                PrincipalConstraint::Eq(one)
                | PrincipalConstraint::In(one)
                | PrincipalConstraint::IsIn(_, one) => Some(Entity::of(&one)),
            },
            named: policy.entity_literals().iter().map(Entity::of).collect(),
            of_principal: BTreeSet::new(),
            of_request: BTreeSet::new(),
        };
        rail.read(&text);
        Ok(rail)
    }

    /// Notes every attribute that an expression asks for, in Cedar's JSON form of it.
    fn read(&mut self, expression: &Value) {
        match expression {
            Value::Array(parts) => parts.iter().for_each(|part| self.read(part)),
            Value::Object(operators) => {
                for (operator, operands) in operators {
                    if matches!(operator.as_str(), "." | "has") {
                        self.note(operands);
                    } else if operator == "Record" {
                        // Compared as a whole, a record is read by each of its members.
                        let members = operands.as_object().into_iter().flatten();
                        self.of_request
                            .extend(members.map(|(name, _)| name.clone()));
                    }
                    self.read(operands);
                }
            }
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn note(&mut self, operands: &Value) {
        let variable = variable(operands);
        let names: Vec<String> = match operands.get("attr") {
            Some(Value::String(name)) => vec![name.clone()],
            Some(Value::Array(path)) => path
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        };
        // What is chosen by a condition may be either.
        if variable.is_none_or(|variable| variable == "principal") {
            self.of_principal.extend(names.iter().cloned());
        }
        if variable != Some("principal") {
            self.of_request.extend(names);
        }
    }

    fn names(&self, kind: &str, id: &str) -> bool {
        self.named
            .iter()
            .any(|one| one.kind == kind && one.id == id)
    }

    fn can_forbid(&self, acting: Acting<'_>) -> bool {
        self.scope.as_ref().is_none_or(|scope| {
            scope.kind == IDENTITY && *scope.id == *acting.identity.name
                || scope.kind == PROJECT && scope.id == acting.project
        })
    }
}

impl Entity {
    fn of(uid: &EntityUid) -> Self {
        Self {
            kind: uid.type_name().basename().to_owned(),
            id: uid.id().unescaped().to_owned(),
        }
    }
}

/// The variable from which a path of attributes leads.
fn variable(operands: &Value) -> Option<&str> {
    let mut left = operands.get("left")?;
    while let Some(further) = left.get(".") {
        left = further.get("left")?;
    }
    left.get("Var")?.as_str()
}

/// Whether an attribute of the schema differs. The name of a sponsor is not in the document.
fn differs(attribute: &str, before: &IdentityDoc, after: &IdentityDoc) -> bool {
    match attribute {
        "name" => before.name != after.name,
        "kind" => before.kind != after.kind,
        "project" => before.project_id != after.project_id,
        "subject" => before.subject != after.subject,
        "risk" => before.risk_tier() != after.risk_tier(),
        "sponsor" => before.sponsor != after.sponsor,
        "requires_approval" => before.requires_approval != after.requires_approval,
        "environments" => differ(&before.environments, &after.environments),
        "roles" => differ(&before.roles, &after.roles),
        "allowed_actions" => before.allowed_actions != after.allowed_actions,
        "denied_actions" => before.denied_actions != after.denied_actions,
        // Of what is not known here anything counts.
        _ => before != after,
    }
}

fn differ<T: Ord>(before: &[T], after: &[T]) -> bool {
    before.iter().collect::<BTreeSet<_>>() != after.iter().collect()
}

#[cfg(test)]
mod tests;
