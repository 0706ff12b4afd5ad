//! Which key of which log is trusted: pinned at the first sign-in, or named by a person.

use std::path::Path;

use countersign_api::{evidence::EvidenceRecord, log::LogKey};
use countersign_crypto::log::{
    Checkpoint, Hash, InclusionProof, NoteVerifier, VerifiedCheckpoint,
    leaf::{Commitment, SALT_BYTES, disclosed_digest},
};

use crate::{
    app::App,
    failure::{Exit, Failure},
    files,
};

/// A log and the key that its checkpoints must be signed with.
#[derive(Debug)]
pub struct LogTrust {
    origin: String,
    keys: Vec<NoteVerifier>,
}

impl LogTrust {
    /// The key that was named, else the one that was pinned for the server.
    pub fn of(app: &App, key: Option<&str>, base: Option<&str>) -> Result<Self, Failure> {
        match key {
            Some(key) => Self::named(key),
            None => {
                let home = app.home();
                let pinned = base
                    .and_then(|base| home.server(base))
                    .and_then(|server| server.log_key.clone());
                pinned.map_or_else(|| Err(not_pinned()), |key| Self::pinned(&key))
            }
        }
    }

    /// The key that was named, else the pinned one of the log that this checkpoint claims to be of.
    pub fn of_checkpoint(app: &App, key: Option<&str>, note: &str) -> Result<Self, Failure> {
        let claimed = Checkpoint::parse_for_explanation(note)
            .map_err(|error| Failure::new(Exit::Tampered, error.to_string()))?;
        let trust = match key {
            Some(key) => Self::named(key)?,
            None => {
                let home = app.home();
                let pinned = home
                    .log_keys()
                    .find(|(_, key)| key.origin == claimed.origin)
                    .map(|(_, key)| key.clone());
                pinned.map_or_else(|| Err(not_pinned()), |key| Self::pinned(&key))?
            }
        };
        Ok(Self {
            origin: if key.is_some() {
                claimed.origin
            } else {
                trust.origin
            },
            keys: trust.keys,
        })
    }

    fn named(key: &str) -> Result<Self, Failure> {
        let text = if Path::new(key).is_file() {
            files::read(Path::new(key))?
        } else {
            key.to_owned()
        };
        let verifier: NoteVerifier = text.trim().parse().map_err(|error| {
            Failure::usage(format!("that is not the key of a log: {error}"))
                .next("it reads NAME+HASH+KEY; the server shows it at /api/log/key")
        })?;
        Ok(Self {
            origin: verifier.name().to_owned(),
            keys: vec![verifier],
        })
    }

    fn pinned(key: &LogKey) -> Result<Self, Failure> {
        let verifier = key.verifier_key.parse();
        let verifier = verifier.map_err(|error| {
            Failure::failed(format!(
                "the pinned key of {} cannot be read: {error}",
                key.origin
            ))
        })?;
        Ok(Self {
            origin: key.origin.clone(),
            keys: vec![verifier],
        })
    }

    /// Trust in whoever signs with this key.
    #[cfg(test)]
    pub fn for_test(origin: &str, signer: &countersign_crypto::log::NoteSigner) -> Self {
        Self {
            origin: origin.to_owned(),
            keys: vec![signer.verifier().clone()],
        }
    }

    /// The log's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The head that the note says, once it is shown to be the log's own.
    pub fn verify(&self, note: &str) -> Result<VerifiedCheckpoint, String> {
        VerifiedCheckpoint::verify(note, &self.origin, &self.keys)
            .map_err(|error| error.to_string())
    }

    /// The log that a record says it is in, when that is another one: the one before a restore, for instance.
    pub fn other_log(&self, record: &EvidenceRecord) -> Option<String> {
        let note = &record.log.as_ref()?.checkpoint;
        let claimed = Checkpoint::parse_for_explanation(note).ok()?.origin;
        (claimed != self.origin).then_some(claimed)
    }

    /// Whether a record is in the log as it is: true when proven, false when not yet published.
    pub fn check_record(&self, record: &EvidenceRecord) -> Result<bool, String> {
        let salt = salt(&record.salt)?;
        for value in &record.disclosed {
            check_disclosed(value, &record.body)?;
        }
        let Some(log) = &record.log else {
            return Ok(false);
        };
        let hashes: Option<Vec<Hash>> = log
            .proof
            .iter()
            .map(|hash| Hash::from_base64(hash))
            .collect();
        let proof = InclusionProof {
            extra: None,
            index: log.index,
            hashes: hashes.ok_or("the proof holds something that is no hash")?,
            checkpoint: log.checkpoint.clone(),
        };
        let leaf = Commitment::new(&salt, record.body.as_bytes()).leaf();
        proof
            .verify(leaf, &self.origin, &self.keys)
            .map(|_| true)
            .map_err(|error| error.to_string())
    }
}

/// A salt from its hexadecimal form.
pub fn salt(text: &str) -> Result<[u8; SALT_BYTES], String> {
    let bytes = hex::decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| format!("its salt is not {SALT_BYTES} bytes"))
}

/// Whether a disclosed value is the one behind its digest, and the digest stands in the body.
pub fn check_disclosed(
    value: &countersign_api::evidence::Disclosed,
    body: &str,
) -> Result<(), String> {
    if !body.contains(&value.digest) {
        return Err(format!(
            "it discloses a value for {}, which is not in it",
            value.digest
        ));
    }
    match (&value.salt, &value.value) {
        (Some(value_salt), Some(text))
            if disclosed_digest(&salt(value_salt)?, text) != value.digest =>
        {
            Err("a personal value is not the one that was recorded".to_owned())
        }
        _ => Ok(()),
    }
}

fn not_pinned() -> Failure {
    Failure::failed(
        "key not pinned: without the log's own key, from elsewhere, nothing can be verified",
    )
    .next("give it with --key; a sign-in with `countersign login` pins it")
}
