//! Observed accounts: what another system exports about an account, kept beside our identities until one replaces it.
//!
//! INVARIANT: an observed account proves nothing and asks for nothing. It has no credential, no client id and no
//! subject, so no grant can name it: no token is ever issued for one.

mod sign_ins;

use serde::{Deserialize, Serialize};

pub use sign_ins::{SignIn, SignInTally, SignIns};

use super::{Party, Relation};
use crate::{
    id::{self, Id},
    time::Timestamp,
};

/// An account of another system, as an import brought it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedAccountDoc {
    /// The system that it is in, for instance `github`.
    pub system: String,
    /// Its immutable id there.
    pub external_id: String,
    /// What the newest export says about it.
    pub facts: ObservedFacts,
    /// How it signs in, as far as sign-ins were imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_ins: Option<SignIns>,
    /// Who could answer for it, and has not yet said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<ProposedSponsor>,
    /// Who said that they do not answer for it, the last few: an import proposes none of them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declined: Vec<Party>,
    /// Who answers for it: nobody until somebody who was proposed confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<Party>,
    /// The identity that was made to take its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Replaced>,
    /// Where that is from, now.
    pub provenance: Provenance,
}

/// What an export says about an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObservedFacts {
    /// What people call it there.
    pub label: String,
    /// Whether a person or a program has it there.
    pub account_type: AccountType,
    /// What it is there, for instance `deploy key`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub form: String,
    /// In what it is there: a namespace, a repository, an organisation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// Whose it is there, in the words of that system.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// What it may do there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub privileges: Vec<String>,
    /// Since when it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last used there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Since when its oldest live secret is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_since: Option<Timestamp>,
    /// When its secret ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ends_at: Option<Timestamp>,
    /// When a key for programs of it was last used, where it also signs in like a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_key_used_at: Option<Timestamp>,
    /// Whether it is switched off there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// Who has an account in another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountType {
    /// One person.
    Person,
    /// A program.
    Program,
    /// Several people, as the export itself says.
    Shared,
    /// The export does not say.
    #[default]
    Unknown,
}

impl AccountType {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Person, Self::Program, Self::Shared, Self::Unknown];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Program => "program",
            Self::Shared => "shared",
            Self::Unknown => "unknown",
        }
    }
}

/// Somebody who could answer for an observed account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedSponsor {
    /// Who.
    pub party: Party,
    /// By whom: who imported it, or named them.
    pub by: Id<id::User>,
    /// When.
    pub at: Timestamp,
}

/// What took the place of an observed account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The identity.
    pub identity_id: Id<id::Identity>,
    /// When.
    pub at: Timestamp,
}

/// Where an observed account is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The form of the file.
    pub format: ImportFormat,
    /// What the file was called.
    pub file_name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub file_digest: String,
    /// The line, or for JSON the entry, that says it; counted from one.
    pub line: u32,
    /// Who imported it last.
    pub imported_by: Id<id::User>,
    /// When.
    pub imported_at: Timestamp,
}

/// The form of a file that is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportFormat {
    /// Accounts, an AWS credential report, or sign-ins, with one line of names first.
    Csv,
    /// Installations, deploy keys, personal access tokens or an audit log, as GitHub's API answers them.
    Github,
    /// Service accounts, as `kubectl get serviceaccounts -o json` writes them.
    Kubernetes,
}

impl ImportFormat {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Github, Self::Kubernetes];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Github => "github",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// How many who declined are remembered: an import proposes one at a time, and so many in turn are no accident.
const DECLINED: usize = 16;

/// Whether a text stands behind an apostrophe in a cell of CSV: a spreadsheet would take it for a formula (T29), or for one
/// that is guarded already.
#[must_use]
pub fn needs_guard(text: &str) -> bool {
    let bare = text.trim_start_matches(['\'', ' ', '\u{feff}']);
    bare.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '|'])
}

impl ObservedAccountDoc {
    /// Notes that somebody does not answer for it.
    pub fn note_declined(&mut self, party: Party) {
        self.declined.retain(|one| *one != party);
        let spare = (self.declined.len() + 1).saturating_sub(DECLINED);
        self.declined.drain(..spare);
        self.declined.push(party);
    }

    /// The record's name: system and id there, which no other account has.
    #[must_use]
    pub fn key(system: &str, external_id: &str) -> String {
        format!("{system}:{external_id}")
    }

    /// When it was last seen in use: by the export, or by the newest sign-in.
    #[must_use]
    pub fn last_used_at(&self) -> Option<Timestamp> {
        let sign_in = self.sign_ins.as_ref().map(|sign_ins| sign_ins.last_at);
        self.facts.last_used_at.max(sign_in)
    }

    /// The records that it names by id.
    #[must_use]
    pub fn names(&self) -> Vec<Id<id::Record>> {
        let mut names = vec![self.provenance.imported_by.cast()];
        names.extend(self.sponsor.map(Party::record_id));
        if let Some(proposed) = &self.proposed {
            names.extend([proposed.party.record_id(), proposed.by.cast()]);
        }
        names.extend(
            self.replaced_by
                .iter()
                .map(|by| by.identity_id.cast::<id::Record>()),
        );
        names
    }

    pub(super) fn links(&self) -> Vec<(Relation, Id<id::Record>)> {
        let sponsor = self.sponsor.iter();
        sponsor
            .map(|party| (Relation::Observed, party.record_id()))
            .collect()
    }
}
