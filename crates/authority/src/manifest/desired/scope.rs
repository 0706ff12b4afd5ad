//! Scopes of the organisation.

use countersign_model::{
    name::{ActionName, ScopeWord},
    registry::{Doc, InvalidScope, ScopeDoc},
    scope::Scope,
};

use super::{Desire, Entry};
use crate::manifest::{Place, Resolver, ScopeManifest};

impl<R: Resolver> Desire<'_, R> {
    pub(super) fn scope(&mut self, entry: &Entry<'_>, manifest: &ScopeManifest) -> Option<Doc> {
        let name: Option<ScopeWord> = self.read(entry, &manifest.name);
        let parent: Option<Scope> = self.read(entry, &manifest.parent);
        let actions = self.actions(entry, &manifest.actions.value);
        let (name, parent) = (name?, parent?);
        let mut doc = match entry.current.as_ref().and_then(|record| record.scope()) {
            Some(current) => ScopeDoc {
                actions,
                ..current.clone()
            },
            None => ScopeDoc::new(name, parent, actions),
        };
        if doc.parent != parent {
            let detail = format!(
                "`{}` is a part of `{}`, and stays one: define another scope",
                doc.name, doc.parent
            );
            self.error(entry, manifest.parent.place(), detail);
            return None;
        }
        let [shortest, longest, usual] = [
            &manifest.shortest_days,
            &manifest.longest_days,
            &manifest.usual_days,
        ]
        .map(|days| days.as_ref().map(|days| days.value));
        doc.state_days(shortest, longest, usual);
        if let Some(description) = &manifest.description {
            doc.description.clone_from(description);
        }
        match doc.check(|action| self.catalogue.class(action)) {
            Ok(()) => Some(doc.into()),
            Err(invalid) => {
                let place = place(manifest, &invalid);
                self.error(entry, place, format!("`{}`: {invalid}", invalid.member()));
                None
            }
        }
    }
}

/// Where the document says what is wrong: the action itself, or the member; the name when it does not say it.
fn place(manifest: &ScopeManifest, invalid: &InvalidScope) -> Place {
    let stated = match invalid {
        InvalidScope::Beyond { action, .. } => {
            let is = |text: &str| text.parse::<ActionName>().as_ref() == Ok(action);
            let mut texts = manifest.actions.value.iter();
            texts.find(|text| is(&text.value)).map(|text| text.place())
        }
        InvalidScope::Empty => Some(manifest.actions.place()),
        InvalidScope::Life { member, .. } => {
            let stated = match *member {
                "shortest_days" => &manifest.shortest_days,
                "longest_days" => &manifest.longest_days,
                _ => &manifest.usual_days,
            };
            stated.as_ref().map(|days| days.place())
        }
        InvalidScope::Parent(_) => Some(manifest.parent.place()),
        InvalidScope::BuiltIn(_) => None,
    };
    stated.unwrap_or_else(|| manifest.name.place())
}
