//! Names that people and programs write: each type has one grammar, and parsing is the only door.

use std::{borrow::Borrow, fmt, ops::Deref, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest name, in bytes: long enough for a SPIFFE path, short enough for a table.
pub const NAME_BYTES: usize = 128;

/// A name that breaks its grammar.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{text}` is not {what}: {rule}")]
pub struct InvalidName {
    text: String,
    what: &'static str,
    rule: &'static str,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident $([$most:literal])?: $what:literal, $rule:literal, $check:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(try_from = "String", into = "String")]
            pub struct $name(String);

            impl $name {
                /// The text.
                #[must_use]
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl FromStr for $name {
                type Err = InvalidName;

                fn from_str(text: &str) -> Result<Self, InvalidName> {
                    const MOST: usize = [$($most,)? NAME_BYTES][0];
                    let check: fn(&str) -> bool = $check;
                    if (1..=MOST).contains(&text.len()) && check(text) {
                        Ok(Self(text.to_owned()))
                    } else {
                        Err(InvalidName {
                            text: text.chars().take(64).flat_map(char::escape_debug).collect(),
                            what: $what,
                            rule: $rule,
                        })
                    }
                }
            }

            impl TryFrom<String> for $name {
                type Error = InvalidName;

                fn try_from(text: String) -> Result<Self, InvalidName> {
                    text.parse()
                }
            }

            impl From<$name> for String {
                fn from(name: $name) -> Self {
                    name.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl Deref for $name {
                type Target = str;

                fn deref(&self) -> &str {
                    &self.0
                }
            }

            impl Borrow<str> for $name {
                fn borrow(&self) -> &str {
                    &self.0
                }
            }
        )*
    };
}

names! {
    /// The name of an identity, unique in its tenant across kinds and projects.
    IdentityName: "the name of an identity",
        "lower-case letters, digits and `._:-`, beginning with a letter or digit, at most 128, never `user:`",
        |text| starts_and_holds(text, b"._:-") && !text.starts_with("user:");
    /// The name of a project; a personal one is `~handle`.
    ProjectName: "the name of a project",
        "lower-case letters, digits and `._-`, beginning with a letter or digit (a personal project: `~handle`), at most 128",
        |text| starts_and_holds(text.strip_prefix('~').unwrap_or(text), b"._-");
    /// The short name of a user.
    Handle: "a handle", "lower-case letters, digits and `._-`, beginning with a letter or digit, at most 128",
        |text| starts_and_holds(text, b"._-");
    /// The name of a team.
    TeamName: "the name of a team", "lower-case letters, digits and `._-`, beginning with a letter or digit, at most 128",
        |text| starts_and_holds(text, b"._-");
    /// The name of a tenant, part of its issuer.
    TenantName: "the name of a tenant", "lower-case letters, digits and `-`, beginning with a letter or digit, at most 128",
        |text| starts_and_holds(text, b"-");
    /// The name of a policy.
    PolicyName: "the name of a policy", "lower-case letters, digits and `._-`, beginning with a letter or digit, at most 128",
        |text| starts_and_holds(text, b"._-");
    /// The name of a pack, which stands before the names of its parts: `billing` in `billing.charge`.
    PackName: "the name of a pack", "lower-case letters, digits, `_` and `-`, beginning with a letter or digit, with no dot, at most 60",
        |text| starts_and_holds(text, b"_-") && text.len() <= 60;
    /// The name of a trigger type, action or rule in its pack: `charge` in `billing.charge`.
    PartName: "the name of a part of a pack", "lower-case letters, digits, `_` and `-`, beginning with a letter or digit, with no dot, at most 60",
        |text| starts_and_holds(text, b"_-") && text.len() <= 60;
    /// The name of a key, by which actions read its value: `billing.database_password`.
    KeyName[255]: "the name of a key", "lower-case letters, digits and `._-`, beginning with a letter or digit, at most 255",
        |text| starts_and_holds(text, b"._-");
    /// The name of an environment.
    EnvironmentName: "the name of an environment",
        "lower-case letters, digits and `._-`, beginning with a letter or digit, at most 128",
        |text| starts_and_holds(text, b"._-");
    /// A dotted verb such as `deploy.release`: canonical, with no wildcard in it.
    ActionName: "an action", "two or more dotted parts of lower-case letters, digits, `_` and `-`, such as `deploy.release`, at most 128",
        |text| text.contains('.') && text.split('.').all(|part| starts_and_holds(part, b"_-"));
    /// A scope word (RFC 6749 §3.3); it has no dot, which tells it from an action.
    ScopeWord: "a scope word", "lower-case letters, digits, `_` and `-`, with no dot, at most 128",
        |text| starts_and_holds(text, b"_-");
    /// A role that an identity carries to its resource server.
    RoleName: "a role", "letters, digits and `._:-`, at most 128",
        |text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
    /// The name of a resource server: a plain name or an absolute URI without fragment (RFC 8707 §2).
    AudienceName: "an audience", "a plain name or an absolute URI without fragment, of printable ASCII without spaces, at most 128",
        |text| text.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\<>^`{|}#".contains(&b))
            && (text.contains("://") || starts_and_holds(&text.to_ascii_lowercase(), b"._:/-"));
    /// An e-mail address, lower-case: how a user is addressed, never how one is recognised.
    Email: "an e-mail address", "one `@`, no spaces, lower-case, at most 128",
        |text| text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.contains('@')
        }) && text.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && !b"\"\\<>(),;".contains(&b));
}

fn starts_and_holds(text: &str, also: &[u8]) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().next().is_some_and(plain) && text.bytes().all(|b| plain(b) || also.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_canonical_or_nothing() {
        assert!("deploy.release".parse::<ActionName>().is_ok());
        for bad in [
            "deploy",
            "deploy.",
            ".release",
            "deploy..release",
            "Deploy.release",
            "deploy.*",
            "deploy.releasé",
            "deploy.release ",
        ] {
            assert!(bad.parse::<ActionName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_may_have_a_longer_name_than_others() {
        let long = "k".repeat(255);
        assert!(long.parse::<KeyName>().is_ok());
        assert!(format!("{long}k").parse::<KeyName>().is_err());
        assert!(long.parse::<PolicyName>().is_err());
        for bad in ["", "Key", ".key", "a/b", "a b", "a%2eb", "ключ"] {
            assert!(bad.parse::<KeyName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_identity_never_looks_like_a_user() {
        assert!("sensor:core.timer".parse::<IdentityName>().is_ok());
        assert!("user:dana".parse::<IdentityName>().is_err());
        assert!(
            "a\nb"
                .parse::<IdentityName>()
                .unwrap_err()
                .to_string()
                .contains("\\n")
        );
        assert!(&"a".repeat(129).parse::<IdentityName>().is_err());
    }
}
