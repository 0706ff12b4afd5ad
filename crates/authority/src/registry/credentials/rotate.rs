//! Rotating a credential: a new one of the same type takes its place, when its holder is ready.

use countersign_model::{
    reason::Reason,
    registry::{CredentialDoc, CredentialType},
    time::Seconds,
};

use super::{Adding, CreatedCredential, NewSecret, managed, put_new};
use crate::{
    command::{Command, NewRecord, Verdict, WriteTx},
    registry::{guarding::Retire, rights},
    rejection::{Rejection, refuse},
};

/// The longest that an old and a new credential work side by side: a month of deploys.
pub const LONGEST_OVERLAP: Seconds = Seconds::days(31);

/// Rotates a credential.
#[derive(Debug, Clone)]
pub struct RotateCredential {
    /// Which, by id or public id.
    pub credential: String,
    /// The new secret or key, of the same type.
    pub secret: NewSecret,
    /// How long the old one still works; until somebody revokes it when absent, 0 for not at all.
    pub overlap_seconds: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// Why what holds no secret is not rotated.
pub const NOT_ROTATED: &str =
    "a trust rule or a certificate holds no secret of ours: make another and revoke this one";

impl Command for RotateCredential {
    type Output = CreatedCredential;

    const NAME: &'static str = "credential rotate";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<CreatedCredential>, Rejection> {
        let person = rights::editor(tx)?;
        let (old, identity) = managed(tx, &person, &self.credential)?;
        let before = rights::doc(old.credential())?;
        let (name, secret) = self.secret.resolve(tx)?;
        let doc = CredentialDoc {
            identity_id: before.identity_id,
            label: before.label.clone(),
            secret,
            created_by: Some(person.user_id),
            expires_at: None,
            revoked_because: None,
        };
        if doc.credential_type() != before.credential_type() {
            let detail = format!(
                "a credential is rotated to one of its own type, `{}`",
                before.credential_type().as_str()
            );
            return refuse(Reason::Unprocessable, detail);
        }
        match doc.credential_type() {
            CredentialType::ApiKey | CredentialType::ClientSecret | CredentialType::PublicKey => {}
            CredentialType::SelfSignedTlsClientAuth
            | CredentialType::TlsClientAuth
            | CredentialType::TrustRule => {
                return refuse(Reason::Unprocessable, NOT_ROTATED);
            }
        }
        if self
            .overlap_seconds
            .is_some_and(|overlap| !(0..=LONGEST_OVERLAP.0).contains(&overlap))
        {
            return refuse(
                Reason::Unprocessable,
                format!("`overlap_seconds` is 0 to {}", LONGEST_OVERLAP.0),
            );
        }
        let retires = self.overlap_seconds.map(|overlap| Retire {
            credential_id: old.id.cast(),
            overlap: Seconds(overlap),
        });
        let new = NewRecord {
            id: None,
            name,
            parent_id: Some(identity.id),
            doc: doc.into(),
        };
        let adding = Adding {
            reason: self.reason.clone(),
            retires,
            being_made: false,
        };
        put_new(tx, &person, &identity, new, adding).map(Verdict::Done)
    }
}
