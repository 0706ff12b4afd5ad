//! Trust rules: which runs of which foreign issuers are an identity.

use countersign_model::{
    registry::{CredentialType, Doc, IdentityDoc, Noun},
    trust::TrustRule,
};

use super::{Desire, Entry};
use crate::manifest::{Resolver, TrustManifest};

impl<R: Resolver> Desire<'_, R> {
    /// The rules of a document. Issuers and environments are already known.
    pub(in crate::manifest) fn trust(
        &mut self,
        entry: &Entry<'_>,
        identity: &IdentityDoc,
        manifests: &[TrustManifest],
    ) -> Result<Vec<TrustRule>, R::Stop> {
        let mut rules = Vec::with_capacity(manifests.len());
        for manifest in manifests {
            if let Some(rule) = self.trust_rule(entry, identity, manifest)?
                && !rules.contains(&rule)
            {
                rules.push(rule);
            }
        }
        if let (Some(model), Some(first)) = (identity.trust_model, manifests.first())
            && !model.admits(CredentialType::TrustRule)
        {
            let message = format!("the trust model `{}` excludes trust rules", model.as_str());
            self.error(entry, first.issuer.place(), message);
        }
        Ok(rules)
    }

    fn trust_rule(
        &mut self,
        entry: &Entry<'_>,
        identity: &IdentityDoc,
        manifest: &TrustManifest,
    ) -> Result<Option<TrustRule>, R::Stop> {
        let Some(issuer_id) = self.find(entry, Noun::Issuer, &manifest.issuer)? else {
            return Ok(None);
        };
        let environments = match (&manifest.environments, identity.environments.as_slice()) {
            (Some(environments), _) => {
                for name in environments
                    .iter()
                    .filter(|name| !identity.environments.iter().any(|one| **one == *name.value))
                {
                    let message = format!(
                        "`{}` is none of the environments of `{}`",
                        name.value, identity.name
                    );
                    self.error(entry, name.place(), message);
                }
                self.read_all(entry, environments)
            }
            (None, [only]) => vec![only.clone()],
            (None, _) => {
                let message = "`environments` is missing: it says which of the identity's environments a match may yield";
                self.error(entry, manifest.issuer.place(), message);
                return Ok(None);
            }
        };
        let matches = manifest
            .matches
            .iter()
            .map(|(claim, values)| (claim.clone(), values.0.clone()))
            .collect();
        let rule = TrustRule {
            issuer_id: issuer_id.cast(),
            environments,
            matches,
        };
        if let Some(Doc::Issuer(issuer)) = self.doc_of(issuer_id)? {
            let protected: Vec<_> = self.protected().into_iter().collect();
            for error in self.resolver.trust_errors(&rule, &issuer, &protected) {
                self.error(entry, manifest.issuer.place(), error);
            }
        }
        Ok(Some(rule))
    }
}
