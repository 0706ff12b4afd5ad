//! `lineage`: from a result back to the person who answers, and forward from a person.

use clap::Args;
use countersign_api::{
    ClientError,
    lineage::{self, Direction, LineageQuery},
};
use serde_json::Value;

use crate::{
    app::App,
    failure::{Exit, Failure},
    log_folder::LogTrust,
    view::{self, Column, plain, wrapped},
};

/// From a result back to the person who answers, or forward from a person
///
/// References: token:JTI action:ID run:ID approval:ID execution:ID commit:SHA digest:sha256:.. resource:R
/// identity:NAME user:EMAIL team:NAME
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign lineage commit:8f3c2d1\n  countersign lineage user:dana@example.com"
)]
pub struct Lineage {
    /// Where to start: token:JTI action:ID run:ID approval:ID execution:ID commit:SHA digest:.. identity:N user:EMAIL team:N
    #[arg(value_name = "REF")]
    reference: String,
    /// Check the proof of each hop on this machine, with the pinned key of the log
    #[arg(long)]
    verify: bool,
    /// The log's key, instead of the pinned one
    #[arg(long, value_name = "KEY|FILE", requires = "verify")]
    key: Option<String>,
}

const ANSWERS: [Column; 5] = [
    Column("IDENTITY", "/identity"),
    Column("KIND", "/kind"),
    Column("AS", "/relations"),
    Column("MAY", "/allowed_actions"),
    Column("STATUS", "/status"),
];

impl Lineage {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let lineage = client
            .lineage(&LineageQuery {
                reference: self.reference.clone(),
            })
            .await
            .map_err(unreadable)?;
        let width = app.out.is_terminal().then(view::width);
        app.out
            .data(&lineage, |json| shown(&lineage, json, width))?;
        if !self.verify {
            return Ok(());
        }
        let trust = LogTrust::of(app, self.key.as_deref(), Some(&app.base()))?;
        let (mut proven, mut waiting, mut lost) = (0_u32, 0_u32, 0_u32);
        let mut elsewhere = None;
        for node in &lineage.nodes {
            let Some(evidence_id) = node.evidence_id else {
                continue;
            };
            if node.gap {
                lost += 1;
                continue;
            }
            let record = client.evidence(&evidence_id.to_string(), &()).await?;
            if let Some(other) = trust.other_log(&record) {
                elsewhere = Some(other);
                continue;
            }
            match trust.check_record(&record) {
                Ok(true) => proven += 1,
                Ok(false) => waiting += 1,
                Err(what) => {
                    let what = format!("{} is not what the log says: {what}", plain(&node.label));
                    return Err(
                        Failure::new(Exit::Tampered, what).at(format!("evidence {evidence_id}"))
                    );
                }
            }
        }
        app.out.talk(&format!(
            "{proven} hops proven against the key of {}",
            trust.origin()
        ));
        if waiting > 0 {
            app.out.talk(&format!(
                "{waiting} not yet published in the log; try again in a second"
            ));
        }
        if let Some(other) = elsewhere {
            return Err(Failure::failed(format!(
                "some hops are in the log `{other}`, and the key is that of `{}`",
                trust.origin()
            ))
            .next("a restore began another log: prove those with --key and the key from before"));
        }
        if lost > 0 {
            return Err(Failure::new(
                Exit::Tampered,
                format!("{lost} hops cannot be proven: their records cannot be read"),
            )
            .next("the gaps above say what is missing in the archive"));
        }
        Ok(())
    }
}

/// What is no reference is a mistake of the command line, and not something that is missing.
fn unreadable(error: ClientError) -> Failure {
    let is_reference = error.reason_code() != Some("bad_request");
    let mut failure = Failure::from(error);
    if is_reference {
        return failure;
    }
    failure.exit = Exit::Usage;
    failure.next("give one such as `commit:8f3c2d1` or `user:dana@example.com`")
}

/// The lineage for people. On a terminal sentences are broken between words at its width; what reads a pipe gets each on
/// one line.
fn shown(lineage: &lineage::Lineage, json: &Value, width: Option<usize>) -> String {
    let sentence = |text: &str, indent: &str| {
        let text = plain(text);
        let lines = width.map(|width| wrapped(&text, width - indent.len()));
        let lines = lines.unwrap_or_else(|| vec![text]);
        lines.join(&format!("\n{indent}"))
    };
    let mut text = sentence(&lineage.sentence, "");
    if lineage.direction == Direction::Forward {
        if lineage.answers_for.is_empty() {
            text.push_str("\n\nno identity");
        } else {
            text.push_str(&format!(
                "\n\n{}",
                view::table(&ANSWERS, &json["answers_for"])
            ));
        }
        for account in &lineage.observed {
            text.push_str(&format!("\nobserved: {}", plain(&account.name)));
        }
        return text;
    }
    let row = |node: &lineage::Node| {
        let now = node
            .now
            .as_ref()
            .map(|now| format!(" (now {now})"))
            .unwrap_or_default();
        vec![
            if node.gap {
                "GAP".to_owned()
            } else {
                node.node_type.clone()
            },
            plain(&format!("{}{now}", node.label)),
            node.at.map_or_else(
                || "-".to_owned(),
                |at| view::cell(&Value::String(at.to_string())),
            ),
            node.log
                .as_ref()
                .map_or_else(|| "-".to_owned(), |log| log.index.to_string()),
        ]
    };
    if !lineage.nodes.is_empty() {
        let rows = lineage.nodes.iter().map(row).collect();
        text.push_str(&format!(
            "\n\n{}",
            view::rows_table(&["HOP", "WHAT", "AT", "LOG"], rows)
        ));
    }
    for gap in &lineage.gaps {
        text.push_str(&format!("\ngap: {}", sentence(gap, "     ")));
    }
    if !lineage.others.is_empty() {
        text.push_str("\n\nThe same reference also leads to:");
        for other in &lineage.others {
            let told = sentence(&other.sentence, "    ");
            let gap = if width.is_some() { "\n    " } else { "  " };
            text.push_str(&format!("\n  {}{gap}{told}", other.reference));
        }
    }
    if lineage.truncated {
        text.push_str("\n\nthere is more than fits; ask for a narrower reference");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sentence_comes_first_and_a_gap_is_said() {
        let json = json!({
            "ref": "commit:8f3c", "direction": "backward", "sentence": "pipeline triage did case.read.",
            "nodes": [
                {"id": "1", "type": "action", "label": "case.read on 12", "log": {"index": 7, "tree_size": 9, "proof": [], "checkpoint": ""}},
                {"id": "2", "type": "run", "label": "the run", "gap": true},
            ],
            "edges": [], "gaps": ["the run is not on record"],
        });
        let lineage: lineage::Lineage = serde_json::from_value(json.clone()).unwrap();
        let text = shown(&lineage, &json, None);
        assert!(
            text.starts_with("pipeline triage did case.read.\n\nHOP"),
            "{text}"
        );
        assert!(
            text.contains("GAP") && text.ends_with("gap: the run is not on record"),
            "{text}"
        );
    }

    #[test]
    fn on_a_terminal_no_sentence_is_wider_than_it() {
        let long = "pipeline triage did case.read ".repeat(9);
        let json = json!({
            "ref": "commit:8f3c", "direction": "backward", "sentence": long, "nodes": [], "edges": [], "gaps": [long],
            "others": [{"ref": "run:1", "sentence": long}],
        });
        let lineage: lineage::Lineage = serde_json::from_value(json.clone()).unwrap();
        let text = shown(&lineage, &json, Some(80));
        assert!(text.lines().count() > 9, "{text}");
        for line in text.lines() {
            assert!(line.len() <= 80, "{line}");
        }
        let words = |text: &str| {
            text.split_whitespace()
                .filter(|word| *word == "did")
                .count()
        };
        let piped = shown(&lineage, &json, None);
        assert_eq!((words(&text), words(&piped)), (27, 27));
        assert!(piped.lines().any(|line| line.len() > 200), "{piped}");
    }
}
