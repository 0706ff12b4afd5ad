//! The Merkle tree (RFC 6962 §2): appending, roots, proofs.
//!
//! Complete nodes are kept at a *stored index*, in the order in which leaves complete them, so a
//! store needs one table of index and hash that only grows. The maths is that of `tlog_tiles`;
//! this module keeps its assertions out of reach: what comes from outside is checked before.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::{Debug, Display},
};

use thiserror::Error;
use tlog_tiles::tlog;

use super::{Hash, leaf::node_hash};

/// The largest tree: far more than a log ever holds, far less than what overflows.
pub const MAX_TREE_SIZE: u64 = 1 << 48;

/// A tree could not be read or extended.
#[derive(Debug, Error)]
pub enum TreeError<E: Debug + Display> {
    /// The stored hashes do not fit together: some are missing.
    #[error("the stored hashes of the tree do not fit together")]
    Inconsistent,
    /// An index or size beyond the tree, or a tree beyond its limit.
    #[error("no tree of size {size} with an index or earlier size {index}")]
    Range {
        /// The size of the tree.
        size: u64,
        /// The index, or the earlier size.
        index: u64,
    },
    /// The store failed.
    #[error("cannot read the tree: {0}")]
    Read(E),
}

/// A proof does not show what it should.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("the proof does not fit the tree")]
pub struct InvalidProof;

/// What appending leaves adds to a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The stored index of the first new hash.
    pub first_stored_index: u64,
    /// The new hashes, in the order of their stored indexes.
    pub hashes: Vec<Hash>,
    /// The size of the tree with them.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Appends leaf hashes to a tree of `size` leaves. Reads at most 48 hashes, once.
///
/// # Errors
/// When the store fails or lacks hashes, or the tree would pass its limit.
pub fn append<E: Debug + Display>(
    size: u64,
    leaves: &[Hash],
    read: impl FnMut(&[u64]) -> Result<Vec<Hash>, E>,
) -> Result<Appended, TreeError<E>> {
    let added = leaves.len() as u64;
    check_range(
        size,
        added,
        size <= MAX_TREE_SIZE && added <= MAX_TREE_SIZE - size,
    )?;
    let edge = tlog::sub_tree_index(0, size, Vec::new());
    let known = if edge.is_empty() {
        Vec::new()
    } else {
        bridged(read, |tree| tree.fetch(&edge))?
    };
    let known = edge.into_iter().zip(known).collect();
    let memory = Memory {
        known: RefCell::new(known),
    };

    let first_stored_index = tlog::stored_hash_count(size);
    let mut hashes = Vec::with_capacity(leaves.len() * 2);
    for (leaf, index) in leaves.iter().zip(size..) {
        let new = tlog::stored_hashes_for_record_hash(index, tlog::Hash(leaf.0), &memory);
        for hash in new.map_err(|_| TreeError::Inconsistent)? {
            let stored_index = first_stored_index + hashes.len() as u64;
            memory.known.borrow_mut().insert(stored_index, hash);
            hashes.push(Hash(hash.0));
        }
    }
    let size = size + added;
    let root = tlog::tree_hash(size, &memory).map_err(|_| TreeError::Inconsistent)?;
    Ok(Appended {
        first_stored_index,
        hashes,
        size,
        root: Hash(root.0),
    })
}

/// The root of the tree of `size` leaves.
///
/// # Errors
/// When the store fails or lacks hashes.
pub fn root<E: Debug + Display>(
    size: u64,
    read: impl FnMut(&[u64]) -> Result<Vec<Hash>, E>,
) -> Result<Hash, TreeError<E>> {
    check_range(size, 0, size <= MAX_TREE_SIZE)?;
    bridged(read, |tree| tlog::tree_hash(size, tree)).map(|hash| Hash(hash.0))
}

/// The proof that the tree of `size` leaves holds the leaf at `index` (RFC 6962 §2.1.1).
///
/// # Errors
/// When there is no such leaf, or the store fails or lacks hashes.
pub fn prove_record<E: Debug + Display>(
    size: u64,
    index: u64,
    read: impl FnMut(&[u64]) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, TreeError<E>> {
    check_range(size, index, size <= MAX_TREE_SIZE && index < size)?;
    bridged(read, |tree| tlog::prove_record(size, index, tree)).map(ours)
}

/// The proof that the tree of `size` leaves begins with that of `old_size` (RFC 6962 §2.1.2).
///
/// # Errors
/// When the old tree is the larger, or the store fails or lacks hashes.
pub fn prove_tree<E: Debug + Display>(
    size: u64,
    old_size: u64,
    read: impl FnMut(&[u64]) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, TreeError<E>> {
    check_range(size, old_size, size <= MAX_TREE_SIZE && old_size <= size)?;
    if old_size == 0 {
        return Ok(Vec::new());
    }
    bridged(read, |tree| tlog::prove_tree(size, old_size, tree)).map(ours)
}

/// Checks that the tree with this size and root holds the leaf at `index`.
///
/// # Errors
/// When the proof does not show it.
pub fn check_record(
    proof: &[Hash],
    size: u64,
    root: Hash,
    index: u64,
    leaf: Hash,
) -> Result<(), InvalidProof> {
    if size > MAX_TREE_SIZE || index >= size || proof.len() > MAX_PROOF_HASHES {
        return Err(InvalidProof);
    }
    tlog::check_record(
        &theirs(proof),
        size,
        tlog::Hash(root.0),
        index,
        tlog::Hash(leaf.0),
    )
    .map_err(|_| InvalidProof)
}

/// Checks that the tree with this size and root begins with the old one.
///
/// # Errors
/// When the proof does not show it.
pub fn check_tree(
    proof: &[Hash],
    size: u64,
    root: Hash,
    old_size: u64,
    old_root: Hash,
) -> Result<(), InvalidProof> {
    if size > MAX_TREE_SIZE || old_size > size || proof.len() > MAX_PROOF_HASHES {
        return Err(InvalidProof);
    }
    if old_size == 0 {
        // Every tree begins with the empty one.
        let holds = proof.is_empty() && old_root == Hash::EMPTY && (size > 0 || root == old_root);
        return if holds { Ok(()) } else { Err(InvalidProof) };
    }
    let (new, old) = (tlog::Hash(root.0), tlog::Hash(old_root.0));
    tlog::check_tree(&theirs(proof), size, new, old_size, old).map_err(|_| InvalidProof)
}

/// Where the complete node at `level` above the leaves, number `n` from the left, is stored.
/// Nothing beyond the limits of a tree.
#[must_use]
pub fn stored_index(level: u8, n: u64) -> Option<u64> {
    let last = n.checked_add(1)?.checked_shl(u32::from(level))?;
    let fits = level <= 48 && last >> level == n + 1 && last <= MAX_TREE_SIZE;
    fits.then(|| tlog::stored_hash_index(level, n))
}

/// How many hashes a tree of `size` leaves stores.
#[must_use]
pub fn stored_count(size: u64) -> u64 {
    tlog::stored_hash_count(size.min(MAX_TREE_SIZE))
}

/// Computes the root of leaves as they come, in memory for one hash per level: for who has all
/// entries and trusts nothing else.
#[derive(Debug, Clone, Default)]
pub struct RootBuilder {
    /// The complete subtrees, largest first, each with its level.
    edge: Vec<(u32, Hash)>,
    size: u64,
}

impl RootBuilder {
    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = (0, leaf);
        while let Some((level, left)) = self.edge.pop_if(|(level, _)| *level == node.0) {
            node = (level + 1, node_hash(left, node.1));
        }
        self.edge.push(node);
        self.size += 1;
    }

    /// How many leaves it has taken.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over them.
    #[must_use]
    pub fn root(&self) -> Hash {
        let hashes = self.edge.iter().rev().map(|(_, hash)| *hash);
        hashes
            .reduce(|right, left| node_hash(left, right))
            .unwrap_or(Hash::EMPTY)
    }
}

/// Hashes at hand, by stored index.
struct Memory {
    known: RefCell<HashMap<u64, tlog::Hash>>,
}

impl tlog::HashReader for Memory {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let known = self.known.borrow();
        let hash = |index| {
            known
                .get(index)
                .copied()
                .ok_or(tlog::Error::IndexesNotInTree)
        };
        indexes.iter().map(hash).collect()
    }
}

/// Lets `tlog_tiles` read from a closure, and keeps the closure's own error.
struct Bridge<F, E> {
    read: RefCell<F>,
    failed: RefCell<Option<E>>,
}

impl<E, F: FnMut(&[u64]) -> Result<Vec<Hash>, E>> Bridge<F, E> {
    fn fetch(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        match (self.read.borrow_mut())(indexes) {
            // INVARIANT: `tlog_tiles` asserts that it gets what it asked for.
            Ok(hashes) if hashes.len() == indexes.len() => Ok(theirs(&hashes)),
            Ok(_) => Err(tlog::Error::IndexesNotInTree),
            Err(error) => {
                self.failed.replace(Some(error));
                Err(tlog::Error::IndexesNotInTree)
            }
        }
    }
}

impl<E, F: FnMut(&[u64]) -> Result<Vec<Hash>, E>> tlog::HashReader for Bridge<F, E> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        self.fetch(indexes)
    }
}

fn bridged<T, E: Debug + Display, F: FnMut(&[u64]) -> Result<Vec<Hash>, E>>(
    read: F,
    ask: impl FnOnce(&Bridge<F, E>) -> Result<T, tlog::Error>,
) -> Result<T, TreeError<E>> {
    let bridge = Bridge {
        read: RefCell::new(read),
        failed: RefCell::new(None),
    };
    let answer = ask(&bridge);
    match bridge.failed.into_inner() {
        Some(error) => Err(TreeError::Read(error)),
        None => answer.map_err(|_| TreeError::Inconsistent),
    }
}

const fn check_range<E: Debug + Display>(
    size: u64,
    index: u64,
    holds: bool,
) -> Result<(), TreeError<E>> {
    if holds {
        Ok(())
    } else {
        Err(TreeError::Range { size, index })
    }
}

fn ours(hashes: Vec<tlog::Hash>) -> Vec<Hash> {
    hashes.into_iter().map(|hash| Hash(hash.0)).collect()
}

fn theirs(hashes: &[Hash]) -> Vec<tlog::Hash> {
    hashes.iter().map(|hash| tlog::Hash(hash.0)).collect()
}

/// Twice the levels of the largest tree: more than any proof needs.
const MAX_PROOF_HASHES: usize = 96;
