//! The records that the documents are about, in the order in which they can be made.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_model::{
    Id, id,
    name::EnvironmentName,
    registry::{ActionDoc, Noun, Record, Status},
};

use crate::manifest::{
    Applying, Document, Located, Resolver, SourcedDocument,
    desired::{Desire, Entry},
};

/// Finds the record of each document, and gives an id to each that is new.
pub(super) fn collect<'a, R: Resolver>(
    documents: &'a [SourcedDocument],
    resolver: &'a R,
    applying: &'a Applying<'a>,
    mut new_id: impl FnMut() -> Id<id::Record>,
) -> Result<(Vec<Entry<'a>>, Desire<'a, R>), R::Stop> {
    let mut desire = Desire {
        resolver,
        applying,
        catalogue: resolver
            .catalogue()?
            .with(documents.iter().filter_map(action)),
        by_name: BTreeMap::new(),
        names: BTreeMap::new(),
        docs: BTreeMap::new(),
        is_new: BTreeSet::new(),
        environments: environments(documents, resolver)?,
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    let mut entries = Vec::with_capacity(documents.len());
    for SourcedDocument {
        source,
        place,
        document,
    } in documents
    {
        let (noun, name) = subject(document);
        let found = resolver
            .named(noun, &name.value)?
            .filter(|record| record.noun == noun);
        let current = found
            .clone()
            .filter(|record| record.status != Status::Deleted && record.name == name.value);
        let id = current
            .as_ref()
            .map_or_else(&mut new_id, |record| record.id);
        let entry = Entry {
            source,
            place: *place,
            document,
            noun,
            name: name.value.clone(),
            id,
            current,
        };
        if let Some(taken) = found
            .as_ref()
            .filter(|_| entry.current.is_none())
            .and_then(|record| taken(record))
        {
            desire.error(&entry, name.place(), taken);
        }
        if desire
            .by_name
            .insert((noun, entry.name.clone()), id)
            .is_some()
        {
            desire.error(
                &entry,
                name.place(),
                format!(
                    "there are two documents of {} `{}`",
                    noun.as_str(),
                    entry.name
                ),
            );
        }
        if entry.current.is_none() {
            desire.is_new.insert(id);
        }
        desire.names.insert(id, entry.name.clone());
        entries.push(entry);
    }
    entries.sort_by_key(|entry| rank(entry.noun));
    Ok((entries, desire))
}

/// The noun of a document, and the name of its record.
pub(in crate::manifest) fn subject(document: &Document) -> (Noun, &Located<String>) {
    match document {
        Document::Action(action) => (Noun::Action, &action.name),
        Document::Audience(audience) => (Noun::Audience, &audience.name),
        Document::Environment(environment) => (Noun::Environment, &environment.name),
        Document::Identity(identity) | Document::PipelineIdentity(identity) => {
            (Noun::Identity, &identity.name)
        }
        Document::Issuer(issuer) => (Noun::Issuer, &issuer.url),
        Document::Pack(pack) => (Noun::Pack, &pack.name),
        Document::Policy(policy) => (Noun::Policy, &policy.name),
        Document::Project(project) => (Noun::Project, &project.name),
        Document::Scope(scope) => (Noun::Scope, &scope.name),
        Document::Team(team) => (Noun::Team, &team.name),
    }
}

/// What refers comes after what it refers to.
pub(in crate::manifest) const fn rank(noun: Noun) -> u8 {
    match noun {
        Noun::Environment => 0,
        Noun::Action => 1,
        Noun::Team => 2,
        Noun::Project => 3,
        Noun::Issuer => 4,
        Noun::Audience => 5,
        Noun::Scope => 6,
        Noun::Identity => 7,
        Noun::Policy => 8,
        Noun::Pack => 9,
        Noun::Credential
        | Noun::Key
        | Noun::LinkedAccount
        | Noun::ObservedAccount
        | Noun::Tenant
        | Noun::User => 10,
    }
}

/// Why a name that finds another record, or a dead one, cannot be given out.
fn taken(record: &Record) -> Option<String> {
    match record.noun {
        Noun::Identity if record.status == Status::Deleted => Some(format!(
            "`{}` was the name of an identity that is deleted: it is never given out again",
            record.name
        )),
        Noun::Identity => Some(format!(
            "the name is taken by the identity `{}`",
            record.name
        )),
        _ => None,
    }
}

fn environments<R: Resolver>(
    documents: &[SourcedDocument],
    resolver: &R,
) -> Result<BTreeMap<EnvironmentName, bool>, R::Stop> {
    let registered = resolver.all(Noun::Environment)?;
    let living = registered
        .iter()
        .filter(|record| record.status != Status::Deleted)
        .map(Arc::as_ref);
    let mut environments: BTreeMap<_, _> = living
        .filter_map(Record::environment)
        .map(|doc| (doc.name.clone(), doc.protected))
        .collect();
    for document in documents {
        if let Document::Environment(manifest) = &document.document
            && let Ok(name) = manifest.name.value.parse()
        {
            *environments.entry(name).or_default() |= manifest.protected.unwrap_or_default();
        }
    }
    Ok(environments)
}

fn action(document: &SourcedDocument) -> Option<ActionDoc> {
    let Document::Action(manifest) = &document.document else {
        return None;
    };
    let class = serde_json::from_value(manifest.class.value.clone().into()).ok()?;
    let (name, group) = (
        manifest.name.value.parse().ok()?,
        manifest.group.clone().unwrap_or_default(),
    );
    Some(ActionDoc {
        name,
        class,
        group,
        description: String::new(),
    })
}
