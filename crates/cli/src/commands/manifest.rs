//! `plan`, `apply` and `export`: the registry as YAML files.

use std::path::PathBuf;

use clap::Args;
use countersign_api::{
    NameOrId,
    manifests::{
        Change, ChangeVerb, Diagnostic, Document, ExportQuery, FieldChange, ManifestRequest,
        Plan as Planned, Severity,
    },
};
use serde_json::Value;

use crate::{
    app::App,
    attached,
    failure::{Exit, Failure},
    files::{self, Access},
    out::{Out, Tone},
    view::{cell, plain},
};

/// Say what applying manifests would change
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign plan -f identities/ --project support")]
pub struct Plan {
    #[command(flatten)]
    files: Files,
}

/// Apply manifests: make and edit what they say, delete nothing
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign apply -f triage.yaml --project support --sponsor dana@example.com"
)]
pub struct Apply {
    #[command(flatten)]
    files: Files,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

/// Write the registry as manifests
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign export --project support -f support.yaml")]
pub struct Export {
    /// The file to write, or the directory to write PROJECT.yaml into; without it, stdout
    #[arg(short, long, value_name = "FILE|DIR")]
    file: Option<PathBuf>,
    /// Only this project
    #[arg(long)]
    project: Option<NameOrId>,
    /// The JSON Schema of manifests instead, for an editor
    #[arg(long, conflicts_with = "project")]
    schema: bool,
}

/// Which manifests, and what they leave open.
#[derive(Debug, Args)]
struct Files {
    /// A file, a directory of .yaml and .yml files, or `-` for stdin; once for each
    #[arg(short, long = "file", value_name = "FILE|DIR", required = true)]
    file: Vec<PathBuf>,
    /// The project of identities that name none
    #[arg(long)]
    project: Option<NameOrId>,
    /// The sponsor of identities that name none
    #[arg(long, value_name = "EMAIL|TEAM")]
    sponsor: Option<NameOrId>,
}

impl Files {
    fn request(&self, dry_run: bool) -> Result<ManifestRequest, Failure> {
        let mut documents = Vec::new();
        for path in &self.file {
            for file in files::manifests(path)? {
                let text = files::read(&file)?;
                documents.extend(attached::named_in(&file, &text)?);
                documents.push(Document {
                    file: file.display().to_string(),
                    text,
                    attached: false,
                });
            }
        }
        Ok(ManifestRequest {
            documents,
            project: self.project.clone(),
            sponsor: self.sponsor.clone(),
            dry_run,
        })
    }

    fn words(&self) -> String {
        let mut words: Vec<String> = self
            .file
            .iter()
            .map(|path| format!("-f {}", path.display()))
            .collect();
        words.extend(
            self.project
                .iter()
                .map(|project| format!("--project {project}")),
        );
        words.extend(
            self.sponsor
                .iter()
                .map(|sponsor| format!("--sponsor {sponsor}")),
        );
        words.join(" ")
    }
}

impl Plan {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let plan = app.client()?.plan(&self.files.request(true)?).await?;
        app.out.data(&plan, |_| shown(&plan, app.out))?;
        refuse_errors(&plan)?;
        if changes(&plan) > 0 {
            app.out.talk(&format!(
                "to do it: countersign apply {}",
                self.files.words()
            ));
        }
        Ok(())
    }
}

impl Apply {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        apply(app, &self.files.request(self.dry_run)?).await
    }
}

/// Applies documents, and says what was done and what waits.
pub async fn apply(app: &App, request: &ManifestRequest) -> Result<(), Failure> {
    let plan = app.client()?.apply(request).await?;
    app.out.data(&plan, |_| shown(&plan, app.out))?;
    refuse_errors(&plan)?;
    if request.dry_run || !plan.applied {
        app.out.talk("nothing was changed");
    }
    let waiting: Vec<String> = plan
        .changes
        .iter()
        .filter_map(|change| change.approval_id)
        .map(|id| id.to_string())
        .collect();
    let Some(first) = waiting.first() else {
        return Ok(());
    };
    let what = format!("{} of the changes wait for a second person", waiting.len());
    Err(Failure::new(Exit::ApprovalNeeded, what).next(format!(
        "somebody who may decide runs `countersign approval approve {first}`"
    )))
}

impl Export {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let text = if self.schema {
            let schema = client.manifest_schema(&()).await?;
            serde_json::to_string_pretty(&schema)
                .map_err(|error| Failure::failed(error.to_string()))?
        } else {
            client
                .export(&ExportQuery {
                    project: self.project.clone(),
                })
                .await?
        };
        let Some(path) = self.file else {
            app.out.text(&text);
            return Ok(());
        };
        let name = self
            .project
            .as_ref()
            .map_or("countersign", NameOrId::as_str)
            .replace('/', "_");
        let path = if path.is_dir() {
            path.join(format!("{name}.yaml"))
        } else {
            path
        };
        files::write(&path, text.as_bytes(), Access::Shared)?;
        app.out.talk(&format!("written to {}", path.display()));
        Ok(())
    }
}

fn changes(plan: &Planned) -> usize {
    plan.changes
        .iter()
        .filter(|change| change.verb != ChangeVerb::Unchanged)
        .count()
}

fn refuse_errors(plan: &Planned) -> Result<(), Failure> {
    let errors = plan
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .count();
    if errors == 0 {
        return Ok(());
    }
    let what = format!(
        "nothing was changed: {errors} {}",
        if errors == 1 { "error" } else { "errors" }
    );
    Err(Failure::failed(what).next("mend what the lines above say, and plan again"))
}

/// The plan as a person reads it.
fn shown(plan: &Planned, out: Out) -> String {
    let mut lines: Vec<String> = plan
        .diagnostics
        .iter()
        .map(|diagnostic| noted(diagnostic, out))
        .collect();
    for change in plan
        .changes
        .iter()
        .filter(|change| change.verb != ChangeVerb::Unchanged)
    {
        lines.extend(changed(change, out));
    }
    for change in plan
        .changes
        .iter()
        .filter(|change| !change.incomplete.is_empty())
    {
        lines.push(format!(
            "{} `{}` leaves at defaults: {}",
            change.noun.as_str(),
            change.name,
            change.incomplete.join(", ")
        ));
    }
    lines.extend(plan.nobody_can_approve.iter().map(|name| {
        format!("identity `{name}` needs approval that nobody but you could give: name other approvers, or let another owner in")
    }));
    if plan.changes.is_empty() && !plan.diagnostics.is_empty() {
        // Nothing was planned: sums of zero would only hide why.
        return lines.join("\n");
    }
    let count = |verb: ChangeVerb| {
        plan.changes
            .iter()
            .filter(|change| change.verb == verb)
            .count()
    };
    let done = if plan.applied {
        ["created", "updated", "deleted"]
    } else {
        ["to create", "to update", "to delete"]
    };
    let mut sums = vec![
        format!("{} {}", count(ChangeVerb::Create), done[0]),
        format!("{} {}", count(ChangeVerb::Update), done[1]),
    ];
    if count(ChangeVerb::Delete) > 0 {
        sums.push(format!("{} {}", count(ChangeVerb::Delete), done[2]));
    }
    sums.push(format!("{} unchanged", count(ChangeVerb::Unchanged)));
    lines.push(sums.join(", "));
    lines.join("\n")
}

fn changed(change: &Change, out: Out) -> Vec<String> {
    let (sign, tone) = match change.verb {
        ChangeVerb::Create => ("+", Tone::Added),
        ChangeVerb::Delete => ("-", Tone::Removed),
        ChangeVerb::Unchanged => ("=", Tone::Changed),
        ChangeVerb::Update => ("~", Tone::Changed),
    };
    let at = change
        .at
        .as_ref()
        .map(|at| format!("  ({at})"))
        .unwrap_or_default();
    let mut lines = vec![format!(
        "{} {} {}{at}",
        out.tint(sign, tone),
        change.noun.as_str(),
        plain(&change.name)
    )];
    lines.extend(
        change
            .fields
            .iter()
            .map(|field| format!("    {}", field_change(field))),
    );
    if let Some(approval) = &change.approval_id {
        lines.push(format!(
            "    {} waits for a second person: approval {approval}",
            out.tint("!", Tone::Changed)
        ));
    } else if change.changed_alone {
        lines.push(format!(
            "    {} changed alone: no second person exists yet, which is a finding",
            out.tint("!", Tone::Changed)
        ));
    } else if change.needs_approval {
        lines.push(format!(
            "    {} loosens a guard: a second person must countersign",
            out.tint("!", Tone::Changed)
        ));
    }
    lines
}

fn field_change(field: &FieldChange) -> String {
    let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), cell);
    match (&field.before, &field.after) {
        (None, after) => format!("{}: {}", field.field, text(after)),
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            // A list says what came and what went: the rest would only hide it.
            let came = after
                .iter()
                .filter(|value| !before.contains(value))
                .map(|value| format!("+{}", cell(value)));
            let went = before
                .iter()
                .filter(|value| !after.contains(value))
                .map(|value| format!("-{}", cell(value)));
            format!(
                "{}: {}",
                field.field,
                came.chain(went).collect::<Vec<_>>().join(" ")
            )
        }
        (before, after) => format!("{}: {} -> {}", field.field, text(before), text(after)),
    }
}

fn noted(diagnostic: &Diagnostic, out: Out) -> String {
    let word = match diagnostic.severity {
        Severity::Error => out.tint("error", Tone::Removed),
        Severity::Note => "note".to_owned(),
        Severity::Warning => out.tint("warning", Tone::Changed),
    };
    let hint = diagnostic
        .hint
        .as_ref()
        .map(|hint| format!("\n    {}", plain(hint)))
        .unwrap_or_default();
    format!(
        "{}:{}:{}: {word}: {}{hint}",
        diagnostic.file,
        diagnostic.line,
        diagnostic.column,
        plain(&diagnostic.message)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::out::Format;

    fn plan() -> Planned {
        serde_json::from_value(json!({
            "applied": false,
            "diagnostics": [{
                "severity": "warning", "file": "t.yaml", "line": 9, "column": 20,
                "message": "action `deploy.relese` is not in the catalogue and counts as irreversible",
                "hint": "did you mean `deploy.release`?",
            }],
            "changes": [
                {"noun": "identity", "name": "triage", "verb": "create", "at": "t.yaml:1", "incomplete": ["purpose", "expires_at"],
                 "fields": [{"field": "sponsor", "after": "dana@example.com"}]},
                {"noun": "identity", "name": "deployer", "verb": "update", "needs_approval": true, "fields": [
                    {"field": "allowed_actions", "before": ["case.read", "build.run"], "after": ["case.read", "deploy.release"]},
                    {"field": "token_ttl_minutes", "before": 10, "after": 15}]},
                {"noun": "environment", "name": "production", "verb": "unchanged"},
            ],
        }))
        .unwrap()
    }

    #[test]
    fn a_plan_reads_as_a_diff() {
        // JSON form, so that no terminal of whoever runs the test colours it.
        let text = shown(&plan(), Out::plain(Format::Json));
        assert_eq!(
            text,
            "t.yaml:9:20: warning: action `deploy.relese` is not in the catalogue and counts as irreversible\n    \
             did you mean `deploy.release`?\n\
             + identity triage  (t.yaml:1)\n    sponsor: dana@example.com\n\
             ~ identity deployer\n    allowed_actions: +deploy.release -build.run\n    token_ttl_minutes: 10 -> 15\n    \
             ! loosens a guard: a second person must countersign\n\
             identity `triage` leaves at defaults: purpose, expires_at\n\
             1 to create, 1 to update, 1 unchanged"
        );
    }

    #[test]
    fn an_error_in_a_document_fails_the_command() {
        let mut plan = plan();
        plan.diagnostics[0].severity = Severity::Error;
        let failure = refuse_errors(&plan).unwrap_err();
        assert_eq!(
            (failure.exit, failure.what.as_str()),
            (Exit::Failed, "nothing was changed: 1 error")
        );
    }
}
