//! Observed accounts: those of other systems, brought in by imports and marked as such. They never get a token.

use countersign_model::registry::{AccountType, ImportFormat};
use serde::{Deserialize, Serialize};

use crate::{
    findings::Finding,
    reference::{Meta, NameOrId, PartyRef, Ref},
    time::Time,
};

/// An account of another system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ObservedAccount {
    /// What every record says. Its name is system and id there.
    #[serde(flatten)]
    pub meta: Meta,
    /// Always true: it is on record because another system has it, and it gets no token here.
    pub observed: bool,
    /// The system that it is in.
    pub system: String,
    /// Its immutable id there.
    pub external_id: String,
    /// What people call it there.
    pub label: String,
    /// Who has it there.
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
    pub made_there_at: Option<Time>,
    /// When it was last used there, as far as exports say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    /// Since when its oldest live secret is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_since: Option<Time>,
    /// When its secret ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ends_at: Option<Time>,
    /// Whether it is switched off there.
    #[serde(default)]
    pub disabled_there: bool,
    /// How it signs in, as far as sign-ins were imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_ins: Option<SignIns>,
    /// Who answers for it; nobody until who was proposed confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<PartyRef>,
    /// Who could answer for it and has not yet said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<PartyRef>,
    /// The identity that takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Ref>,
    /// Where that is from.
    pub provenance: Provenance,
    /// What is weak about it, the most urgent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// What many sign-ins of one account have in common: counts, and no address or device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignIns {
    /// How many.
    pub count: u32,
    /// The first.
    pub first_at: Time,
    /// The last.
    pub last_at: Time,
    /// In how many of the 24 hours of the day (UTC), the most within three days.
    pub hours_of_day: u32,
    /// The most within one hour of the clock.
    pub busiest_hour: u32,
    /// How many a program made.
    pub by_program: u32,
    /// What those programs call themselves, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// In how many hours of the clock three or more devices or networks signed in without being programs.
    pub crowded_hours: u32,
}

/// Where an observed account is from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    pub imported_by: Ref,
    /// When.
    pub imported_at: Time,
}

/// A file to import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// Its form.
    pub format: ImportFormat,
    /// What it is called, for whoever asks later where a record is from.
    pub file_name: String,
    /// Its text: at most 8 MiB.
    pub text: String,
    /// The system that it is from; for CSV `csv` when left out, else the form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Networks of CI, such as `192.0.2.0/24`: who signs in from there is a program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ci_networks: Vec<String>,
    /// Whether only to say what would be done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Import {
    /// SHA-256 of the file, in hexadecimal.
    pub file_digest: String,
    /// How many accounts it tells of.
    pub accounts: u32,
    /// How many are new.
    pub made: u32,
    /// About how many something is new.
    pub updated: u32,
    /// How many the same file brought in already.
    pub unchanged: u32,
    /// For how many somebody is proposed who has not confirmed it.
    pub proposed: u32,
    /// The names of the first hundred that are new.
    pub names: Vec<String>,
    /// Whether nothing was done.
    pub dry_run: bool,
}

/// The filters of the list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListObserved {
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only those of this system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Only those that nobody answers for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<bool>,
}

/// Who could answer for an observed account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProposeSponsor {
    /// An e-mail address, handle, id or `team:NAME`.
    pub sponsor: NameOrId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
