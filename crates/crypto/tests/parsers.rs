//! Whatever comes in, a parser answers: it never panics, and what it accepts it writes the same.

mod common;

use common::b64;
use countersign_crypto::{
    digest::MacKey,
    jose::{KeyPurpose, KeySet, Unverified},
    key_wrap::KeyFile,
    log::{
        Checkpoint, InclusionProof, NoteVerifier,
        note::UnverifiedNote,
        tile::{Bundle, TilePath},
    },
    opaque::ParsedSecret,
    sealed_code,
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = Unverified::parse(&text);
        let _ = KeyFile::parse(&text);
        let _ = ParsedSecret::parse(&text);
        let _ = sealed_code::open(&MacKey::new(b"k"), "csec", &text);
        let _ = UnverifiedNote::parse(&text);
        let _ = Checkpoint::parse_for_explanation(&text);
        let _ = text.parse::<NoteVerifier>();
        let _ = text.parse::<InclusionProof>();
        let _ = KeySet::parse(text.as_bytes(), KeyPurpose::Foreign);
        let _ = Unverified::parse(&format!("{}.{}.{}", b64("{\"alg\":\"ES256\"}"), b64(&text), b64(&text)));
        let _ = UnverifiedNote::parse(&format!("{text}\n\n\u{2014} {text}\n"));
        let _ = format!("c2sp.org/tlog-proof@v1\nindex {text}\n\n{text}").parse::<InclusionProof>();
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(entries) = Bundle::decode(&bytes) {
            prop_assert_eq!(Bundle::encode(entries).unwrap(), bytes.clone());
        }
        let key = KeyFile::generate().unwrap();
        prop_assert!(key.unwrap(b"", &bytes).is_err());
        let wrapped = key.wrap(b"", &bytes).unwrap();
        let unwrapped = key.unwrap(b"", &wrapped).unwrap();
        prop_assert_eq!(unwrapped.expose(), &bytes);
        let mac = MacKey::new(b"k");
        let code = sealed_code::seal(&mac, "csec", &bytes);
        prop_assert_eq!(sealed_code::open(&mac, "csec", code.expose()).unwrap(), bytes);
    }

    #[test]
    fn a_path_that_reads_is_the_path_that_is_written(path in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,6}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(parsed) = path.parse::<TilePath>() {
            prop_assert_eq!(parsed.to_string(), path);
        }
    }
}
