//! Guard rails.

use countersign_model::{
    name::PolicyName,
    registry::{Doc, PolicyDoc},
};

use super::{Desire, Entry};
use crate::{
    manifest::{PolicyManifest, Resolver},
    policy::GuardRails,
};

impl<R: Resolver> Desire<'_, R> {
    pub(super) fn policy(&mut self, entry: &Entry<'_>, manifest: &PolicyManifest) -> Option<Doc> {
        let name: PolicyName = self.read(entry, &manifest.name)?;
        let cedar = manifest.cedar.value.clone();
        match GuardRails::compile(&[(name.clone(), cedar.clone())]) {
            Ok(rails) => {
                for action in rails.named_actions() {
                    self.check_known(entry, manifest.cedar.place(), action);
                }
            }
            Err(error) => {
                let message = format!(
                    "line {}, column {} of the policy: {}",
                    error.line, error.column, error.message
                );
                self.error(entry, manifest.cedar.place(), message);
            }
        }
        let current = entry.current.as_ref().and_then(|record| record.policy());
        let description = manifest
            .description
            .clone()
            .or_else(|| Some(current?.description.clone()));
        Some(
            PolicyDoc {
                name,
                cedar,
                description: description.unwrap_or_default(),
            }
            .into(),
        )
    }
}
