//! `key`: values that actions read. They go in, and no command shows them.

use clap::{Args, Subcommand};
use countersign_agent::Surroundings;
use countersign_api::{
    Client, NameOrId,
    keys::{DataKeyList, Key as Shown, ListKeys, PutKey, RotateDataKey, RotateKey, SecretText},
    reference::Why,
};
use serde_json::Value;

use crate::{
    app::App,
    commands::run::prefix,
    failure::Failure,
    input::confirm,
    prompt::{self, Ending},
    registry::{DeleteArgs, ListArgs},
    view::{self, Column},
};

/// Keys: values that actions read, and no person
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Set a value, from stdin: makes the key, or its next version
    ///
    /// One line end at the end of the input is cut, which `echo` and files have and no password does; --raw keeps it.
    /// A terminal is asked, and does not show what is typed.
    #[command(
        after_help = "Examples:\n  countersign key set billing.database_password --project billing\n  countersign key set billing.tls_key --project billing --raw < tls.key"
    )]
    Set(Set),
    /// List keys, without their values
    #[command(after_help = "Example:\n  countersign key list --project billing")]
    List(List),
    /// Show the versions of a key, and who read it
    #[command(after_help = "Example:\n  countersign key show billing.database_password")]
    Show(Which),
    /// Print the value of a key, inside an action that declares it
    ///
    /// An action's script reads its keys so: with the token of its own execution, which the worker puts into its
    /// environment, and which lives no longer than it. Nobody else reads a key, whoever they are. The value is printed
    /// as it is, without a line end.
    #[command(
        after_help = "Examples, in the script of an action:\n  countersign key read billing.deploy_key | ssh-add -\n  \
        password=$(countersign key read billing.database_password) || exit 1"
    )]
    Read(Read),
    /// Give a key its next version, from stdin; it is read from now on
    #[command(
        after_help = "Example:\n  countersign key rotate billing.database_password < new-password.txt"
    )]
    Rotate(Rotate),
    /// Delete a key with every version of its value; its name stays taken
    #[command(
        after_help = "Example:\n  countersign key delete billing.database_password --dry-run"
    )]
    Delete(DeleteArgs),
    /// List what the values are encrypted with, for owners of the tenant
    #[command(after_help = "Example:\n  countersign key data-keys")]
    DataKeys,
    /// Encrypt every value anew under a new data key, for owners of the tenant
    #[command(after_help = "Example:\n  countersign key rotate-data-key --reason 'a year is over'")]
    #[command(name = "rotate-data-key")]
    Reseal(RotateData),
}

/// Which one.
#[derive(Debug, Args)]
pub struct Which {
    /// Its name or id
    #[arg(value_name = "NAME|ID")]
    key: String,
}

/// Which key, and where the token is.
#[derive(Debug, Args)]
pub struct Read {
    #[command(flatten)]
    which: Which,
    /// What the names of the action's variables begin with: PREFIX_API_TOKEN, PREFIX_API_URL
    #[arg(long, value_name = "PREFIX", default_value = "COUNTERSIGN", value_parser = prefix)]
    prefix: String,
}

/// Which keys.
#[derive(Debug, Args)]
pub struct List {
    /// Only those of this project
    #[arg(long, value_name = "NAME|ID")]
    project: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

/// Which key, and how to take the value.
#[derive(Debug, Args)]
pub struct Set {
    /// Its name: lower-case letters, digits and `._-`
    #[arg(value_name = "NAME")]
    key: String,
    /// The project of a new key
    #[arg(long, value_name = "NAME|ID")]
    project: Option<NameOrId>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    taken: Taken,
}

/// Which key, and how to take the value.
#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    taken: Taken,
}

/// How to take the value.
#[derive(Debug, Args)]
pub struct Taken {
    /// Take the input as it is, with the line end at its end
    #[arg(long)]
    raw: bool,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// Why.
#[derive(Debug, Args)]
pub struct RotateData {
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// The most that one page asks for.
const PAGE: u32 = 200;

const COLUMNS: [Column; 6] = [
    Column("NAME", "/name"),
    Column("PROJECT", "/project"),
    Column("VERSION", "/current_version"),
    Column("SET", "/updated_at"),
    Column("LAST READ", "/last_read_at"),
    Column("BY", "/last_read_by"),
];

const DATA_KEYS: [Column; 4] = [
    Column("DATA KEY", "/id"),
    Column("MADE", "/created_at"),
    Column("RETIRED", "/retired_at"),
    Column("VALUES", "/values"),
];

const VERSIONS: [Column; 3] = [
    Column("VERSION", "/version"),
    Column("SET", "/set_at"),
    Column("BY", "/set_by"),
];

const READS: [Column; 4] = [
    Column("READ", "/at"),
    Column("VERSION", "/version"),
    Column("BY", "/identity"),
    Column("EXECUTION", "/execution_id"),
];

impl Key {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Set(args) => set(app, args).await,
            Self::List(args) => list(app, &args).await,
            Self::Show(args) => {
                let history = app.client()?.key_history(&args.key, &()).await?;
                app.out.data(&history, history_text)
            }
            Self::Read(args) => read(app, &args).await,
            Self::Rotate(args) => rotate(app, args).await,
            Self::Delete(args) => delete(app, &args).await,
            Self::DataKeys => data_keys(app, &app.client()?.data_keys(&()).await?),
            Self::Reseal(args) => {
                let rotate = RotateDataKey {
                    reason: args.reason,
                };
                let keys = app.client()?.rotate_data_key(&rotate).await?;
                app.out.talk(
                    "the new data key is in use; what is under the old one follows within minutes, and then the old one is destroyed",
                );
                data_keys(app, &keys)
            }
        }
    }
}

async fn set(app: &App, args: Set) -> Result<(), Failure> {
    let client = app.client()?;
    let value = args.taken.value(&args.key).await?;
    let put = PutKey {
        project: args.project,
        description: args.description,
        value,
        reason: args.taken.reason,
    };
    done(app, &client.put_key(&args.key, &put).await?)
}

async fn read(app: &App, args: &Read) -> Result<(), Failure> {
    let around = Surroundings::of_process();
    let prefix = &args.prefix;
    let token = around.variable(&format!("{prefix}_API_TOKEN"));
    let token = token.ok_or_else(|| {
        Failure::failed(format!("this is no execution: there is no {prefix}_API_TOKEN"))
            .next("only an action that declares the key reads it, while it runs; people set it and never read it back")
    })?;
    let url = around.variable(&format!("{prefix}_API_URL"));
    let url = url.map(|url| url.trim_end_matches('/'));
    let base = url.map_or_else(
        || app.base(),
        |url| url.strip_suffix("/api").unwrap_or(url).to_owned(),
    );
    let client = Client::new(&base, Some(token.to_owned()))?;
    let read = client.key_value(&args.which.key, &()).await?;
    app.out.bytes(read.value.expose().as_bytes());
    Ok(())
}

async fn rotate(app: &App, args: Rotate) -> Result<(), Failure> {
    let client = app.client()?;
    let value = args.taken.value(&args.which.key).await?;
    let rotate = RotateKey {
        value,
        reason: args.taken.reason,
    };
    done(app, &client.rotate_key(&args.which.key, &rotate).await?)
}

fn done(app: &App, key: &Shown) -> Result<(), Failure> {
    app.out.talk(&format!(
        "version {} of key `{}` is set",
        key.current_version, key.meta.name
    ));
    app.out.data(key, view::details)
}

impl Taken {
    async fn value(&self, key: &str) -> Result<SecretText, Failure> {
        let ending = if self.raw { Ending::Kept } else { Ending::Cut };
        let text = prompt::secret(&format!("value of key `{key}` (not shown): "), ending).await?;
        Ok(SecretText::new(text))
    }
}

async fn list(app: &App, args: &List) -> Result<(), Failure> {
    let client = app.client()?;
    let (mut items, mut after) = (Vec::<Shown>::new(), None);
    let limit = args.list.limit;
    loop {
        let left = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let query = ListKeys {
            project: args.project.clone(),
            status: args.list.status,
            after,
            limit: Some(left.min(PAGE)),
        };
        let page = client.keys(&query).await?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() || items.len() >= limit as usize {
            break;
        }
    }
    app.out.data(&items, |json| view::table(&COLUMNS, json))?;
    if after.is_some() {
        app.out
            .talk(&format!("there are more than {limit}; --limit shows them"));
    }
    Ok(())
}

async fn delete(app: &App, args: &DeleteArgs) -> Result<(), Failure> {
    let client = app.client()?;
    let history = client.key_history(&args.target, &()).await?;
    let name = &history.key.meta.name;
    if args.dry_run {
        app.out.talk(&format!(
            "key `{name}` would be deleted with {} versions of its value; its name stays taken",
            history.versions.len()
        ));
        return app.out.data(&history, history_text);
    }
    confirm(
        &format!(
            "delete key `{name}` with every version of its value? nothing brings them back, and its name stays taken for ever"
        ),
        args.yes,
    )?;
    let why = Why {
        reason: args.reason.clone(),
    };
    client.delete_key(&args.target, &why).await?;
    app.out.talk(&format!("key `{name}` deleted"));
    Ok(())
}

fn data_keys(app: &App, keys: &DataKeyList) -> Result<(), Failure> {
    app.out
        .data(&keys.items, |json| view::table(&DATA_KEYS, json))
}

/// The key line by line, then its versions and its reads as tables.
fn history_text(json: &Value) -> String {
    let mut key = json.clone();
    let mut part = |name: &str| {
        let fields = key.as_object_mut();
        fields
            .and_then(|fields| fields.remove(name))
            .unwrap_or_default()
    };
    let (versions, reads, more) = (part("versions"), part("reads"), part("more_reads"));
    let mut text = view::details(&key);
    text.push_str("\n\n");
    text.push_str(&view::table(&VERSIONS, &versions));
    text.push_str("\n\n");
    if reads.as_array().is_some_and(Vec::is_empty) {
        text.push_str("nothing has read it");
        return text;
    }
    text.push_str(&view::table(&READS, &reads));
    if more == Value::Bool(true) {
        text.push_str("\nthere were more: `countersign audit search --kind key_read`");
    }
    text
}
