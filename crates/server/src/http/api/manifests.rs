//! Manifests: the registry as YAML documents, planned, applied and written.

use std::collections::BTreeMap;

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use countersign_api::manifests::{
    Change, ChangeVerb, Diagnostic, ExportQuery, FieldChange, ManifestRequest, Plan, Severity,
};
use countersign_authority::{
    manifest::{self, Step, Verb},
    registry::{
        apply::{AppliedStep, ApplyManifest, MAX_STEPS},
        planning::{self, PlanRequest},
    },
};
use countersign_model::registry::Noun;
use http::{HeaderValue, header};
use serde_json::Value;

use super::issuers::rules;
use crate::{
    app::App,
    http::{
        caller::Caller,
        json::{LargeJson, Query},
        problem::Failure,
    },
};

/// `POST /api/manifests/plan`: what applying would change. Changes nothing.
pub async fn plan(
    State(app): State<App>,
    caller: Caller,
    LargeJson(body): LargeJson<ManifestRequest>,
) -> Result<JsonAnswer<Plan>, Failure> {
    Ok(JsonAnswer(match make(&app, &caller, body).await? {
        Ok(plan) => told(plan),
        Err(errors) => wrong(errors),
    }))
}

/// `POST /api/manifests/apply`: makes and edits what the documents say, all of it or nothing.
pub async fn apply(
    State(app): State<App>,
    caller: Caller,
    LargeJson(body): LargeJson<ManifestRequest>,
) -> Result<JsonAnswer<Plan>, Failure> {
    let dry_run = body.dry_run;
    let plan = match make(&app, &caller, body).await? {
        Ok(plan) if dry_run => return Ok(JsonAnswer(told(plan))),
        Ok(plan) => plan,
        Err(errors) => return Ok(JsonAnswer(wrong(errors))),
    };
    let changing: Vec<Step> = plan
        .steps
        .iter()
        .filter(|step| step.verb != Verb::Unchanged)
        .cloned()
        .collect();
    let mut answer = told(plan);
    let mut applied = Vec::with_capacity(changing.len());
    for part in changing.chunks(MAX_STEPS) {
        let command = ApplyManifest {
            steps: part.to_vec(),
            rules: rules(&app, &caller),
            reason: None,
        };
        applied.extend(
            app.authority()
                .execute(&caller.ctx, &caller.permit, command)
                .await?,
        );
    }
    note(&mut answer, applied);
    Ok(JsonAnswer(answer))
}

/// `GET /api/manifests/export`: what the caller sees, as documents.
pub async fn export(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Failure> {
    let (permit, rules) = (caller.permit.clone(), rules(&app, &caller));
    let project = query.project.map(|project| project.0);
    let reading = app
        .authority()
        .store()
        .read(move |tx| planning::export(tx, &permit, project.as_deref(), &rules));
    let mut response = reading.await?.into_response();
    // RFC 9512.
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/yaml"),
    );
    Ok(response)
}

/// `GET /api/manifests/schema`: the JSON Schema of a document, for editors.
pub async fn schema() -> JsonAnswer<Value> {
    JsonAnswer(manifest::json_schema())
}

/// Whether a JSON file is a key set (RFC 7517 §5), and no manifest.
fn is_key_set(text: &str) -> bool {
    serde_json::from_str::<Value>(text)
        .is_ok_and(|json| json.get("keys").is_some_and(Value::is_array))
}

/// Plans: the steps, or everything that is wrong with the documents.
async fn make(
    app: &App,
    caller: &Caller,
    body: ManifestRequest,
) -> Result<Result<manifest::Plan, Vec<manifest::Diagnostic>>, Failure> {
    let (mut documents, mut errors, mut files) = (Vec::new(), Vec::new(), BTreeMap::new());
    for document in body.documents {
        // What a document names with `script_file` or `jwks_file` comes beside it.
        let is_attached =
            document.attached || document.file.ends_with(".json") && is_key_set(&document.text);
        if is_attached {
            files.insert(document.file, document.text);
            continue;
        }
        match manifest::parse(&document.file, &document.text) {
            Ok(found) => documents.extend(found),
            Err(found) => errors.extend(found),
        }
    }
    if !errors.is_empty() {
        return Ok(Err(errors));
    }
    if documents.is_empty() {
        return Err(Failure::bad_request(
            "there is no document in what was given: nothing would be done",
        ));
    }
    let request = PlanRequest {
        documents,
        default_project: body.project.map(|project| project.0),
        default_sponsor: body.sponsor.map(|sponsor| sponsor.0),
        files,
        rules: rules(app, caller),
        trust_domain: app.authority().settings().trust_domain.clone(),
    };
    let (permit, ctx) = (caller.permit.clone(), caller.ctx.clone());
    Ok(app
        .authority()
        .store()
        .read(move |tx| planning::plan(tx, &permit, &ctx, &request))
        .await?)
}

fn told(plan: manifest::Plan) -> Plan {
    let mut changes: Vec<Change> = plan.steps.into_iter().map(change).collect();
    for incomplete in plan.incomplete {
        let identity = changes
            .iter_mut()
            .find(|change| change.noun == Noun::Identity && change.name == incomplete.name);
        if let Some(identity) = identity {
            identity.incomplete = incomplete.fields;
        }
    }
    Plan {
        changes,
        diagnostics: plan
            .warnings
            .into_iter()
            .map(|warning| diagnostic(Severity::Warning, warning))
            .collect(),
        nobody_can_approve: plan.nobody_can_approve,
        applied: false,
    }
}

fn change(step: Step) -> Change {
    let fields = step.changes.into_iter().map(|field| FieldChange {
        field: field.field,
        before: field.before,
        after: field.after,
    });
    Change {
        noun: step.noun,
        name: step.name,
        verb: match step.verb {
            Verb::Create => ChangeVerb::Create,
            Verb::Unchanged => ChangeVerb::Unchanged,
            Verb::Update => ChangeVerb::Update,
        },
        fields: fields.collect(),
        incomplete: Vec::new(),
        needs_approval: !step.loosens.is_empty(),
        loosens: step
            .loosens
            .iter()
            .map(|loosening| loosening.as_str().to_owned())
            .collect(),
        approval_id: None,
        changed_alone: false,
        at: Some(format!("{}:{}", step.file, step.line)),
        id: (step.verb != Verb::Create).then_some(step.record_id),
    }
}

fn wrong(errors: Vec<manifest::Diagnostic>) -> Plan {
    let diagnostics = errors
        .into_iter()
        .map(|error| diagnostic(Severity::Error, error));
    Plan {
        diagnostics: diagnostics.collect(),
        ..Plan::default()
    }
}

fn diagnostic(severity: Severity, said: manifest::Diagnostic) -> Diagnostic {
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Diagnostic {
        severity,
        file: said.file,
        line: narrow(said.line),
        column: narrow(said.column),
        message: said.message,
        hint: None,
    }
}

/// Puts what was done beside what was planned: the steps that change, in their order.
fn note(answer: &mut Plan, applied: Vec<AppliedStep>) {
    answer.applied = true;
    let changing = answer
        .changes
        .iter_mut()
        .filter(|change| change.verb != ChangeVerb::Unchanged);
    for (change, step) in changing.zip(applied) {
        change.id = Some(step.record_id);
        change.approval_id = step.approvals.first().copied();
        change.needs_approval = !step.approvals.is_empty();
        change.changed_alone = step.changed_alone;
        let (file, line) = change
            .at
            .as_deref()
            .and_then(|at| at.rsplit_once(':'))
            .unwrap_or(("", "0"));
        let notes = step.deferred.into_iter().map(|what| Diagnostic {
            severity: Severity::Note,
            file: file.to_owned(),
            line: line.parse().unwrap_or(0),
            column: 1,
            message: format!("`{}`: {what} is left for later", step.name),
            hint: Some("apply the manifest again once the approvals are decided".to_owned()),
        });
        answer.diagnostics.extend(notes);
    }
}
