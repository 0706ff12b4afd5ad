//! Foreign issuers and where their keys come from.

use countersign_model::registry::{Doc, IssuerDoc, IssuerProfile, KeySource};
use serde_json::Value;

use super::{Desire, Entry, word};
use crate::manifest::{IssuerManifest, Located, Resolver};

impl<R: Resolver> Desire<'_, R> {
    pub(super) fn issuer(&mut self, entry: &Entry<'_>, manifest: &IssuerManifest) -> Option<Doc> {
        let url = manifest.url.value.clone();
        let mut doc = match entry.current.as_ref().and_then(|record| record.issuer()) {
            Some(current) => current.clone(),
            None => {
                let (profile, keys) = (IssuerProfile::Oidc, KeySource::Discovery);
                IssuerDoc {
                    url,
                    profile,
                    keys,
                    audience: None,
                    ca_bundle: None,
                    trust_domain: None,
                }
            }
        };
        if let Some(profile) = manifest.profile.as_ref().and_then(word) {
            doc.profile = profile;
        }
        if let Some(keys) = self.keys(entry, manifest) {
            doc.keys = keys;
        }
        let fields = [
            (&manifest.audience, &mut doc.audience),
            (&manifest.ca_bundle, &mut doc.ca_bundle),
            (&manifest.trust_domain, &mut doc.trust_domain),
        ];
        for (stated, field) in fields {
            if let Some(text) = stated {
                *field = Some(text.value.clone()).filter(|text| !text.is_empty());
            }
        }
        for error in self.resolver.issuer_errors(&doc) {
            self.error(entry, manifest.url.place(), error);
        }
        Some(doc.into())
    }

    fn keys(&mut self, entry: &Entry<'_>, manifest: &IssuerManifest) -> Option<KeySource> {
        let places = [
            manifest.jwks.as_ref().map(Located::place),
            manifest.jwks_file.as_ref().map(Located::place),
            manifest.jwks_uri.as_ref().map(Located::place),
        ];
        if let Some(second) = places.into_iter().flatten().nth(1) {
            self.error(
                entry,
                second,
                "only one of `jwks`, `jwks_file` and `jwks_uri` says where the keys come from",
            );
            return None;
        }
        if let Some(jwks) = &manifest.jwks {
            return Some(KeySource::Inline(Value::Object(jwks.value.clone())));
        }
        if let Some(uri) = &manifest.jwks_uri {
            return Some(KeySource::Uri(uri.value.clone()));
        }
        let file = manifest.jwks_file.as_ref()?;
        match self
            .attached(entry, &file.value)
            .map(|text| serde_json::from_str::<Value>(text))
        {
            Some(Ok(keys @ Value::Object(_))) => return Some(KeySource::Inline(keys)),
            Some(_) => self.error(
                entry,
                file.place(),
                format!("`{}` does not hold a JSON Web Key Set", file.value),
            ),
            None => self.error(
                entry,
                file.place(),
                format!(
                    "`{}` was not sent along: the command line reads it",
                    file.value
                ),
            ),
        }
        None
    }
}
