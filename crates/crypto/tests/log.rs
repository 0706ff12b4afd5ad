//! The log: known roots, laws of proofs, notes, checkpoints and proof files.

use std::{cell::RefCell, convert::Infallible};

use countersign_crypto::{
    SigningAlg, SigningKey,
    log::{
        Checkpoint, Hash, InclusionProof, NoteSigner, NoteVerifier, VerifiedCheckpoint,
        checkpoint::CheckpointError,
        leaf::leaf_hash,
        note::{NoteError, UnverifiedNote},
        proof::ProofError,
        tile::{TILE_WIDTH, Tile},
        tree::{self, RootBuilder, TreeError},
    },
};
use proptest::prelude::*;

const ORIGIN: &str = "auth.example.com/log";

/// A store of hashes, as the database keeps them.
#[derive(Default)]
struct Store {
    hashes: Vec<Hash>,
    size: u64,
    root: Option<Hash>,
    reads: RefCell<u32>,
}

impl Store {
    fn of(count: u64) -> Self {
        let mut store = Self::default();
        store.append(&(0..count).map(leaf).collect::<Vec<_>>());
        store
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the shape that a reader of hashes has"
    )]
    fn read(&self, indexes: &[u64]) -> Result<Vec<Hash>, Infallible> {
        *self.reads.borrow_mut() += 1;
        Ok(indexes
            .iter()
            .map(|index| self.hashes[usize::try_from(*index).unwrap()])
            .collect())
    }

    fn append(&mut self, leaves: &[Hash]) {
        let appended = tree::append(self.size, leaves, |indexes| self.read(indexes)).unwrap();
        assert_eq!(appended.first_stored_index, self.hashes.len() as u64);
        self.hashes.extend(appended.hashes);
        assert_eq!(self.hashes.len() as u64, tree::stored_count(appended.size));
        (self.size, self.root) = (appended.size, Some(appended.root));
    }

    fn root(&self, size: u64) -> Hash {
        tree::root(size, |indexes| self.read(indexes)).unwrap()
    }
}

fn leaf(n: u64) -> Hash {
    leaf_hash(&n.to_be_bytes())
}

fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, SigningKey::generate(SigningAlg::Ed25519).unwrap()).unwrap()
}

#[test]
fn roots_are_the_known_ones() {
    // The reference inputs of Certificate Transparency.
    let inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let (mut store, mut builder) = (Store::default(), RootBuilder::default());
    assert_eq!(builder.root(), Hash::EMPTY);
    assert_eq!(store.root(0), Hash::EMPTY);
    for (input, root) in inputs.iter().zip(roots) {
        let leaf = leaf_hash(&hex::decode(input).unwrap());
        store.append(&[leaf]);
        builder.push(leaf);
        assert_eq!(store.root.unwrap().to_string(), root);
        assert_eq!(builder.root().to_string(), root);
    }
}

#[test]
fn appending_reads_the_edge_once() {
    let mut store = Store::of(1000);
    *store.reads.borrow_mut() = 0;
    store.append(&(1000..3000).map(leaf).collect::<Vec<_>>());
    assert_eq!(*store.reads.borrow(), 1);
    assert_eq!(store.root, Store::of(3000).root);
    let unchanged = store.root;
    store.append(&[]);
    assert_eq!(store.root, unchanged);
}

#[test]
fn what_is_out_of_range_or_unread_is_an_error() {
    let store = Store::of(5);
    let read = |indexes: &[u64]| store.read(indexes);
    assert!(matches!(
        tree::prove_record(5, 5, read),
        Err(TreeError::Range { .. })
    ));
    assert!(matches!(
        tree::prove_record(u64::MAX, 5, read),
        Err(TreeError::Range { .. })
    ));
    assert!(matches!(
        tree::prove_tree(5, 6, read),
        Err(TreeError::Range { .. })
    ));
    assert!(matches!(
        tree::root(u64::MAX, read),
        Err(TreeError::Range { .. })
    ));
    assert!(matches!(
        tree::append(u64::MAX, &[leaf(0)], read),
        Err(TreeError::Range { .. })
    ));
    let broken = |_: &[u64]| Err::<Vec<Hash>, _>("disk on fire");
    assert_eq!(
        tree::root(5, broken).unwrap_err().to_string(),
        "cannot read the tree: disk on fire"
    );
    let short = |_: &[u64]| Ok::<_, Infallible>(Vec::new());
    assert!(matches!(tree::root(5, short), Err(TreeError::Inconsistent)));
    assert!(matches!(
        tree::append(5, &[leaf(5)], short),
        Err(TreeError::Inconsistent)
    ));
    assert!(tree::check_record(&[], u64::MAX, leaf(0), 1, leaf(1)).is_err());
    assert!(tree::check_record(&[leaf(0); 200], 1 << 40, leaf(0), 1, leaf(1)).is_err());
    assert!(tree::check_tree(&[], 5, leaf(0), 0, Hash::EMPTY).is_ok());
    assert!(tree::check_tree(&[], 5, leaf(0), 0, leaf(0)).is_err());
    assert_eq!(tree::stored_index(0, u64::MAX), None);
    assert_eq!(tree::stored_index(60, 0), None);
    assert_eq!(tree::stored_index(1, 0), Some(2));
}

#[test]
fn tiles_hold_the_hashes_of_the_tree() {
    let store = Store::of(700);
    let tile = Tile {
        level: 0,
        index: 1,
        width: TILE_WIDTH,
    };
    let bytes = tile.read(|indexes| store.read(indexes)).unwrap();
    assert_eq!(bytes.len(), 8192);
    assert_eq!(bytes[32..64], leaf(257).0);
    let upper = Tile {
        level: 1,
        index: 0,
        width: 2,
    };
    let bytes = upper.read(|indexes| store.read(indexes)).unwrap();
    assert_eq!(bytes[..32], store.root(256).0);
    let nowhere = Tile {
        level: 9,
        index: u64::MAX,
        width: 2,
    };
    assert!(nowhere.read(|indexes| store.read(indexes)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_record_proof_verifies_and_no_tampering_does(
        (size, index) in (1_u64..600).prop_flat_map(|size| (Just(size), 0..size)),
        at in 0_usize..64,
        bit in 0_usize..256,
    ) {
        let store = Store::of(size);
        let root = store.root(size);
        let proof = tree::prove_record(size, index, |indexes| store.read(indexes)).unwrap();
        let check = |proof: &[Hash], size, root, index, leaf| tree::check_record(proof, size, root, index, leaf);
        prop_assert!(check(&proof, size, root, index, leaf(index)).is_ok());
        prop_assert!(check(&proof, size, root, index, leaf(index + 1)).is_err());
        prop_assert!(check(&proof, size, leaf(0), index, leaf(index)).is_err() || size == 1);
        if size > 1 {
            prop_assert!(check(&proof, size, root, (index + 1) % size, leaf(index)).is_err());
            let at = at % proof.len();
            let mut changed = proof.clone();
            changed[at].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(check(&changed, size, root, index, leaf(index)).is_err());
            prop_assert!(check(&proof[1..], size, root, index, leaf(index)).is_err());
        }
        let longer = [proof.as_slice(), &[leaf(0)]].concat();
        prop_assert!(check(&longer, size, root, index, leaf(index)).is_err());
    }

    #[test]
    fn a_tree_proof_verifies_and_no_tampering_does(
        (size, old) in (1_u64..600).prop_flat_map(|size| (Just(size), 1..=size)),
        at in 0_usize..64,
    ) {
        let store = Store::of(size);
        let (root, old_root) = (store.root(size), store.root(old));
        let proof = tree::prove_tree(size, old, |indexes| store.read(indexes)).unwrap();
        prop_assert!(tree::check_tree(&proof, size, root, old, old_root).is_ok());
        prop_assert!(tree::check_tree(&proof, size, root, old, leaf(0)).is_err() || old == 1);
        prop_assert!(tree::check_tree(&proof, size, leaf(7), old, old_root).is_err());
        if !proof.is_empty() {
            let mut changed = proof.clone();
            changed[at % proof.len()].0[3] ^= 4;
            prop_assert!(tree::check_tree(&changed, size, root, old, old_root).is_err());
            prop_assert!(tree::check_tree(&proof[1..], size, root, old, old_root).is_err());
        }
    }

    #[test]
    fn appending_in_any_portions_gives_one_tree(portions in prop::collection::vec(0_u64..70, 1..8)) {
        let (mut store, mut builder) = (Store::default(), RootBuilder::default());
        let mut next = 0;
        for portion in portions {
            let leaves: Vec<_> = (next..next + portion).map(leaf).collect();
            store.append(&leaves);
            for leaf in leaves {
                builder.push(leaf);
            }
            next += portion;
        }
        prop_assert_eq!(store.root.unwrap(), builder.root());
        prop_assert_eq!(store.root(next), builder.root());
    }
}

#[test]
fn the_note_of_the_specification_verifies() {
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let note = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let verifier: NoteVerifier = key.parse().unwrap();
    assert_eq!(verifier.to_string(), key);
    let keys = [verifier];
    let parsed = UnverifiedNote::parse(note).unwrap();
    assert_eq!(
        parsed.verify(&keys).unwrap(),
        "This is an example message.\n"
    );
    let changed = note.replace("example message", "exemple message");
    let refused = UnverifiedNote::parse(&changed)
        .unwrap()
        .verify(&keys)
        .unwrap_err()
        .to_string();
    assert_eq!(refused, "the signature by `example.com/foo` is not good");
    for bad in [
        key.replace("530d903a", "530d903b"),
        key.replace("530d903a", "530D903A"),
        key.replace("+Ae", "+Be"),
        key.replace("example.com/foo", ""),
        "example.com/foo".to_owned(),
    ] {
        assert!(bad.parse::<NoteVerifier>().is_err(), "{bad}");
    }
}

#[test]
fn a_note_ignores_strangers_and_refuses_malformed_text() {
    let (one, two) = (signer(), signer());
    let note = one.sign("text\n").unwrap();
    let parsed = UnverifiedNote::parse(&note).unwrap();
    assert_eq!(
        parsed.verify(&[two.verifier().clone()]).unwrap_err(),
        NoteError::UnknownKeys
    );
    let both = format!(
        "{note}{}",
        two.sign("text\n").unwrap().split_once("\n\n").unwrap().1
    );
    for key in [&one, &two] {
        let keys = [key.verifier().clone()];
        assert_eq!(
            UnverifiedNote::parse(&both).unwrap().verify(&keys).unwrap(),
            "text\n"
        );
    }
    assert!(one.sign("no line end").is_err());
    assert!(one.sign("bell\u{7}\n").is_err());
    for bad in [
        String::new(),
        "text\n".to_owned(),
        "text\n\n".to_owned(),
        note.trim_end().to_owned(),
        note.replace('\u{2014}', "-"),
        note.replace("text", "te\rxt"),
        format!("{note}\n"),
        format!("{note}trailing\n"),
    ] {
        let accepted = UnverifiedNote::parse(&bad)
            .and_then(|note| note.verify(&[one.verifier().clone()]).map(str::to_owned));
        assert!(accepted.is_err(), "{bad:?}");
    }
    let es256 = SigningKey::generate(SigningAlg::Es256).unwrap();
    assert_eq!(NoteSigner::new("a", es256).unwrap_err(), NoteError::Key);
    for name in ["", "a b", "a+b", "a\nb"] {
        let key = SigningKey::generate(SigningAlg::Ed25519).unwrap();
        assert!(
            matches!(NoteSigner::new(name, key), Err(NoteError::Name(_))),
            "{name:?}"
        );
    }
}

#[test]
fn a_checkpoint_reads_back_and_notices_every_change() {
    let signer = signer();
    let keys = [signer.verifier().clone()];
    let store = Store::of(1234);
    let head = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 1234,
        root: store.root(1234),
    };
    let note = head.sign(&signer).unwrap();
    assert_eq!(
        VerifiedCheckpoint::verify(&note, ORIGIN, &keys)
            .unwrap()
            .head(),
        &head
    );
    assert_eq!(Checkpoint::parse_for_explanation(&note).unwrap(), head);
    for (at, _) in note
        .char_indices()
        .filter(|(at, c)| c.is_ascii() && *at < note.len() - 90)
    {
        let mut changed = note.clone();
        changed.replace_range(at..=at, if &note[at..=at] == "1" { "2" } else { "1" });
        assert!(
            VerifiedCheckpoint::verify(&changed, ORIGIN, &keys).is_err(),
            "at {at}"
        );
    }
    let other = VerifiedCheckpoint::verify(&note, "other.example.com/log", &keys);
    assert!(matches!(other, Err(CheckpointError::OtherLog { .. })));
}

#[test]
fn what_is_signed_must_be_a_checkpoint() {
    let signer = signer();
    let keys = [signer.verifier().clone()];
    let root = leaf(1).to_base64();
    for text in [
        "\n1\nroot\n".to_owned(),
        format!("{ORIGIN}\n01\n{root}\n"),
        format!("{ORIGIN}\n+1\n{root}\n"),
        format!("{ORIGIN}\n-1\n{root}\n"),
        format!("{ORIGIN}\n99999999999999999999\n{root}\n"),
        format!("{ORIGIN}\n0\n{root}\n"),
        format!("{ORIGIN}\n1\n{}\n", &root[..40]),
        format!("{ORIGIN}\n1\n{root}\n\n"),
        format!("{ORIGIN}\n1\n"),
    ] {
        let note = signer.sign(&text).unwrap();
        assert!(
            VerifiedCheckpoint::verify(&note, ORIGIN, &keys).is_err(),
            "{text:?}"
        );
    }
    let extended = signer
        .sign(&format!("{ORIGIN}\n1\n{root}\nextension\n"))
        .unwrap();
    VerifiedCheckpoint::verify(&extended, ORIGIN, &keys).unwrap();
    let two_lines = Checkpoint {
        origin: "a\n9".to_owned(),
        size: 1,
        root: leaf(1),
    };
    assert!(two_lines.sign(&signer).is_err());
}

#[test]
fn a_proof_file_verifies_offline_and_notices_every_change() {
    let (store, signer) = (Store::of(300), signer());
    let keys = [signer.verifier().clone()];
    let head = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 300,
        root: store.root(300),
    };
    let proof = InclusionProof {
        extra: None,
        index: 77,
        hashes: tree::prove_record(300, 77, |indexes| store.read(indexes)).unwrap(),
        checkpoint: head.sign(&signer).unwrap(),
    };
    let with_extra = InclusionProof {
        extra: Some(b"salt".to_vec()),
        ..proof.clone()
    };
    for proof in [&proof, &with_extra] {
        let text = proof.to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\n"));
        let read: InclusionProof = text.parse().unwrap();
        assert_eq!(&read, proof);
        let verified = read.verify(leaf(77), ORIGIN, &keys).unwrap();
        assert_eq!((verified.index(), verified.checkpoint().size()), (77, 300));
    }
    assert!(matches!(
        proof.verify(leaf(78), ORIGIN, &keys),
        Err(ProofError::NotIncluded(_))
    ));
    assert!(matches!(
        proof.verify(leaf(77), "other", &keys),
        Err(ProofError::Checkpoint(_))
    ));
    let stranger = [self::signer().verifier().clone()];
    assert!(proof.verify(leaf(77), ORIGIN, &stranger).is_err());

    let text = proof.to_string();
    for (from, to) in [
        ("index 77", "index 78"),
        ("index 77", "index 077"),
        ("index 77", "index +77"),
        ("index 77\n", ""),
        ("@v1", "@v2"),
        ("index 77\n", "index 77\nAAAA\n"),
        ("index 77\n", "extra !\nindex 77\n"),
        ("\n300\n", "\n301\n"),
    ] {
        assert!(text.contains(from));
        let changed = text.replace(from, to).parse::<InclusionProof>();
        let verified = changed.and_then(|proof| proof.verify(leaf(77), ORIGIN, &keys));
        assert!(verified.is_err(), "{from} -> {to}");
    }
}
