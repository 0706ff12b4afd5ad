//! From an evidence record to its leaf.

use super::Hash;
use crate::digest::{sha256, sha256_of};

/// What the log holds of a record: a hash over its salt and its stored bytes. It says nothing
/// about them to who does not have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment(pub [u8; 32]);

/// Bytes of a salt: enough that nobody finds a short value by trying.
pub const SALT_BYTES: usize = 16;

impl Commitment {
    /// Commits to the record: SHA-256 of the salt and the body as it is stored. The salt has a
    /// fixed length, so that no other salt and body give the same bytes.
    #[must_use]
    pub fn new(salt: &[u8; SALT_BYTES], body: &[u8]) -> Self {
        Self(sha256_of(&[salt, body]))
    }

    /// The log entry: what an entry bundle carries.
    #[must_use]
    pub const fn entry(&self) -> &[u8; 32] {
        &self.0
    }

    /// The leaf of the tree: SHA-256 of a zero byte and the entry (RFC 6962 §2.1).
    #[must_use]
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.0)
    }
}

/// The leaf hash of any log entry (RFC 6962 §2.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(sha256_of(&[&[0], entry]))
}

/// The digest that stands in a body for a personal value, whose salt and text can be erased.
#[must_use]
pub fn disclosed_digest(salt: &[u8; SALT_BYTES], value: &str) -> String {
    hex::encode(sha256_of(&[salt, value.as_bytes()]))
}

/// The hash of an inner node (RFC 6962 §2.1).
pub(super) fn node_hash(left: Hash, right: Hash) -> Hash {
    let mut bytes = [1; 65];
    let inputs = left.0.iter().chain(&right.0);
    bytes
        .iter_mut()
        .skip(1)
        .zip(inputs)
        .for_each(|(to, from)| *to = *from);
    Hash(sha256(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaf_and_node_are_told_apart() {
        // RFC 6962 test vectors: the leaf of the empty string.
        assert_eq!(
            leaf_hash(b"").to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        let joined = [[1; 32], [2; 32]].concat();
        assert_ne!(node_hash(Hash([1; 32]), Hash([2; 32])), leaf_hash(&joined));
    }

    #[test]
    fn a_commitment_depends_on_salt_and_body() {
        let commitment = Commitment::new(&[1; 16], b"body");
        assert_ne!(commitment, Commitment::new(&[2; 16], b"body"));
        assert_ne!(commitment, Commitment::new(&[1; 16], b"bodx"));
        assert_eq!(commitment.leaf(), leaf_hash(commitment.entry()));
        assert_eq!(
            disclosed_digest(&[1; 16], "body"),
            hex::encode(commitment.entry())
        );
    }
}
