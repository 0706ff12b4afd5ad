//! A copy of the log as an auditor takes it, checked with nothing but the log's key.

use std::time::Duration;

use countersign_crypto::log::{
    Hash, NoteVerifier, VerifiedCheckpoint,
    leaf::{Commitment, leaf_hash},
    tree::RootBuilder,
};
use serde_json::Value;

use crate::{Caller, within};

/// The records of the log, its newest checkpoint, and the key that was pinned.
#[derive(Debug, Clone)]
pub struct LogCopy {
    /// The log's origin.
    pub origin: String,
    /// Its key, as text.
    pub key: String,
    /// The newest checkpoint.
    pub checkpoint: String,
    /// The records, as `/api/log/entries` shows them.
    pub entries: Vec<Value>,
}

impl LogCopy {
    /// Takes a copy.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn take(auditor: &Caller) -> Self {
        let key = auditor.get("/api/log/key").await.done();
        let text = |name: &str| key[name].as_str().expect("a log key").to_owned();
        let checkpoint = auditor.get("/log/checkpoint").await;
        checkpoint.done();
        let mut entries = Vec::new();
        loop {
            let page = auditor
                .get(&format!(
                    "/api/log/entries?limit=500&from={}",
                    entries.len()
                ))
                .await
                .done();
            let page = page["entries"].as_array().cloned().unwrap_or_default();
            let last = page.len() < 500;
            entries.extend(page);
            if last {
                break;
            }
        }
        Self {
            origin: text("origin"),
            key: text("verifier_key"),
            checkpoint: checkpoint.text(),
            entries,
        }
    }

    /// Takes a copy once the log has settled: its newest checkpoint covers all that it holds, and
    /// holds the newest records that there are.
    ///
    /// # Panics
    /// When it does not settle.
    pub async fn settled(auditor: &Caller) -> Self {
        let limit = Duration::from_secs(30);
        within(limit, "a checkpoint over the whole log", async || {
            // Many, for the newest need not be first: ids of servers in one process share an order, and not a clock.
            let newest = auditor.get("/api/evidence?limit=500").await.done();
            if auditor.get("/log/checkpoint").await.status != 200 {
                return None;
            }
            let copy = Self::take(auditor).await;
            let covers = |record: &Value| {
                let index = record["log_index"].as_u64();
                index.is_some_and(|index| index < copy.size())
            };
            let records = newest["items"].as_array().cloned().unwrap_or_default();
            let whole = copy.size() == copy.entries.len() as u64;
            (whole && !records.is_empty() && records.iter().all(covers)).then_some(copy)
        })
        .await
    }

    /// How many records its checkpoint covers.
    ///
    /// # Panics
    /// When the checkpoint is not signed by the pinned key.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.head(&self.checkpoint)
            .expect("a signed checkpoint")
            .size()
    }

    /// Checks everything offline: each record against the signed root, and against a checkpoint that
    /// somebody kept earlier.
    ///
    /// # Errors
    /// What does not fit.
    pub fn verify(&self, kept: Option<&str>) -> Result<(), String> {
        let head = self.head(&self.checkpoint)?;
        let kept = kept.map(|kept| self.head(kept)).transpose()?;
        if kept.as_ref().is_some_and(|kept| kept.size() > head.size()) {
            return Err("the log is shorter than it was".to_owned());
        }
        if (self.entries.len() as u64) < head.size() {
            return Err(format!(
                "{} records, but the checkpoint covers {}",
                self.entries.len(),
                head.size()
            ));
        }
        let mut tree = RootBuilder::default();
        for (index, entry) in (0_u64..)
            .zip(&self.entries)
            .take(usize::try_from(head.size()).unwrap_or(usize::MAX))
        {
            if entry["index"] != index {
                return Err(format!(
                    "record {index} is not where it was: {}",
                    entry["index"]
                ));
            }
            tree.push(leaf(index, entry)?);
            if let Some(kept) = kept.as_ref().filter(|kept| kept.size() == tree.size())
                && kept.root() != tree.root()
            {
                return Err(format!(
                    "the first {} records are not those of the kept checkpoint",
                    kept.size()
                ));
            }
        }
        if tree.root() == head.root() {
            Ok(())
        } else {
            Err("the records are not those of the checkpoint".to_owned())
        }
    }

    fn head(&self, note: &str) -> Result<VerifiedCheckpoint, String> {
        let key: NoteVerifier = self
            .key
            .parse()
            .map_err(|_| "the pinned key is no key".to_owned())?;
        VerifiedCheckpoint::verify(note, &self.origin, &[key]).map_err(|error| error.to_string())
    }
}

fn leaf(index: u64, entry: &Value) -> Result<Hash, String> {
    let missing = |what: &str| format!("record {index} has no {what}");
    let body = entry["body"].as_str().ok_or_else(|| missing("body"))?;
    let salt = entry["salt"]
        .as_str()
        .and_then(|salt| hex::decode(salt).ok())
        .ok_or_else(|| missing("salt"))?;
    let salt = salt
        .try_into()
        .map_err(|_| missing("salt of the right length"))?;
    let id =
        serde_json::from_str::<Value>(body).map_err(|_| missing("readable body"))?["id"].clone();
    if id != entry["evidence_id"] {
        return Err(format!(
            "record {index} is of {id}, not of {}",
            entry["evidence_id"]
        ));
    }
    Ok(leaf_hash(Commitment::new(&salt, body.as_bytes()).entry()))
}
