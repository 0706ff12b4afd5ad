//! `POST /api/imports`: accounts of other systems, from a file that is read and checked as a whole first.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::observed::{Import, ImportRequest};
use countersign_authority::{
    ReadMode,
    registry::observed::{
        BATCH, ImportAccounts, ImportOutcome, ImportedAccount, ImportedFile, Outcome, check_cell,
        preview,
    },
};
use countersign_crypto::digest::sha256;
use countersign_model::cidr::Cidr;
use http::StatusCode;

use crate::{
    app::App,
    http::{caller::Caller, json::ImportJson, problem::Failure},
    importers::{self, ImportError, Source},
};

/// How many names an answer lists.
const NAMES: usize = 100;

/// The longest name of a file.
const FILE_NAME_CHARS: usize = 120;

/// Reads the file, says what it would do, and does it.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    ImportJson(body): ImportJson<ImportRequest>,
) -> Result<JsonAnswer<Import>, Failure> {
    let file = ImportedFile {
        format: body.format,
        name: plain(&body.file_name),
        digest: hex::encode(sha256(body.text.as_bytes())),
    };
    let dry_run = body.dry_run;
    // Who may not import is told before a large file is read.
    planned(&app, &caller, &file, Vec::new()).await?;
    let accounts = tokio::task::spawn_blocking(move || read(&body))
        .await
        .map_err(|_| Failure::internal())?
        .map_err(|error| wrong(&error))?;
    let mut outcomes = Vec::with_capacity(accounts.len());
    for part in accounts.chunks(BATCH) {
        outcomes.extend(planned(&app, &caller, &file, part.to_vec()).await?);
    }
    if !dry_run {
        outcomes.clear();
        for part in accounts.chunks(BATCH) {
            let command = ImportAccounts {
                file: file.clone(),
                accounts: part.to_vec(),
            };
            let done = app
                .authority()
                .execute(&caller.ctx, &caller.permit, command)
                .await?;
            outcomes.extend(done);
        }
    }
    Ok(JsonAnswer(told(file.digest, dry_run, &outcomes)))
}

/// What an import of these accounts would do.
async fn planned(
    app: &App,
    caller: &Caller,
    file: &ImportedFile,
    accounts: Vec<ImportedAccount>,
) -> Result<Vec<ImportOutcome>, Failure> {
    let permit = caller.permit.clone();
    let import = ImportAccounts {
        file: file.clone(),
        accounts,
    };
    let store = app.authority().store();
    Ok(store
        .read_as(ReadMode::Search, move |tx| preview(tx, &permit, &import))
        .await?)
}

fn read(body: &ImportRequest) -> Result<Vec<ImportedAccount>, ImportError> {
    let networks: Result<Vec<Cidr>, _> = body.ci_networks.iter().map(|text| text.parse()).collect();
    let ci_networks = networks.map_err(|error| ImportError {
        place: "`ci_networks`".to_owned(),
        what: error.to_string(),
    })?;
    let source = Source {
        text: &body.text,
        system: body.system.as_deref(),
        ci_networks: &ci_networks,
    };
    importers::read(body.format, &source)
}

fn wrong(error: &ImportError) -> Failure {
    let detail = format!("nothing is imported: {error}");
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", &detail)
}

fn told(file_digest: String, dry_run: bool, outcomes: &[ImportOutcome]) -> Import {
    let count = |wanted: fn(&ImportOutcome) -> bool| {
        let found = outcomes.iter().filter(|one| wanted(one)).count();
        u32::try_from(found).unwrap_or(u32::MAX)
    };
    let new = outcomes.iter().filter(|one| one.outcome == Outcome::Made);
    Import {
        file_digest,
        accounts: count(|_| true),
        made: count(|one| one.outcome == Outcome::Made),
        updated: count(|one| one.outcome == Outcome::Updated),
        unchanged: count(|one| one.outcome == Outcome::Unchanged),
        proposed: count(|one| one.proposed.is_some()),
        names: new.take(NAMES).map(|one| one.name.clone()).collect(),
        dry_run,
    }
}

/// The last part of a path, without what cannot be seen.
fn plain(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars()
        .filter(|c| check_cell("file_name", c.encode_utf8(&mut [0; 4])).is_ok())
        .take(FILE_NAME_CHARS)
        .collect()
}
