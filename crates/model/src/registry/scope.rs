//! Scopes that an organisation defines: a built-in one made smaller.
//!
//! Nothing is decided by the name that an organisation chose. A token says the built-in scope, which every verifier knows; what
//! the definition leaves of it is narrowed where tokens are issued and where they are used, so that whoever does not know the
//! definition can only refuse more than it should, never allow more than the built-in scope bundles.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    action::{ActionClass, ActionSet},
    name::{ActionName, ScopeWord},
    scope::{Bundle, Holder, Scope},
    time::Seconds,
};

/// A scope of the organisation. Its parent never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeDoc {
    /// Its name, which is no built-in scope's and is never given out again.
    pub name: ScopeWord,
    /// The built-in scope that it is a part of.
    pub parent: Scope,
    /// What it bundles of what its parent bundles.
    pub actions: ActionSet,
    /// The shortest life of a token, in days.
    pub shortest_days: i64,
    /// The longest.
    pub longest_days: i64,
    /// The one when none is asked for.
    pub usual_days: i64,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// What is wrong with a definition.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidScope {
    /// The parent does not bundle the action.
    #[error("`{action}` is not among what `{parent}` bundles: {bundled}")]
    Beyond {
        /// The action.
        action: ActionName,
        /// The parent.
        parent: Scope,
        /// What it does bundle.
        bundled: String,
    },
    /// It has the name of a built-in scope.
    #[error("`{0}` is a built-in scope: choose another name")]
    BuiltIn(Scope),
    /// It bundles nothing.
    #[error("a scope bundles at least one action")]
    Empty,
    /// A life that tokens of the parent cannot have, or that contradicts another one.
    #[error("`{member}` is {days}: expected {least} to {most} days")]
    Life {
        /// The member.
        member: &'static str,
        /// What it says.
        days: i64,
        /// The least that it may say.
        least: i64,
        /// The most.
        most: i64,
    },
    /// No identity has tokens of the parent.
    #[error("`{0}` has no parts: only `readonly`, `sensor` and `webhook` are scopes of identities")]
    Parent(Scope),
}

impl InvalidScope {
    /// The member of the definition that it is about.
    #[must_use]
    pub const fn member(&self) -> &'static str {
        match self {
            Self::Beyond { .. } | Self::Empty => "actions",
            Self::BuiltIn(_) => "name",
            Self::Life { member, .. } => member,
            Self::Parent(_) => "parent",
        }
    }
}

impl ScopeDoc {
    /// A definition with the lives of its parent.
    #[must_use]
    pub fn new(name: ScopeWord, parent: Scope, actions: ActionSet) -> Self {
        let profile = parent.profile();
        Self {
            name,
            parent,
            actions,
            shortest_days: days(profile.shortest),
            longest_days: days(profile.longest),
            usual_days: days(profile.usual),
            description: String::new(),
        }
    }

    /// States lives. Those that are not stated stay; a usual one that nobody stated keeps within the others.
    pub fn state_days(&mut self, shortest: Option<i64>, longest: Option<i64>, usual: Option<i64>) {
        self.shortest_days = shortest.unwrap_or(self.shortest_days);
        self.longest_days = longest.unwrap_or(self.longest_days);
        let kept = self
            .usual_days
            .min(self.longest_days)
            .max(self.shortest_days);
        self.usual_days = usual.unwrap_or(kept);
    }

    /// Refuses a definition that is not a part of its parent.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of its members.
    pub fn check(&self, class: impl Fn(&ActionName) -> ActionClass) -> Result<(), InvalidScope> {
        if let Ok(built_in) = self.name.parse() {
            return Err(InvalidScope::BuiltIn(built_in));
        }
        let (parent, profile) = (self.parent, self.parent.profile());
        if profile.holder != Holder::Identity {
            return Err(InvalidScope::Parent(parent));
        }
        if self.actions.is_empty() {
            return Err(InvalidScope::Empty);
        }
        let beyond = |action: &&ActionName| !parent.bundles(action, class(action));
        if let Some(action) = self.actions.iter().find(beyond) {
            return Err(InvalidScope::Beyond {
                action: action.clone(),
                parent,
                bundled: bundled(parent),
            });
        }
        let (shortest, longest) = (days(profile.shortest), days(profile.longest));
        let within = |member, days: i64, least, most| match (least..=most).contains(&days) {
            true => Ok(()),
            false => Err(InvalidScope::Life {
                member,
                days,
                least,
                most,
            }),
        };
        within("shortest_days", self.shortest_days, shortest, longest)?;
        within(
            "longest_days",
            self.longest_days,
            self.shortest_days,
            longest,
        )?;
        within(
            "usual_days",
            self.usual_days,
            self.shortest_days,
            self.longest_days,
        )
    }

    /// Whether it leaves a token of its parent this action. The parent is asked too: what an action is may have changed since
    /// the definition was made.
    #[must_use]
    pub fn leaves(&self, action: &ActionName, class: ActionClass) -> bool {
        self.actions.contains(action) && self.parent.bundles(action, class)
    }

    /// The longest life of a token.
    #[must_use]
    pub const fn longest(&self) -> Seconds {
        Seconds::days(self.longest_days)
    }
}

fn days(life: Seconds) -> i64 {
    life.0 / 86_400
}

fn bundled(parent: Scope) -> String {
    match parent.profile().bundle {
        Bundle::Listed(names) => {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        }
        Bundle::EveryRead => "every action of class `read`".to_owned(),
        Bundle::Every => "every action".to_owned(),
        Bundle::OfThePerson => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::BUILT_IN;

    fn doc(parent: Scope, actions: &[&str]) -> ScopeDoc {
        let actions = actions.iter().map(|name| name.parse().unwrap()).collect();
        ScopeDoc::new("own".parse().unwrap(), parent, actions)
    }

    fn class(action: &ActionName) -> ActionClass {
        let known = BUILT_IN.iter().find(|one| one.name == action.as_str());
        known.map_or(ActionClass::Irreversible, |known| known.class)
    }

    #[test]
    fn invariant_4_a_defined_scope_is_a_part_of_a_built_in_scope_of_identities() {
        assert_eq!(doc(Scope::Sensor, &["event.create"]).check(class), Ok(()));
        assert_eq!(doc(Scope::Readonly, &["metrics.read"]).check(class), Ok(()));
        for (parent, actions) in [
            (Scope::Sensor, &["event.create", "action.execute"][..]),
            (Scope::Webhook, &["rule.read"]),
            (Scope::Readonly, &["event.create"]),
            (Scope::Readonly, &["made.up.read"]),
        ] {
            let refused = doc(parent, actions).check(class).unwrap_err();
            assert!(
                matches!(refused, InvalidScope::Beyond { .. }),
                "{parent}: {refused}"
            );
            assert_eq!(refused.member(), "actions");
        }
        for parent in [Scope::ActionExecution, Scope::Admin, Scope::User] {
            let refused = doc(parent, &["execution.read"]).check(class);
            assert_eq!(refused, Err(InvalidScope::Parent(parent)));
        }
        assert_eq!(
            doc(Scope::Sensor, &[]).check(class),
            Err(InvalidScope::Empty)
        );
        for built_in in Scope::ALL {
            let mut own = doc(Scope::Sensor, &["event.create"]);
            own.name = built_in.as_str().parse().unwrap();
            assert_eq!(own.check(class), Err(InvalidScope::BuiltIn(built_in)));
        }
    }

    #[test]
    fn t34_the_lives_of_a_defined_scope_lie_within_those_of_its_parent() {
        let with = |parent, shortest, longest, usual| {
            let mut own = doc(parent, &["event.create"]);
            own.state_days(shortest, longest, usual);
            own
        };
        let own = with(Scope::Sensor, None, Some(30), None);
        assert_eq!((own.shortest_days, own.usual_days), (1, 30));
        assert_eq!(own.check(class), Ok(()));
        assert_eq!(own.longest(), Seconds::days(30));
        for (own, member) in [
            (with(Scope::Sensor, None, Some(91), None), "longest_days"),
            (with(Scope::Sensor, Some(0), None, None), "shortest_days"),
            (with(Scope::Webhook, Some(89), None, None), "shortest_days"),
            (with(Scope::Webhook, None, Some(366), None), "longest_days"),
            (
                with(Scope::Sensor, Some(20), Some(10), None),
                "longest_days",
            ),
            (with(Scope::Sensor, None, Some(30), Some(31)), "usual_days"),
            (with(Scope::Sensor, Some(20), None, Some(19)), "usual_days"),
            (
                with(Scope::Sensor, None, Some(i64::MAX), None),
                "longest_days",
            ),
        ] {
            assert_eq!(own.check(class).unwrap_err().member(), member, "{own:?}");
        }
    }

    #[test]
    fn what_an_action_became_since_counts() {
        let own = doc(Scope::Readonly, &["case.read"]);
        let action = "case.read".parse().unwrap();
        assert!(own.leaves(&action, ActionClass::Read));
        assert!(!own.leaves(&action, ActionClass::Reversible));
        assert!(!own.leaves(&"metrics.read".parse().unwrap(), ActionClass::Read));
    }
}
