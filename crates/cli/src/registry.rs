//! What the nouns of the registry share: list, show, create, update and delete.

use clap::Args;
use countersign_api::{
    client::{Changed, Resource},
    paging::{ListQuery, Page},
    reference::Why,
};
use countersign_model::registry::Status;
use serde::Serialize;
use serde_json::Value;

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

/// Whether a list that is given may leave out what it holds now.
#[derive(Debug, Clone, Copy, Args)]
pub struct Lists {
    /// Let a list that is given drop what it leaves out: it takes the place of the whole list
    #[arg(long)]
    replace: bool,
}

impl Lists {
    /// For a noun whose edits give no lists.
    pub const NONE: Self = Self { replace: false };
}

/// Edits a record, unless somebody else does at the same time. A list takes the place of the one before, so that one
/// which would drop something is refused until the caller says that it shall.
pub async fn update<R: Resource>(
    app: &App,
    noun: &str,
    target: &str,
    update: &R::Update,
    lists: Lists,
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
    if !lists.replace {
        keeps_all(noun, &before, update)?;
    }
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

/// Refuses an edit whose lists leave out what they hold now.
fn keeps_all<R: Resource>(noun: &str, before: &R, update: &R::Update) -> Result<(), Failure> {
    let json = |error: serde_json::Error| Failure::failed(format!("cannot compare: {error}"));
    let was = serde_json::to_value(before).map_err(json)?;
    let will = serde_json::to_value(update).map_err(json)?;
    let dropped = dropped(&was, &will);
    if dropped.is_empty() {
        return Ok(());
    }
    let what = format!(
        "a list that is given takes the place of the whole list, and {noun} `{}` would lose {}",
        before.meta().name,
        dropped.join("; ")
    );
    Err(Failure::usage(what).next("give those as well to keep them, or say --replace"))
}

/// What the lists of an edit leave out, by list. An empty list is one that was asked for by name, as `--no-impersonators`
/// does; within a rule, which is given as a whole, it is one that was not thought of.
fn dropped(was: &Value, will: &Value) -> Vec<String> {
    let mut dropped = Vec::new();
    for (field, will) in will.as_object().into_iter().flatten() {
        let label = field.replace('_', " ");
        match (was.get(field), will) {
            (Some(Value::Array(was)), Value::Array(will)) if !will.is_empty() => {
                dropped.extend(left_out(&label, was, will));
            }
            (Some(was), Value::Object(rule)) => {
                for (name, will) in rule {
                    match (was.get(name), will) {
                        (Some(Value::Array(was)), Value::Array(will)) => {
                            dropped.extend(left_out(&name.replace('_', " "), was, will));
                        }
                        (Some(Value::Bool(true)), Value::Bool(false)) => {
                            dropped.push(format!("{label}: {}", name.replace('_', " ")));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    dropped
}

fn left_out(label: &str, was: &[Value], will: &[Value]) -> Option<String> {
    let will: Vec<String> = will.iter().flat_map(names).collect();
    let kept = |one: &&Value| {
        let stays = |name: &String| will.iter().any(|will| will.eq_ignore_ascii_case(name));
        !names(one).iter().any(stays)
    };
    let out: Vec<String> = was.iter().filter(kept).map(view::cell).collect();
    (!out.is_empty()).then(|| format!("{label}: {}", out.join(", ")))
}

/// What an entry of a list may be called: in an answer by name and id, in a request by either.
fn names(entry: &Value) -> Vec<String> {
    let Some(fields) = entry.as_object() else {
        return entry.as_str().map(str::to_owned).into_iter().collect();
    };
    // Whoever a member or an impersonator is, in answers and in requests.
    if let Some(who) = ["user", "party", "who"]
        .iter()
        .find_map(|key| fields.get(*key))
    {
        return names(who);
    }
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    let team = text("name").filter(|_| text("type") == Some("team"));
    let all = [text("id"), text("name")].into_iter().flatten();
    all.map(str::to_owned)
        .chain(team.map(|name| format!("team:{name}")))
        .collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_list_leaves_out_is_named_as_people_name_it() {
        let was = json!({
            "managers": [{"id": "1", "name": "dana@example.com"}, {"id": "2", "name": "lee@example.com"}],
            "allowed_actions": ["case.read", "deploy.release"],
            "members": [{"user": {"id": "1", "name": "dana@example.com"}, "role": "owner"}],
            "impersonators": [{"party": {"type": "team", "id": "3", "name": "platform"}, "until": "2027-01-31T00:00:00Z"}],
            "approval_rule": {"required": 1, "approvers": [{"type": "team", "id": "3", "name": "platform"}], "second_if_unproven": true},
            "purpose": "x",
        });
        let all = json!({
            "managers": ["2", "Dana@example.com", "kim@example.com"], "allowed_actions": ["deploy.release", "case.read"],
            "members": [{"user": "dana@example.com", "role": "viewer"}], "impersonators": [{"who": "team:platform", "until": "x"}],
            "approval_rule": {"required": 2, "approvers": ["team:platform"], "second_if_unproven": true}, "purpose": "y",
        });
        assert_eq!(dropped(&was, &all), Vec::<String>::new());
        let fewer = json!({
            "managers": ["dana@example.com"], "allowed_actions": ["build.run"], "members": [{"user": "lee@example.com", "role": "owner"}],
            "impersonators": [], "approval_rule": {"required": 2, "approvers": [], "second_if_unproven": false},
        });
        let mut named = dropped(&was, &fewer);
        named.sort();
        assert_eq!(
            named,
            [
                "allowed actions: case.read, deploy.release",
                "approval rule: second if unproven",
                "approvers: team:platform",
                "managers: lee@example.com",
                "members: dana@example.com=owner",
            ]
        );
    }
}
