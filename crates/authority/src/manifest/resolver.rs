//! What a plan must know of the registry.

use std::sync::Arc;

use countersign_model::{
    Id, id,
    name::EnvironmentName,
    registry::{IdentityDoc, IssuerDoc, Noun, Record},
    trust::TrustRule,
};

use crate::policy::Catalogue;

/// Answers a plan's questions about one tenant. It may stop the plan, to look something up: the
/// plan is then made again from the start.
pub trait Resolver {
    /// Why it stopped.
    type Stop;

    /// The record that a name finds, living or dead. A user is found by e-mail address or handle,
    /// an issuer by its URL.
    ///
    /// # Errors
    /// When it must be looked up first.
    fn named(&self, noun: Noun, name: &str) -> Result<Option<Arc<Record>>, Self::Stop>;

    /// The record with this id.
    ///
    /// # Errors
    /// When it must be looked up first.
    fn record(&self, id: Id<id::Record>) -> Result<Option<Arc<Record>>, Self::Stop>;

    /// All records of a noun.
    ///
    /// # Errors
    /// When they must be looked up first.
    fn all(&self, noun: Noun) -> Result<Vec<Arc<Record>>, Self::Stop>;

    /// Whether there is a living identity like this, be it one that the person does not see: that an edit
    /// takes a second person is no secret.
    ///
    /// # Errors
    /// When they must be looked up first.
    fn any_identity(&self, wanted: &dyn Fn(&IdentityDoc) -> bool) -> Result<bool, Self::Stop>;

    /// The living trust rules of an identity, each with its credential.
    ///
    /// # Errors
    /// When they must be looked up first.
    fn trust_rules(
        &self,
        identity: Id<id::Identity>,
    ) -> Result<Vec<(Id<id::Credential>, TrustRule)>, Self::Stop>;

    /// The tenant's actions.
    ///
    /// # Errors
    /// When they must be looked up first.
    fn catalogue(&self) -> Result<Arc<Catalogue>, Self::Stop>;

    /// What is wrong with a trust rule, if anything.
    fn trust_errors(
        &self,
        rule: &TrustRule,
        issuer: &IssuerDoc,
        protected: &[EnvironmentName],
    ) -> Vec<String>;

    /// What is wrong with an issuer, if anything.
    fn issuer_errors(&self, issuer: &IssuerDoc) -> Vec<String>;
}
