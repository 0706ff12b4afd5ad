//! The formats of the evidence log: an RFC 6962 tree in the files of the C2SP specifications.
//!
//! [`tree`] is the maths, [`tile`] the layout (tlog-tiles), [`note`] the signed text
//! (signed-note), [`checkpoint`] the signed head (tlog-checkpoint), [`proof`] the file that shows
//! offline that something was logged (tlog-proof).

pub mod checkpoint;
mod hash;
pub mod leaf;
pub mod note;
pub mod proof;
pub mod tile;
pub mod tiled;
pub mod tree;

pub use checkpoint::{Checkpoint, VerifiedCheckpoint};
pub use hash::Hash;
pub use note::{NoteSigner, NoteVerifier};
pub use proof::InclusionProof;
