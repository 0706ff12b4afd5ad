use countersign_api::evidence::Disclosed;
use countersign_crypto::{
    SigningKey,
    log::{Checkpoint, NoteSigner, leaf::disclosed_digest},
};
use countersign_model::Id;

use super::*;
use crate::files::Access;

const ORIGIN: &str = "id.example/log";

struct Fixture {
    _directory: tempfile::TempDir,
    folder: Folder,
    trust: LogTrust,
    signer: NoteSigner,
}

/// A log of so many records, as `log export` writes it.
fn fixture(size: u64) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::new(directory.path().to_owned());
    let signer = NoteSigner::new(ORIGIN, signing_key()).unwrap();
    let trust = LogTrust::for_test(ORIGIN, &signer);
    let fixture = Fixture {
        _directory: directory,
        folder,
        trust,
        signer,
    };
    fixture.write(size);
    fixture
}

fn signing_key() -> SigningKey {
    SigningKey::generate(countersign_crypto::SigningAlg::Ed25519).unwrap()
}

fn record(index: u64) -> LogEntry {
    let value_salt = [7; 16];
    let digest = disclosed_digest(&value_salt, "dana");
    LogEntry {
        index,
        evidence_id: Some(Id::from_bytes([1; 16])),
        other_tenant: false,
        gap: None,
        salt: hex::encode([u8::try_from(index % 251).unwrap(); 16]),
        body: Some(format!(r#"{{"n":{index},"who":{{"digest":"{digest}"}}}}"#)),
        disclosed: vec![Disclosed {
            digest,
            salt: Some(hex::encode(value_salt)),
            value: Some("dana".into()),
        }],
    }
}

fn entry(record: &LogEntry) -> [u8; 32] {
    *Commitment::new(
        &salt(&record.salt).unwrap(),
        record.body.as_deref().unwrap().as_bytes(),
    )
    .entry()
}

impl Fixture {
    fn write(&self, size: u64) {
        let mut roots = RootBuilder::default();
        for bundle in Bundle::new_bundles(0, size) {
            let first = bundle.first_entry();
            let records: Vec<LogEntry> = (first..first + u64::from(bundle.width))
                .map(record)
                .collect();
            let entries: Vec<[u8; 32]> = records.iter().map(entry).collect();
            entries
                .iter()
                .for_each(|entry| roots.push(leaf_hash(entry)));
            let bytes = Bundle::encode(entries.iter().map(<[u8; 32]>::as_slice)).unwrap();
            self.put(&TilePath::Bundle(bundle).to_string(), &bytes);
            let tile = Tile {
                level: 0,
                index: bundle.index,
                width: bundle.width,
            };
            let hashes: Vec<u8> = entries
                .iter()
                .flat_map(|entry| leaf_hash(entry).0)
                .collect();
            self.put(&TilePath::Tile(tile).to_string(), &hashes);
            self.put_records(bundle.index, &records);
        }
        let head = Checkpoint {
            origin: ORIGIN.into(),
            size,
            root: roots.root(),
        };
        let note = head.sign(&self.signer).unwrap();
        self.folder
            .keep(&self.trust.verify(&note).unwrap(), &note)
            .unwrap();
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        files::write(&self.folder.file(path), bytes, Access::Shared).unwrap();
    }

    fn put_records(&self, bundle: u64, records: &[LogEntry]) {
        let lines: String = records
            .iter()
            .map(|record| serde_json::to_string(record).unwrap() + "\n")
            .collect();
        files::write(
            &self.folder.records(bundle),
            lines.as_bytes(),
            Access::Shared,
        )
        .unwrap();
    }

    fn findings(&self) -> Vec<String> {
        check(&self.folder, &self.trust, &[]).unwrap().findings
    }
}

#[test]
fn an_untouched_log_verifies_with_every_earlier_checkpoint() {
    let log = fixture(10);
    log.write(300);
    let report = check(&log.folder, &log.trust, &[]).unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    assert_eq!(
        (report.size, report.records, report.earlier_checkpoints),
        (300, 300, 1)
    );
}

#[test]
fn changed_removed_inserted_and_reordered_records_are_told_apart() {
    let log = fixture(4);
    let mut records: Vec<LogEntry> = (0..4).map(record).collect();
    records[1].body = Some(
        records[1]
            .body
            .clone()
            .unwrap()
            .replace("\"n\":1", "\"n\":9"),
    );
    log.put_records(0, &records);
    assert_eq!(log.findings(), ["record 1 was changed"]);

    log.put_records(0, &[record(0), record(1), record(3)]);
    assert_eq!(log.findings(), ["record 2 was removed"]);

    log.put_records(0, &[record(0), record(1), record(2), record(3), record(4)]);
    assert_eq!(
        log.findings(),
        ["record 4 was inserted: the log has no such entry"]
    );

    let (mut one, mut two) = (record(1), record(2));
    (one.index, two.index) = (2, 1);
    log.put_records(0, &[record(0), two, one, record(3)]);
    assert_eq!(
        log.findings(),
        [
            "record 1 was reordered: it belongs at 2",
            "record 2 was reordered: it belongs at 1"
        ]
    );
}

#[test]
fn a_record_changed_together_with_its_entry_breaks_the_root() {
    let log = fixture(3);
    let mut records: Vec<LogEntry> = (0..3).map(record).collect();
    records[1].body = Some("{}".into());
    records[1].disclosed.clear();
    log.put_records(0, &records);
    let entries: Vec<[u8; 32]> = records.iter().map(entry).collect();
    let bundle = Bundle { index: 0, width: 3 };
    log.put(
        &TilePath::Bundle(bundle).to_string(),
        &Bundle::encode(entries.iter().map(<[u8; 32]>::as_slice)).unwrap(),
    );
    let findings = log.findings();
    assert!(findings[0].contains("do not give the root"), "{findings:?}");
    assert!(
        findings.contains(&"entry 1 is not the one that its tile has".to_owned()),
        "{findings:?}"
    );
}

#[test]
fn a_removed_tail_is_found_against_a_checkpoint_that_was_kept() {
    let log = fixture(5);
    let kept = log.folder.checkpoint().unwrap().unwrap();
    let shorter = fixture(3);
    let short_note = Checkpoint {
        origin: ORIGIN.into(),
        size: 3,
        root: Checkpoint::parse_for_explanation(&shorter.folder.checkpoint().unwrap().unwrap())
            .unwrap()
            .root,
    }
    .sign(&log.signer)
    .unwrap();
    shorter.put("checkpoint", short_note.as_bytes());
    std::fs::remove_dir_all(shorter.folder.file("checkpoints")).unwrap();
    let report = check(&shorter.folder, &log.trust, &[("monday".into(), kept)]).unwrap();
    assert_eq!(
        report.findings,
        ["the tail was removed: monday signed 5 entries, and the newest checkpoint here has 3"]
    );
}

#[test]
fn an_erased_value_verifies_and_a_forged_one_does_not() {
    let log = fixture(1);
    let mut erased = record(0);
    (erased.disclosed[0].salt, erased.disclosed[0].value) = (None, None);
    log.put_records(0, &[erased]);
    assert_eq!(log.findings(), Vec::<String>::new());

    let mut forged = record(0);
    forged.disclosed[0].value = Some("lee".into());
    log.put_records(0, &[forged]);
    assert_eq!(
        log.findings(),
        ["record 0: a personal value is not the one that was recorded"]
    );
}

#[test]
fn a_checkpoint_of_another_key_is_not_the_logs_own() {
    let log = fixture(2);
    let other = fixture(2);
    let report = check(&log.folder, &other.trust, &[]).unwrap();
    assert!(
        report.findings[0].starts_with("the checkpoint is not the log's own"),
        "{:?}",
        report.findings
    );
}

#[test]
fn what_cannot_be_checked_is_counted_and_placed_and_a_record_that_is_gone_is_found() {
    let log = fixture(6);
    let mut records: Vec<LogEntry> = (0..6).map(record).collect();
    for index in [1, 3, 4] {
        records[index].other_tenant = true;
        records[index].body = None;
        records[index].disclosed.clear();
    }
    log.put_records(0, &records);
    let report = check(&log.folder, &log.trust, &[]).unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    assert_eq!((report.records, report.other_tenants), (3, 3));
    assert_eq!(report.unchecked, ["1", "3..4"]);

    records[3].body = record(3).body;
    log.put_records(0, &records);
    assert_eq!(
        log.findings(),
        ["record 3 is there, and said to be of another tenant"]
    );

    let mut records: Vec<LogEntry> = (0..6).map(record).collect();
    (records[2].body, records[5].body) = (None, None);
    records[2].gap = Some(
        "its body was archived, and `1/000000000000.segment` is not in the archive".to_owned(),
    );
    log.put_records(0, &records);
    assert_eq!(
        log.findings(),
        [
            "record 2 cannot be checked: its body was archived, and `1/000000000000.segment` is not in the archive",
            "record 5 cannot be checked: its body is not in the folder"
        ]
    );
}
