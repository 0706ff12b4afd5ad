//! Keys: values that actions read and nobody else. The value itself is in no record.

use serde::{Deserialize, Serialize};

use crate::{
    id::{self, Id},
    name::KeyName,
};

/// As many versions of a value as are kept: who rotates every day can go back a season.
pub const KEPT_VERSIONS: u32 = 100;

/// The longest value, in bytes of UTF-8: a chain of certificates with its key fits, a file store does not.
pub const VALUE_BYTES: usize = 64 * 1024;

/// A key. What it says about its values is their numbers alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDoc {
    /// Its name.
    pub name: KeyName,
    /// Where it lives: only actions of packs of this project can read it.
    pub project_id: Id<id::Project>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The version that is read.
    pub current_version: u32,
    /// The oldest version whose value is kept.
    pub oldest_version: u32,
}

impl KeyDoc {
    /// The key with one more version, and the version whose value is to be deleted for it.
    #[must_use]
    pub fn rotated(&self) -> (Self, Option<u32>) {
        let current = self.current_version.saturating_add(1);
        let full = current.saturating_sub(self.oldest_version) >= KEPT_VERSIONS;
        let oldest = self.oldest_version.saturating_add(u32::from(full));
        let rotated = Self {
            current_version: current,
            oldest_version: oldest,
            ..self.clone()
        };
        (rotated, full.then_some(self.oldest_version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_versions_are_kept() {
        let mut key = KeyDoc {
            name: "billing.database_password".parse().unwrap(),
            project_id: Id::from_bytes([1; 16]),
            description: String::new(),
            current_version: 1,
            oldest_version: 1,
        };
        for version in 2..=100 {
            let (next, over) = key.rotated();
            assert_eq!((next.current_version, over), (version, None));
            key = next;
        }
        let (next, over) = key.rotated();
        assert_eq!(
            (next.current_version, next.oldest_version, over),
            (101, 2, Some(1))
        );
        let (next, over) = next.rotated();
        assert_eq!(
            (next.current_version, next.oldest_version, over),
            (102, 3, Some(2))
        );
    }
}
