//! Prints the JSON Schema of manifests.
//!
//! `cargo run -p countersign-authority --example manifest_schema > docs/reference/manifest.schema.json`

use countersign_authority::manifest::json_schema;

fn main() -> Result<(), serde_json::Error> {
    println!("{}", serde_json::to_string_pretty(&json_schema())?);
    Ok(())
}
