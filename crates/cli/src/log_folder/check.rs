//! Checks a folder against the key of its log: what was changed, inserted, removed or reordered.

use std::collections::HashMap;

use countersign_api::log::LogEntry;
use countersign_crypto::log::{
    Hash, VerifiedCheckpoint,
    leaf::{Commitment, leaf_hash},
    tile::{Bundle, TILE_WIDTH, Tile, TilePath},
    tree::RootBuilder,
};
use serde::Serialize;

use self::signatures::Signatures;
use super::{
    Folder, LogTrust,
    trust::{check_disclosed, salt},
};
use crate::{failure::Failure, files};

mod signatures;

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The log.
    pub origin: String,
    /// How many entries the newest checkpoint has.
    pub size: u64,
    /// How many records stand behind their entries.
    pub records: u64,
    /// How many decisions people signed with a passkey, each of which holds.
    pub countersignatures: u64,
    /// How many entries the folder says are of other tenants of the installation. Their places are signed. What their
    /// records say, and that they are not of this tenant, nobody can check from here.
    pub other_tenants: u64,
    /// Which those are, as `4` or `7..9`: who takes this tenant's records out of the folder must show them here.
    pub unchecked: Vec<String>,
    /// How many earlier checkpoints the log still begins with.
    pub earlier_checkpoints: usize,
    /// What is wrong; empty when everything is as it was signed.
    pub findings: Vec<String>,
}

/// The most findings that are listed: after so many the rest says nothing new.
const MAX_FINDINGS: usize = 100;

/// Checks the folder, and checkpoints that were kept elsewhere, each with what to call it.
pub fn check(
    folder: &Folder,
    trust: &LogTrust,
    kept: &[(String, String)],
) -> Result<Report, Failure> {
    let mut report = Report {
        origin: trust.origin().to_owned(),
        ..Report::default()
    };
    let note = folder.checkpoint()?.ok_or_else(|| {
        Failure::usage(format!(
            "there is no checkpoint in `{}`",
            folder.path().display()
        ))
        .next("`countersign log export DIR` writes such a folder")
    })?;
    let newest = match trust.verify(&note) {
        Ok(newest) => newest,
        Err(what) => {
            report
                .findings
                .push(format!("the checkpoint is not the log's own: {what}"));
            return Ok(report);
        }
    };
    report.size = newest.size();
    let mut earlier = earlier(folder, trust, kept, &newest, &mut report)?;
    let mut walk = Walk {
        folder,
        report,
        roots: RootBuilder::default(),
        places: HashMap::new(),
        misplaced: Vec::new(),
        unchecked: Vec::new(),
        signatures: Signatures::default(),
    };
    let mut signed = earlier.drain(..).peekable();
    for bundle in Bundle::new_bundles(0, newest.size()) {
        let at_entry = |walk: &mut Walk<'_>| {
            while let Some((name, size, root)) =
                signed.next_if(|(_, size, _)| *size <= walk.roots.size())
            {
                let holds = size == walk.roots.size() && root == walk.roots.root();
                if holds {
                    walk.report.earlier_checkpoints += 1;
                } else {
                    walk.find(format!("the log does not begin with what {name} signed: its first {size} entries were changed"));
                }
            }
        };
        walk.bundle(bundle, at_entry)?;
    }
    let mut report = walk.end();
    let root = report.1;
    if root != newest.head().root {
        report.0.findings.insert(0, "the entries do not give the root that was signed: some were changed, inserted or removed".to_owned());
    }
    Ok(report.0)
}

/// The earlier heads in order of their sizes; what is wrong with them at once is reported here.
fn earlier(
    folder: &Folder,
    trust: &LogTrust,
    kept: &[(String, String)],
    newest: &VerifiedCheckpoint,
    report: &mut Report,
) -> Result<Vec<(String, u64, Hash)>, Failure> {
    let own = folder
        .checkpoints()?
        .into_iter()
        .map(|(path, note)| (format!("`{}`", path.display()), note));
    let mut earlier = Vec::new();
    for (name, note) in own.chain(kept.iter().cloned()) {
        match trust.verify(&note) {
            Ok(head) if head.size() > newest.size() => report.findings.push(format!(
                "the tail was removed: {name} signed {} entries, and the newest checkpoint here has {}",
                head.size(),
                newest.size()
            )),
            Ok(head) if head.size() == newest.size() && head.head().root != newest.head().root => {
                report.findings.push(format!("{name} signed another log of the same size: the log was forked"));
            }
            Ok(head) if head.size() > 0 && head.size() < newest.size() => {
                earlier.push((name, head.size(), head.head().root));
            }
            Ok(_) => {}
            Err(what) => report.findings.push(format!("{name} is not a checkpoint of this log: {what}")),
        }
    }
    earlier.sort_by_key(|(_, size, _)| *size);
    Ok(earlier)
}

/// The way through the entries, in order.
struct Walk<'a> {
    folder: &'a Folder,
    report: Report,
    roots: RootBuilder,
    /// Where each entry that lost its record stands.
    places: HashMap<[u8; 32], u64>,
    /// Records that are not behind the entry of their index.
    misplaced: Vec<(u64, [u8; 32])>,
    /// From where to where entries are said to be of other tenants.
    unchecked: Vec<(u64, u64)>,
    signatures: Signatures,
}

impl Walk<'_> {
    fn find(&mut self, finding: String) {
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(finding);
        }
    }

    fn bundle(
        &mut self,
        bundle: Bundle,
        mut at_entry: impl FnMut(&mut Self),
    ) -> Result<(), Failure> {
        let path = TilePath::Bundle(bundle).to_string();
        let bytes = match self.folder.entries(bundle) {
            Ok(bytes) => bytes,
            Err(failure) => {
                self.find(format!(
                    "entries {}.. are missing: {}",
                    bundle.first_entry(),
                    failure.what
                ));
                return Ok(());
            }
        };
        let entries = match Bundle::decode(&bytes) {
            Ok(entries) => entries,
            Err(error) => {
                self.find(format!("`{path}` cannot be read: {error}"));
                return Ok(());
            }
        };
        if entries.len() != usize::from(bundle.width) {
            self.find(format!(
                "`{path}` holds {} entries instead of {}",
                entries.len(),
                bundle.width
            ));
        }
        let hashes = self.tile(bundle)?;
        let mut records = self.records(bundle)?;
        for (offset, entry) in entries.iter().enumerate() {
            at_entry(self);
            let index = self.roots.size();
            let leaf = leaf_hash(entry);
            if hashes.get(offset).is_some_and(|hash| *hash != leaf) {
                self.find(format!("entry {index} is not the one that its tile has"));
            }
            self.record(index, entry, records.remove(&index));
            self.roots.push(leaf);
        }
        for (index, _) in records {
            self.find(format!(
                "record {index} was inserted: the log has no such entry"
            ));
        }
        at_entry(self);
        Ok(())
    }

    /// The leaf hashes of the tile beside the bundle, which tell which of its entries was changed.
    fn tile(&self, bundle: Bundle) -> Result<Vec<Hash>, Failure> {
        let tile = Tile {
            level: 0,
            index: bundle.index,
            width: bundle.width,
        };
        let path = self.folder.file(&TilePath::Tile(tile).to_string());
        if !path.exists() {
            return Ok(Vec::new());
        }
        Ok(files::read_bytes(&path)?
            .chunks(32)
            .filter_map(Hash::from_slice)
            .collect())
    }

    fn records(&mut self, bundle: Bundle) -> Result<HashMap<u64, LogEntry>, Failure> {
        let path = self.folder.records(bundle.index);
        let text = files::read_if_there(&path)?.unwrap_or_default();
        let mut records = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            match serde_json::from_str::<LogEntry>(line) {
                Ok(record) if record.index / u64::from(TILE_WIDTH) == bundle.index => {
                    let index = record.index;
                    if records.insert(index, record).is_some() {
                        self.find(format!("record {index} is there twice"));
                    }
                }
                Ok(record) => self.find(format!(
                    "record {} stands in `{}`, where it does not belong",
                    record.index,
                    path.display()
                )),
                Err(error) => self.find(format!(
                    "`{}` line {} cannot be read: {error}",
                    path.display(),
                    number + 1
                )),
            }
        }
        Ok(records)
    }

    fn record(&mut self, index: u64, entry: &[u8], record: Option<LogEntry>) {
        let Some(record) = record else {
            if let Ok(entry) = entry.try_into() {
                self.places.insert(entry, index);
            }
            self.find(format!("record {index} was removed"));
            return;
        };
        if record.other_tenant {
            if record.body.is_some() {
                self.find(format!(
                    "record {index} is there, and said to be of another tenant"
                ));
            }
            self.report.other_tenants += 1;
            match self.unchecked.last_mut() {
                Some((_, last)) if *last + 1 == index => *last = index,
                _ => self.unchecked.push((index, index)),
            }
            return;
        }
        let Some(body) = &record.body else {
            let why = record
                .gap
                .as_deref()
                .unwrap_or("its body is not in the folder");
            self.find(format!("record {index} cannot be checked: {why}"));
            return;
        };
        let commitment = salt(&record.salt).map(|salt| Commitment::new(&salt, body.as_bytes()));
        match commitment {
            Ok(commitment) if commitment.entry() == entry => {
                for value in &record.disclosed {
                    if let Err(what) = check_disclosed(value, body) {
                        self.find(format!("record {index}: {what}"));
                    }
                }
                match self.signatures.read(body) {
                    Ok(signed) => self.report.countersignatures += u64::from(signed),
                    Err(what) => self.find(format!("record {index}: {what}")),
                }
                self.report.records += 1;
            }
            Ok(commitment) => {
                if let Ok(entry) = entry.try_into() {
                    self.places.insert(entry, index);
                }
                self.misplaced.push((index, *commitment.entry()));
            }
            Err(what) => self.find(format!("record {index} was changed: {what}")),
        }
    }

    /// What remains: a record whose entry is elsewhere was moved, any other was changed.
    fn end(mut self) -> (Report, Hash) {
        for (index, entry) in std::mem::take(&mut self.misplaced) {
            let finding = match self.places.get(&entry) {
                Some(place) => format!("record {index} was reordered: it belongs at {place}"),
                None => format!("record {index} was changed"),
            };
            self.find(finding);
        }
        let shown = |(first, last): &(u64, u64)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}..{last}")
            }
        };
        self.report.unchecked = self.unchecked.iter().map(shown).collect();
        (self.report, self.roots.root())
    }
}

#[cfg(test)]
mod tests;
