//! Builders: what a test needs in the registry, made through the API as people would.

use countersign_crypto::SigningKey;
use countersign_model::registry::IssuerProfile;
use serde_json::{Value, json};

use crate::{Caller, ClientSecret, FixtureIssuer};

/// A trust rule in the making.
#[derive(Debug, Clone)]
pub struct Trust<'a> {
    /// The issuer's URL.
    pub issuer: &'a str,
    /// The environments that a match may yield.
    pub environments: &'a [&'a str],
    /// The claims.
    pub matches: Value,
}

impl Caller {
    /// Makes a record: posts to `/api/NOUN`.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn make(&self, noun: &str, body: &Value) -> Value {
        self.post(&format!("/api/{noun}"), body).await.done()
    }

    /// Makes a project.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn project(&self, name: &str) -> Value {
        self.make("projects", &json!({ "name": name })).await
    }

    /// Makes an environment.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn environment(&self, name: &str, protected: bool) -> Value {
        self.make(
            "environments",
            &json!({ "name": name, "protected": protected }),
        )
        .await
    }

    /// Makes an audience, served by these identities.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn audience(&self, name: &str, served_by: &[&str]) -> Value {
        self.make(
            "audiences",
            &json!({ "name": name, "served_by": served_by }),
        )
        .await
    }

    /// Makes an identity; `fields` say what is not at its default.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn identity(&self, kind: &str, name: &str, project: &str, fields: Value) -> Value {
        let mut body =
            json!({ "kind": kind, "name": name, "project": project, "purpose": "a test" });
        if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
            body.extend(fields);
        }
        self.make("identities", &body).await
    }

    /// Gives an identity a secret.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn secret(&self, identity: &str) -> ClientSecret {
        let path = format!("/api/identities/{identity}/credentials");
        let made = self
            .post(&path, &json!({ "type": "client-secret" }))
            .await
            .done();
        let text = |name: &str| {
            made[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name}"))
                .to_owned()
        };
        ClientSecret {
            client_id: text("client_id"),
            client_secret: text("client_secret"),
        }
    }

    /// Gives an identity a public key; the credential.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn public_key(&self, identity: &str, key: &SigningKey) -> Value {
        let jwk = serde_json::to_value(key.public_jwk()).expect("a JWK");
        let path = format!("/api/identities/{identity}/credentials");
        self.post(&path, &json!({ "type": "public-key", "jwk": jwk }))
            .await
            .done()
    }

    /// Registers a foreign issuer: keys pinned where its profile wants that.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn foreign_issuer(
        &self,
        issuer: &FixtureIssuer,
        profile: IssuerProfile,
        trust_domain: Option<&str>,
    ) -> Value {
        let mut body = json!({ "url": issuer.url(), "profile": profile });
        if matches!(profile, IssuerProfile::Kubernetes | IssuerProfile::Spiffe) {
            body["keys"] = json!({ "inline": issuer.key_set(profile) });
        }
        if let Some(domain) = trust_domain {
            body["trust_domain"] = json!(domain);
        }
        self.make("issuers", &body).await
    }

    /// Gives an identity a trust rule; the credential.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn trust(&self, identity: &str, trust: &Trust<'_>) -> Value {
        self.post(
            &format!("/api/identities/{identity}/credentials"),
            &trust.body(),
        )
        .await
        .done()
    }

    /// Approves what is asked for, having read it.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn approve(&self, approval: &str) -> Value {
        let read = self.get(&format!("/api/approvals/{approval}")).await.done();
        self.post(
            &format!("/api/approvals/{approval}/approve"),
            &json!({ "digest": read["digest"] }),
        )
        .await
        .done()
    }
}

impl Trust<'_> {
    /// The request that makes the rule.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({
            "type": "trust-rule",
            "trust": { "issuer": self.issuer, "environments": self.environments, "match": self.matches },
        })
    }
}

/// What the fixture issuer's GitHub job has, pinned by immutable ids.
pub const GITHUB_MATCH: [(&str, &str); 5] = [
    ("repository_id", "456789"),
    ("repository_owner_id", "123456"),
    ("ref", "refs/heads/main"),
    ("environment", "production"),
    ("event_name", "push"),
];

/// The same as the `match` of a rule.
#[must_use]
pub fn github_match() -> Value {
    GITHUB_MATCH
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
