//! Prints the OpenAPI document.
//!
//! `cargo run -p countersign-server --example openapi > docs/reference/openapi.json`

use countersign_server::http::openapi::document;

fn main() -> Result<(), serde_json::Error> {
    println!("{}", serde_json::to_string_pretty(&document())?);
    Ok(())
}
