//! Reading: from the text of a file to its documents, or to everything that is wrong with it.

use std::sync::{Arc, LazyLock};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::{Error, Options, budget::Budget};

use super::{
    Diagnostic, Document, Located, Place, Source, json_schema,
    tree::{self, Node, Shape},
};

/// A document and where it comes from.
#[derive(Debug, Clone)]
pub struct SourcedDocument {
    /// The file, and where in it the document begins.
    pub source: Source,
    /// The place of its noun.
    pub place: Place,
    /// What it says.
    pub document: Document,
}

/// Reads a file of documents.
///
/// # Errors
/// Everything that is wrong, in the order of the file: for a document that is not YAML its first
/// mistake, for another one every mistake.
pub fn parse(file: &str, text: &str) -> Result<Vec<SourcedDocument>, Vec<Diagnostic>> {
    let file: Arc<str> = file.into();
    let whole = Source::new(Arc::clone(&file), 0);
    if text.len() > FILE_BYTES {
        return Err(vec![whole.at(
            Place::default(),
            format!("the file has more than {FILE_BYTES} bytes"),
        )]);
    }
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    for (lines_before, text) in split(text.trim_start_matches('\u{FEFF}')) {
        let source = Source::new(Arc::clone(&file), lines_before);
        match read(&text) {
            Ok((place, document)) => documents.push(SourcedDocument {
                source,
                place,
                document,
            }),
            Err(findings) => errors.extend(
                findings
                    .into_iter()
                    .map(|(place, message)| source.at(place, message)),
            ),
        }
    }
    if documents.len() > DOCUMENT_LIMIT {
        errors.push(whole.at(
            Place::default(),
            format!("the file has more than {DOCUMENT_LIMIT} documents"),
        ));
    }
    if errors.is_empty() {
        Ok(documents)
    } else {
        Err(errors)
    }
}

fn read(text: &str) -> Result<(Place, Document), Vec<tree::Finding>> {
    let tree: Node = from_yaml(text)?;
    let findings = tree::check(&tree, &SCHEMA);
    if !findings.is_empty() {
        return Err(findings);
    }
    let key = match &tree.value {
        Shape::Map(entries) => entries.first().map(|(key, _)| key.place()),
        _ => None,
    };
    let place = key.unwrap_or_else(|| tree.place());
    Ok((place, pipeline(from_yaml(text)?)?))
}

fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, Vec<tree::Finding>> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| vec![finding(&error)])
}

/// A pipeline document is that of an identity whose kind is known.
fn pipeline(document: Document) -> Result<Document, Vec<tree::Finding>> {
    let Document::PipelineIdentity(mut identity) = document else {
        return Ok(document);
    };
    match &identity.kind {
        Some(kind) if kind.value != "pipeline" => {
            return Err(vec![(
                kind.place(),
                format!(
                    "a `pipeline_identity` is of kind `pipeline`, not `{}`",
                    kind.value
                ),
            )]);
        }
        Some(_) => {}
        None => identity.kind = Some(Located::new("pipeline".to_owned(), identity.name.place())),
    }
    Ok(Document::Identity(identity))
}

fn finding(error: &Error) -> tree::Finding {
    let message = error.to_string();
    match error.location() {
        Some(location) => {
            let place = format!(" at line {}, column {}", location.line(), location.column());
            (
                location.into(),
                message.strip_suffix(&place).unwrap_or(&message).to_owned(),
            )
        }
        None => (Place::default(), message),
    }
}

/// The texts of the documents, each with the number of lines before it. A line that begins with
/// `---` or is `...` separates wherever it stands (YAML 1.2 §9.1.2); what follows `---` belongs to
/// the next. Directives (`%YAML`) may only stand before a document.
fn split(text: &str) -> Vec<(u64, String)> {
    let mut documents = Vec::new();
    let (mut first, mut current) = (0, String::new());
    for (number, line) in (0_u64..).zip(text.lines()) {
        let separated = line
            .strip_prefix("---")
            .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if separated.is_some() || line.trim_end() == "..." {
            documents.push((first, std::mem::take(&mut current)));
            first = number;
        }
        match separated {
            Some(rest) => {
                current.push_str("   ");
                current.push_str(rest);
            }
            None if line.trim_end() == "..." => {}
            None if line.starts_with('%') && current.trim().is_empty() => {}
            None => current.push_str(line),
        }
        current.push('\n');
    }
    documents.push((first, current));
    documents.retain(|(_, text)| {
        text.lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    documents
}

fn options() -> Options {
    let mut options = Options {
        with_snippet: false,
        strict_booleans: true,
        ..Options::default()
    };
    // No document that people write comes near these; one that does is an attack.
    options.alias_limits.max_total_replayed_events = 10_000;
    options.budget = Some(Budget {
        max_depth: 32,
        max_nodes: 50_000,
        max_events: 100_000,
        ..Budget::default()
    });
    options
}

static SCHEMA: LazyLock<Value> = LazyLock::new(json_schema);

/// A whole organisation's manifests fit; it bounds what one request can make us read.
const FILE_BYTES: usize = 1024 * 1024;

/// As many as one transaction may change.
const DOCUMENT_LIMIT: usize = 1_000;
