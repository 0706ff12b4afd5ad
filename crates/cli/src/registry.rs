//! What the nouns of the registry share: list, show, create, update and delete.

use clap::Args;
use countersign_api::{
    client::{Changed, Resource},
    paging::{ListQuery, Page},
    reference::Why,
};
use countersign_model::registry::Status;
use serde::Serialize;

use crate::{
    app::App,
    failure::Failure,
    input::{confirm, word},
    view::{self, Column},
};

/// The most that one page asks for.
const PAGE: u32 = 200;

/// How much of a list.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: u32,
    /// Only those of this status: active, disabled, orphaned, expired, deleted
    #[arg(long, value_parser = word::<Status>)]
    pub status: Option<Status>,
}

/// Which one.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    pub target: String,
}

/// Which one, and why.
#[derive(Debug, Clone, Args)]
pub struct ActArgs {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    pub target: String,
    /// Why, for the evidence
    #[arg(long)]
    pub reason: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

impl ActArgs {
    /// Why, as it is sent.
    pub fn why(&self) -> Why {
        Why {
            reason: self.reason.clone(),
        }
    }
}

/// Which one to delete, and why.
#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    pub target: String,
    /// Why, for the evidence
    #[arg(long)]
    pub reason: Option<String>,
    /// Only say what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

impl ListArgs {
    /// The query for the page after this cursor.
    pub fn query(&self, after: Option<String>, left: u32) -> ListQuery {
        ListQuery {
            limit: Some(left.min(PAGE)),
            after,
            status: self.status,
        }
    }
}

/// Lists records, page by page, up to the limit.
pub async fn list<R: Resource>(
    app: &App,
    limit: u32,
    columns: &[Column],
    query: impl Fn(Option<String>, u32) -> R::List,
) -> Result<(), Failure> {
    let client = app.client()?;
    let mut items: Vec<R> = Vec::new();
    let mut after = None;
    loop {
        let left = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let page: Page<R> = client.list(&query(after, left)).await?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() || items.len() >= limit as usize {
            break;
        }
    }
    app.out.data(&items, |json| view::table(columns, json))?;
    if after.is_some() {
        app.out
            .talk(&format!("there are more than {limit}; --limit shows them"));
    }
    Ok(())
}

/// Shows one record.
pub async fn show<R: Resource>(app: &App, target: &str) -> Result<(), Failure> {
    let record: R = app.client()?.show(target).await?;
    app.out.data(&record, view::details)
}

/// Makes a record.
pub async fn create<R: Resource>(app: &App, noun: &str, create: &R::Create) -> Result<(), Failure> {
    let changed: Changed<R> = app
        .client()?
        .create(create, Some(&app.idempotency_key()))
        .await?;
    app.changed(&changed, &format!("{noun} created"))
}

/// Edits a record, unless somebody else does at the same time.
pub async fn update<R: Resource>(
    app: &App,
    noun: &str,
    target: &str,
    update: &R::Update,
) -> Result<(), Failure> {
    if says_nothing(update) {
        return Err(
            Failure::usage(format!("nothing says what to change of {noun} `{target}`")).next(
                format!("`countersign {noun} update --help` lists what can be"),
            ),
        );
    }
    let client = app.client()?;
    let before: R = client.show(target).await?;
    let changed: Changed<R> = client
        .update(target, update, Some(&before.meta().etag()))
        .await?;
    app.changed(
        &changed,
        &format!("{noun} `{}` updated", before.meta().name),
    )
}

/// Whether an edit changes nothing. A reason alone is none.
fn says_nothing(update: &impl Serialize) -> bool {
    let fields = serde_json::to_value(update);
    fields.is_ok_and(|fields| {
        fields
            .as_object()
            .is_some_and(|fields| fields.keys().all(|name| name == "reason"))
    })
}

/// Deletes a record, after asking a person.
pub async fn delete<R: Resource>(app: &App, noun: &str, args: &DeleteArgs) -> Result<(), Failure> {
    let client = app.client()?;
    let record: R = client.show(&args.target).await?;
    let name = &record.meta().name;
    if args.dry_run {
        app.out.talk(&format!(
            "{noun} `{name}` would be deleted; its names stay taken"
        ));
        return app.out.data(&record, view::details);
    }
    confirm(
        &format!("delete {noun} `{name}`? its names stay taken for ever"),
        args.yes,
    )?;
    let why = Why {
        reason: args.reason.clone(),
    };
    match client
        .delete::<R>(&args.target, &why, Some(&record.meta().etag()))
        .await?
    {
        Changed::Done(()) => {
            app.out.talk(&format!("{noun} `{name}` deleted"));
            Ok(())
        }
        waits @ Changed::Waits(_) => app.changed(&waits, ""),
    }
}
