//! Segments: written, read, damaged.

use std::fs;

use countersign_model::id::Id;

use super::*;

const PLACE: Place = Place {
    generation: 2,
    first: 8,
};

/// Not a hash: these tests change single bytes.
fn entry_of(salt: &[u8], body: &[u8]) -> Option<[u8; 32]> {
    let mut entry = [0; 32];
    for (at, byte) in salt.iter().chain(body).enumerate() {
        entry[at % 32] ^= byte.rotate_left(at as u32 % 8);
    }
    Some(entry)
}

fn record(index: u64) -> SegmentRecord {
    SegmentRecord {
        id: Id::from_bytes([index as u8; 16]),
        salt: [7; 16],
        body: format!(r#"{{"n":{index},"text":"{}"}}"#, "ä".repeat(index as usize)),
    }
}

fn entry(index: u64) -> log::LogEntry {
    log::LogEntry {
        generation: PLACE.generation,
        log_index: index as i64,
        evidence_id: record(index).id,
        commitment: entry_of(&record(index).salt, record(index).body.as_bytes()).unwrap(),
    }
}

fn archive(directory: &Path) -> Archive {
    Archive::new(directory.to_owned(), 4, entry_of)
}

fn written(directory: &Path) -> PathBuf {
    let mut writer = archive(directory).begin(PLACE).unwrap();
    (8..12).for_each(|index| writer.push(&record(index)).unwrap());
    writer.finish().unwrap();
    directory.join(PLACE.name())
}

fn read_one(directory: &Path, index: u64) -> Result<SegmentRecord, String> {
    read(&archive(directory), &entry(index), &mut None)
}

#[test]
fn a_segment_gives_back_every_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    assert_eq!(path, directory.path().join("2/000000000008.segment"));
    let mut open = None;
    for index in [11, 8, 10, 9] {
        assert_eq!(
            read(&archive(directory.path()), &entry(index), &mut open),
            Ok(record(index))
        );
    }
    let elsewhere = read_one(directory.path(), 12).unwrap_err();
    assert!(
        elsewhere.contains("`2/000000000012.segment` is not in the archive"),
        "{elsewhere}"
    );
}

#[test]
fn a_segment_has_its_name_only_when_it_is_whole_and_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path());
    let mut writer = archive.begin(PLACE).unwrap();
    writer.push(&record(8)).unwrap();
    drop(writer);
    assert!(
        archive.open(PLACE).unwrap().is_none(),
        "a crash leaves no segment"
    );
    let path = written(directory.path());
    let bytes = fs::read(&path).unwrap();
    let error = archive.begin(PLACE).unwrap().finish().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(path).unwrap(), bytes);
    let missing = Archive::new(directory.path().join("not-mounted"), 4, entry_of);
    assert!(missing.begin(PLACE).unwrap_err().contains("is it mounted?"));
}

#[test]
fn wherever_a_byte_of_a_segment_is_changed_some_record_is_not_given_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x15;
        fs::write(&path, bytes).unwrap();
        let lost = (8..12).filter(|index| {
            let read = read_one(directory.path(), *index);
            assert!(read.is_err() || read == Ok(record(*index)), "byte {at}");
            read.is_err()
        });
        assert!(lost.count() > 0, "byte {at}");
    }
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(
            (8..12).any(|index| read_one(directory.path(), index).is_err()),
            "{length} bytes"
        );
    }
}
