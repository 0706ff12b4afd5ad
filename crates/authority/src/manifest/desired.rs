//! What the registry should hold: documents resolved to records, with defaults where they are silent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    str::FromStr,
    sync::Arc,
};

use countersign_model::{
    Id, Timestamp,
    action::ActionSet,
    id,
    name::{ActionName, EnvironmentName},
    registry::{Doc, Noun, Party, Record, Status},
};

use super::{Diagnostic, Document, Located, Place, Resolver, Source, named::Names};
use crate::policy::{Catalogue, nearest};

mod identity;
mod issuer;
mod pack;
mod people;
mod places;
mod policy;
mod scope;
mod trust;

/// Who applies, and what stands where documents are silent.
#[derive(Debug, Clone)]
pub struct Applying<'a> {
    /// Who applies: answers for and manages what names nobody else.
    pub user_id: Id<id::User>,
    /// Where identities without a project go: `--project`, else the user's personal project.
    pub default_project: Id<id::Project>,
    /// Who answers for identities without a sponsor, `--sponsor`: an e-mail address or `team:NAME`.
    pub default_sponsor: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
    /// The trust domain in the subjects of workloads.
    pub trust_domain: &'a str,
    /// Whether an action outside the catalogue is an error.
    pub refuse_unknown_actions: bool,
    /// The files that documents name in `jwks_file`, as the command line sent them.
    pub files: &'a BTreeMap<String, String>,
}

/// One document and the record that it is about.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub source: &'a Source,
    pub place: Place,
    pub document: &'a Document,
    pub noun: Noun,
    pub name: String,
    pub id: Id<id::Record>,
    pub current: Option<Arc<Record>>,
}

/// Everything that turning documents into records needs, and what it found.
pub(super) struct Desire<'a, R: Resolver> {
    pub resolver: &'a R,
    pub applying: &'a Applying<'a>,
    /// The tenant's actions and those of the documents.
    pub catalogue: Catalogue,
    /// The records of the documents, by noun and name.
    pub by_name: BTreeMap<(Noun, String), Id<id::Record>>,
    /// The same, by id.
    pub names: BTreeMap<Id<id::Record>, String>,
    /// What was made of the documents so far.
    pub docs: BTreeMap<Id<id::Record>, Doc>,
    /// The records that the documents make.
    pub is_new: BTreeSet<Id<id::Record>>,
    /// The environments of the registry and the documents; true for those protected in either.
    pub environments: BTreeMap<EnvironmentName, bool>,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

impl<'a, R: Resolver> Desire<'a, R> {
    /// What the document wants its record to be; nothing when an error was found on the way.
    pub(super) fn doc(&mut self, entry: &Entry<'_>) -> Result<Option<Doc>, R::Stop> {
        let errors = self.errors.len();
        let doc = match entry.document {
            Document::Action(manifest) => self.action(entry, manifest),
            Document::Audience(manifest) => self.audience(entry, manifest)?.map(Doc::from),
            Document::Environment(manifest) => self.environment(entry, manifest),
            Document::Identity(manifest) | Document::PipelineIdentity(manifest) => {
                self.identity(entry, manifest)?.map(Doc::from)
            }
            Document::Issuer(manifest) => self.issuer(entry, manifest),
            Document::Pack(manifest) => self.pack(entry, manifest)?.map(Doc::from),
            Document::Policy(manifest) => self.policy(entry, manifest),
            Document::Project(manifest) => self.project(entry, manifest)?.map(Doc::from),
            Document::Scope(manifest) => self.scope(entry, manifest),
            Document::Team(manifest) => self.team(entry, manifest)?.map(Doc::from),
        };
        Ok(doc.filter(|_| self.errors.len() == errors))
    }

    /// The environments that are protected now or will be.
    pub(super) fn protected(&self) -> BTreeSet<EnvironmentName> {
        self.environments
            .iter()
            .filter(|(_, protected)| **protected)
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(super) fn error(&mut self, entry: &Entry<'_>, place: Place, message: impl Into<String>) {
        self.errors.push(entry.source.at(place, message));
    }

    pub(super) fn warn(&mut self, entry: &Entry<'_>, place: Place, message: impl Into<String>) {
        self.warnings.push(entry.source.at(place, message));
    }

    /// A file that a document names: beside the document, or as it was sent.
    fn attached(&self, entry: &Entry<'_>, file: &str) -> Option<&'a String> {
        let beside = entry.source.file().rsplit_once('/');
        let beside = beside
            .and_then(|(directory, _)| self.applying.files.get(&format!("{directory}/{file}")));
        beside.or_else(|| self.applying.files.get(file))
    }

    /// Reads a name; a bad one is an error at its place.
    fn read<T: FromStr<Err: Display>>(
        &mut self,
        entry: &Entry<'_>,
        text: &Located<String>,
    ) -> Option<T> {
        match text.value.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(entry, text.place(), error.to_string());
                None
            }
        }
    }

    fn read_all<T: FromStr<Err: Display> + PartialEq>(
        &mut self,
        entry: &Entry<'_>,
        texts: &[Located<String>],
    ) -> Vec<T> {
        let mut values = Vec::with_capacity(texts.len());
        for text in texts {
            if let Some(value) = self.read(entry, text)
                && !values.contains(&value)
            {
                values.push(value);
            }
        }
        values
    }

    /// Reads actions. One that is not in the catalogue is a warning, or an error when the tenant
    /// says so; either names the nearest.
    fn actions(&mut self, entry: &Entry<'_>, texts: &[Located<String>]) -> ActionSet {
        let mut actions = ActionSet::default();
        for text in texts {
            let Ok(action) = text.value.parse::<ActionName>() else {
                let error = text
                    .value
                    .parse::<ActionName>()
                    .err()
                    .map(|error| error.to_string())
                    .unwrap_or_default();
                let near = self
                    .catalogue
                    .nearest(&text.value)
                    .map(did_you_mean)
                    .unwrap_or_default();
                self.error(entry, text.place(), format!("{error}{near}"));
                continue;
            };
            self.check_known(entry, text.place(), &action);
            actions.0.insert(action);
        }
        actions
    }

    /// Says so when an action is not in the catalogue.
    fn check_known(&mut self, entry: &Entry<'_>, place: Place, action: &str) {
        if self.catalogue.knows(action) {
            return;
        }
        let near = self
            .catalogue
            .nearest(action)
            .map(did_you_mean)
            .unwrap_or_default();
        let unknown = format!("unknown action `{action}`");
        if self.applying.refuse_unknown_actions {
            self.error(entry, place, format!("{unknown}{near}"));
        } else {
            self.warn(
                entry,
                place,
                format!("{unknown}, which counts as irreversible{near}"),
            );
        }
    }

    /// Reads environments. One that nobody registered is an error, as where it is applied: nobody said whether it is
    /// protected. Where the identity may act already it may go on.
    fn places(
        &mut self,
        entry: &Entry<'_>,
        texts: &[Located<String>],
        before: &[EnvironmentName],
    ) -> Vec<EnvironmentName> {
        for text in texts {
            let stays = before.iter().any(|name| name.as_str() == text.value);
            if !stays && !self.environments.contains_key(text.value.as_str()) {
                let near = nearest(
                    &text.value,
                    self.environments.keys().map(|name| name.as_str()),
                );
                let near = near.map(did_you_mean).unwrap_or_default();
                let name = &text.value;
                let message = match name.parse::<EnvironmentName>() {
                    Ok(_) => format!(
                        "environment `{name}` is not registered{near}; an owner of the tenant makes it: \
                         `countersign environment create {name}`"
                    ),
                    // What is wrong with the name is said below.
                    Err(_) => continue,
                };
                self.error(entry, text.place(), message);
            }
        }
        self.read_all(entry, texts)
    }

    /// The record of a name, in the documents or in the registry; an unknown one is an error.
    fn find(
        &mut self,
        entry: &Entry<'_>,
        noun: Noun,
        name: &Located<String>,
    ) -> Result<Option<Id<id::Record>>, R::Stop> {
        if let Some(id) = self.by_name.get(&(noun, name.value.clone())) {
            return Ok(Some(*id));
        }
        match self.resolver.named(noun, &name.value)? {
            Some(record) if record.noun == noun && record.status != Status::Deleted => {
                Ok(Some(record.id))
            }
            Some(_) | None => {
                let living = self.resolver.all(noun)?;
                let living = living
                    .iter()
                    .filter(|record| record.status != Status::Deleted);
                let planned = self
                    .by_name
                    .keys()
                    .filter(|(other, _)| *other == noun)
                    .map(|(_, name)| name.as_str());
                let near = nearest(
                    &name.value,
                    planned.chain(living.map(|record| record.name.as_str())),
                );
                let near = near.map(did_you_mean).unwrap_or_default();
                let message = format!(
                    "there is no {} `{}`{near}",
                    noun.as_str().replace('_', " "),
                    name.value
                );
                self.error(entry, name.place(), message);
                Ok(None)
            }
        }
    }

    fn find_all<K: id::Kind>(
        &mut self,
        entry: &Entry<'_>,
        noun: Noun,
        names: &[Located<String>],
    ) -> Result<Vec<Id<K>>, R::Stop> {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            if let Some(id) = self.find(entry, noun, name)?
                && !ids.contains(&id.cast())
            {
                ids.push(id.cast());
            }
        }
        Ok(ids)
    }

    /// A user or, as `team:NAME`, a team.
    fn party(
        &mut self,
        entry: &Entry<'_>,
        text: &Located<String>,
    ) -> Result<Option<Party>, R::Stop> {
        Ok(match text.value.strip_prefix("team:") {
            Some(team) => {
                let team = Located::new(team.to_owned(), text.place());
                self.find(entry, Noun::Team, &team)?
                    .map(|id| Party::Team(id.cast()))
            }
            None => self
                .find(entry, Noun::User, text)?
                .map(|id| Party::User(id.cast())),
        })
    }

    fn parties(
        &mut self,
        entry: &Entry<'_>,
        texts: &[Located<String>],
    ) -> Result<Vec<Party>, R::Stop> {
        let mut parties = Vec::with_capacity(texts.len());
        for text in texts {
            if let Some(party) = self.party(entry, text)?
                && !parties.contains(&party)
            {
                parties.push(party);
            }
        }
        Ok(parties)
    }

    /// The document of a record, in the documents or in the registry.
    pub(super) fn doc_of(&self, id: Id<id::Record>) -> Result<Option<Doc>, R::Stop> {
        match self.docs.get(&id) {
            Some(doc) => Ok(Some(doc.clone())),
            None => Ok(self.resolver.record(id)?.map(|record| record.doc.clone())),
        }
    }
}

impl<R: Resolver> Names for Desire<'_, R> {
    type Stop = R::Stop;

    fn name(&self, id: Id<id::Record>) -> Result<String, R::Stop> {
        match self.names.get(&id) {
            Some(name) => Ok(name.clone()),
            None => record_name(self.resolver, id),
        }
    }
}

/// The name of a record as documents write it.
pub(super) fn record_name<R: Resolver>(
    resolver: &R,
    id: Id<id::Record>,
) -> Result<String, R::Stop> {
    Ok(match resolver.record(id)? {
        Some(record) => match &record.doc {
            Doc::User(user) => user.email.to_string(),
            _ => record.name.clone(),
        },
        None => id.to_string(),
    })
}

/// A word of an enumeration. The schema has already refused what is none.
fn word<T: serde::de::DeserializeOwned>(text: &Located<String>) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text.value.clone())).ok()
}

fn did_you_mean(near: &str) -> String {
    format!("; did you mean `{near}`?")
}
