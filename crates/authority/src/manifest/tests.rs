//! Manifests, from text to plan and back.

mod exporting;
mod fixture;
mod parsing;
mod planning;
