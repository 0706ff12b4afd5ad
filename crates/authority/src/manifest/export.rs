//! Exporting: the registry as documents that apply to it without a change.

use std::sync::Arc;

use countersign_model::{
    Id, id,
    registry::{Noun, Record, Status},
};
use serde_json::Value;
use serde_saphyr::SerializerOptions;
use thiserror::Error;

use super::{
    Document, Resolver,
    desired::record_name,
    named::{self, Form, Names},
    parse,
    plan::rank,
};

/// Why there is no export.
#[derive(Debug, Error)]
pub enum ExportError<S> {
    /// The resolver stopped: something must be looked up first.
    #[error("something must be looked up first")]
    Stopped(S),
    /// The documents could not be written.
    #[error("the documents could not be written: {0}")]
    Unwritable(String),
}

/// Writes records as documents, in the order in which they can be applied and then by name. Dead
/// records, personal projects and nouns that manifests do not have are left out.
///
/// # Errors
/// When the resolver must look something up first.
pub fn export<R: Resolver>(
    records: &[Arc<Record>],
    resolver: &R,
) -> Result<String, ExportError<R::Stop>> {
    let mut living: Vec<_> = records
        .iter()
        .filter(|record| is_exported(record))
        .collect();
    living.sort_by(|one, other| (rank(one.noun), &one.name).cmp(&(rank(other.noun), &other.name)));
    let mut texts = Vec::with_capacity(living.len());
    for record in living {
        if let Some(document) = document(record, resolver).map_err(ExportError::Stopped)? {
            texts.push(write(&document).map_err(ExportError::Unwritable)?);
        }
    }
    Ok(texts.join("---\n"))
}

fn document<R: Resolver>(record: &Record, resolver: &R) -> Result<Option<Document>, R::Stop> {
    let trust: Vec<_> = match record.noun {
        Noun::Identity => resolver
            .trust_rules(record.id.cast())?
            .into_iter()
            .map(|(_, rule)| rule)
            .collect(),
        _ => Vec::new(),
    };
    named::document(&record.doc, &trust, &RegistryNames(resolver), Form::Export)
}

/// Writes a document as people write it. What YAML's many forms of text would not bring back
/// unchanged is written as JSON, which is YAML too and has one form.
pub(super) fn write(document: &Document) -> Result<String, String> {
    // Long lines are never folded: what is compared as text stands on one line.
    let options = SerializerOptions {
        min_fold_chars: usize::MAX,
        folded_wrap_chars: usize::MAX,
        ..Default::default()
    };
    let value = serde_json::to_value(document).map_err(|error| error.to_string())?;
    let text = serde_saphyr::to_string_with_options(document, options)
        .map_err(|error| error.to_string())?;
    if reads_as(&text, &value) {
        return Ok(text);
    }
    let text = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())? + "\n";
    if reads_as(&text, &value) {
        Ok(text)
    } else {
        Err("a text in it cannot be written as YAML".to_owned())
    }
}

fn reads_as(text: &str, value: &Value) -> bool {
    let documents = parse("export", text).unwrap_or_default();
    let [document] = documents.as_slice() else {
        return false;
    };
    serde_json::to_value(&document.document).is_ok_and(|read| read == *value)
}

fn is_exported(record: &Record) -> bool {
    record.status != Status::Deleted
        && !(record.noun == Noun::Project && record.name.starts_with('~'))
}

struct RegistryNames<'a, R>(&'a R);

impl<R: Resolver> Names for RegistryNames<'_, R> {
    type Stop = R::Stop;

    fn name(&self, id: Id<id::Record>) -> Result<String, R::Stop> {
        record_name(self.0, id)
    }
}
