//! The scope words of tokens for Countersign's own API: each a named bundle of actions with lifetimes of its own.
//!
//! A bundle is where authority begins, and it only narrows from there: an identity carries those of its actions that it is
//! also allowed, that its project's ceiling leaves, that nothing denies and that no guard rail forbids. An organisation adds
//! to `readonly` by stating an action of class `read` in its catalogue, and makes parts of a scope
//! ([`crate::registry::ScopeDoc`]) that narrow like everything else.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{action::ActionClass, name::ActionName, time::Seconds, token_metadata::TokenMetadata};

mod action_execution;
mod admin;
mod readonly;
mod sensor;
mod user;
mod webhook;

/// What a token is for, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One execution of an action: made inside, dead with the execution.
    ActionExecution,
    /// Everything, for people who administer.
    Admin,
    /// Reads, for monitoring and audits.
    Readonly,
    /// A daemon that watches and creates events.
    Sensor,
    /// A person at a command line.
    User,
    /// An external system that calls in.
    Webhook,
}

/// What one scope is like. Exactly one value for each, in the scope's own file.
#[derive(Debug)]
pub struct ScopeProfile {
    /// The word on the wire.
    pub word: &'static str,
    /// What it is for, one sentence.
    pub purpose: &'static str,
    /// The actions that it bundles.
    pub bundle: Bundle,
    /// Who can hold such a token.
    pub holder: Holder,
    /// The shortest life that can be asked for.
    pub shortest: Seconds,
    /// The longest.
    pub longest: Seconds,
    /// The one when none is asked for.
    pub usual: Seconds,
    /// Whether its holder renews it alone (`POST /api/auth/refresh`).
    pub renewable: bool,
    /// What stands before the token for secret scanners: `sensor_`.
    pub prefix: Option<&'static str>,
    /// What its metadata must say.
    check: fn(&TokenMetadata) -> Result<(), &'static str>,
}

/// The actions of a scope.
#[derive(Debug, Clone, Copy)]
pub enum Bundle {
    /// Every action.
    Every,
    /// Every action of class `read`, those of the organisation among them.
    EveryRead,
    /// These.
    Listed(&'static [&'static str]),
    /// No action: what the person may is looked up each time.
    OfThePerson,
}

/// Who can hold a token of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// An execution of an action; its token is made inside and by no endpoint.
    Execution,
    /// A service account.
    Identity,
    /// A person who signed in.
    Person,
}

/// The word is no scope.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a scope: expected `admin`, `user`, `sensor`, `action_execution`, `webhook` or `readonly`"
)]
pub struct UnknownScope(String);

impl Scope {
    /// Every scope, in alphabetical order.
    pub const ALL: [Self; 6] = [
        Self::ActionExecution,
        Self::Admin,
        Self::Readonly,
        Self::Sensor,
        Self::User,
        Self::Webhook,
    ];

    /// What it is like.
    #[must_use]
    pub const fn profile(self) -> &'static ScopeProfile {
        match self {
            Self::ActionExecution => &action_execution::PROFILE,
            Self::Admin => &admin::PROFILE,
            Self::Readonly => &readonly::PROFILE,
            Self::Sensor => &sensor::PROFILE,
            Self::User => &user::PROFILE,
            Self::Webhook => &webhook::PROFILE,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.profile().word
    }

    /// Whether its bundle has the action.
    #[must_use]
    pub fn bundles(self, action: &ActionName, class: ActionClass) -> bool {
        match self.profile().bundle {
            Bundle::Every => true,
            Bundle::EveryRead => class == ActionClass::Read,
            Bundle::Listed(names) => names.contains(&action.as_str()),
            Bundle::OfThePerson => false,
        }
    }

    /// Refuses metadata that does not say what a token of this scope must say.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(self, metadata: &TokenMetadata) -> Result<(), &'static str> {
        (self.profile().check)(metadata)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == word)
            .ok_or_else(|| {
                UnknownScope(word.chars().take(64).flat_map(char::escape_debug).collect())
            })
    }
}

/// The scope that a prefix before a token states, and the token itself. A JSON Web Token begins with `eyJ`, so that no
/// prefix is ever part of one.
#[must_use]
pub fn split_prefix(token: &str) -> (Option<Scope>, &str) {
    let stated = Scope::ALL.into_iter().find_map(|scope| {
        let rest = token.strip_prefix(scope.profile().prefix?)?;
        Some((scope, rest))
    });
    stated.map_or((None, token), |(scope, rest)| (Some(scope), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::BUILT_IN;

    #[test]
    fn every_scope_parses_as_its_own_word_and_no_other() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            let word = serde_json::to_value(scope).unwrap();
            assert_eq!(word, scope.as_str());
        }
        for word in ["", "Sensor", "sensor ", "root", "sensor webhook"] {
            assert!(word.parse::<Scope>().is_err(), "{word}");
        }
    }

    #[test]
    fn what_a_scope_bundles_is_in_the_catalogue_and_its_lifetimes_fit() {
        for scope in Scope::ALL {
            let profile = scope.profile();
            assert!(profile.shortest.0 > 0, "{scope}");
            assert!(
                (profile.shortest.0..=profile.longest.0).contains(&profile.usual.0),
                "{scope}"
            );
            if let Bundle::Listed(names) = profile.bundle {
                for name in names {
                    assert!(
                        BUILT_IN.iter().any(|action| action.name == *name),
                        "{scope}: {name}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_lifetimes_are_those_that_were_asked_for() {
        let days = |scope: Scope| {
            let profile = scope.profile();
            (profile.shortest.0 / 86_400, profile.longest.0 / 86_400)
        };
        assert_eq!(Scope::Sensor.profile().usual, Seconds::days(90));
        assert_eq!(days(Scope::Sensor).1, 90);
        assert_eq!(days(Scope::User), (7, 30));
        assert_eq!(days(Scope::Webhook), (90, 365));
        let execution = Scope::ActionExecution.profile();
        assert_eq!((execution.shortest.0, execution.longest.0), (300, 3600));
        for scope in Scope::ALL {
            let renewable = matches!(scope, Scope::Sensor | Scope::User);
            assert_eq!(scope.profile().renewable, renewable, "{scope}");
        }
    }

    #[test]
    fn readonly_bundles_no_action_that_changes_anything() {
        for action in BUILT_IN {
            let bundled = Scope::Readonly.bundles(&action.name.parse().unwrap(), action.class);
            assert_eq!(
                bundled,
                action.class == ActionClass::Read,
                "{}",
                action.name
            );
        }
        assert!(!Scope::User.bundles(&"case.read".parse().unwrap(), ActionClass::Read));
    }

    #[test]
    fn a_prefix_is_taken_off_once() {
        assert_eq!(
            split_prefix("sensor_eyJ.a.b"),
            (Some(Scope::Sensor), "eyJ.a.b")
        );
        assert_eq!(split_prefix("webhook_eyJ"), (Some(Scope::Webhook), "eyJ"));
        assert_eq!(split_prefix("user_eyJ"), (Some(Scope::User), "eyJ"));
        assert_eq!(split_prefix("eyJ.a.b"), (None, "eyJ.a.b"));
        assert_eq!(
            split_prefix("sensor_user_eyJ"),
            (Some(Scope::Sensor), "user_eyJ")
        );
        assert_eq!(split_prefix("admin_eyJ"), (None, "admin_eyJ"));
    }
}
