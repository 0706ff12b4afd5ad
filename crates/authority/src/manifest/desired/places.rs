//! Environments, actions and audiences.

use countersign_model::{
    name::{ActionName, AudienceName, EnvironmentName},
    registry::{ActionDoc, AudienceDoc, Doc, EnvironmentDoc, Noun, SigningAlg},
};

use super::{Desire, Entry, word};
use crate::manifest::{ActionManifest, AudienceManifest, EnvironmentManifest, Resolver};

impl<R: Resolver> Desire<'_, R> {
    pub(super) fn environment(
        &mut self,
        entry: &Entry<'_>,
        manifest: &EnvironmentManifest,
    ) -> Option<Doc> {
        let name: EnvironmentName = self.read(entry, &manifest.name)?;
        let current = entry
            .current
            .as_ref()
            .and_then(|record| record.environment());
        let protected = manifest
            .protected
            .or(current.map(|doc| doc.protected))
            .unwrap_or_default();
        let description = manifest
            .description
            .clone()
            .or_else(|| Some(current?.description.clone()));
        Some(
            EnvironmentDoc {
                name,
                protected,
                description: description.unwrap_or_default(),
            }
            .into(),
        )
    }

    pub(super) fn action(&mut self, entry: &Entry<'_>, manifest: &ActionManifest) -> Option<Doc> {
        let name: ActionName = self.read(entry, &manifest.name)?;
        let current = entry.current.as_ref().and_then(|record| record.action());
        let group = manifest
            .group
            .clone()
            .or_else(|| Some(current?.group.clone()));
        let description = manifest
            .description
            .clone()
            .or_else(|| Some(current?.description.clone()));
        let (group, description) = (group.unwrap_or_default(), description.unwrap_or_default());
        Some(
            ActionDoc {
                name,
                class: word(&manifest.class)?,
                group,
                description,
            }
            .into(),
        )
    }

    pub(super) fn audience(
        &mut self,
        entry: &Entry<'_>,
        manifest: &AudienceManifest,
    ) -> Result<Option<AudienceDoc>, R::Stop> {
        let Some(name) = self.read::<AudienceName>(entry, &manifest.name) else {
            return Ok(None);
        };
        let mut doc = match entry.current.as_ref().and_then(|record| record.audience()) {
            Some(current) => current.clone(),
            None => AudienceDoc {
                name,
                signing_alg: SigningAlg::default(),
                served_by: Vec::new(),
                max_feed_age_seconds: FEED_AGE_SECONDS,
                max_feed_age_irreversible_seconds: IRREVERSIBLE_FEED_AGE_SECONDS,
                description: String::new(),
            },
        };
        if let Some(alg) = manifest.signing_alg.as_ref().and_then(word) {
            doc.signing_alg = alg;
        }
        if let Some(served_by) = &manifest.served_by {
            doc.served_by = self.find_all(entry, Noun::Identity, served_by)?;
        }
        if let Some(seconds) = &manifest.max_feed_age_seconds {
            doc.max_feed_age_seconds = seconds.value;
        }
        if let Some(seconds) = &manifest.max_feed_age_irreversible_seconds {
            doc.max_feed_age_irreversible_seconds = seconds.value;
        }
        if doc.max_feed_age_irreversible_seconds > doc.max_feed_age_seconds {
            let stated = manifest
                .max_feed_age_irreversible_seconds
                .as_ref()
                .or(manifest.max_feed_age_seconds.as_ref());
            let place = stated.map_or(manifest.name.place(), |seconds| seconds.place());
            self.error(
                entry,
                place,
                "for irreversible actions the feed must be at least as fresh as for the others",
            );
        }
        if let Some(description) = &manifest.description {
            doc.description.clone_from(description);
        }
        Ok(Some(doc))
    }
}

/// The defaults of the model's document.
const FEED_AGE_SECONDS: i64 = 30;
const IRREVERSIBLE_FEED_AGE_SECONDS: i64 = 5;
