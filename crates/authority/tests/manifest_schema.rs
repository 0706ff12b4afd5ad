//! The published schema of manifests is the one that reading applies.

use std::{fs, path::Path};

use countersign_authority::manifest::json_schema;
use serde_json::Value;

#[test]
fn the_published_schema_is_fresh() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/manifest.schema.json");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let published: Value = serde_json::from_str(&text).unwrap_or_default();
    assert!(
        published == json_schema(),
        "docs/reference/manifest.schema.json is stale: cargo run -p countersign-authority --example manifest_schema > it"
    );
}
