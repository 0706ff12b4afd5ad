//! GitHub: installations of apps, deploy keys, personal access tokens and the audit log, as its API answers them. Pages
//! may stand one after the other, as `gh api --paginate` writes them.

use std::{collections::HashMap, fmt};

use countersign_authority::registry::observed::{ImportedAccount, OwnerHint, PRIVILEGES};
use countersign_model::{
    Timestamp,
    registry::{AccountType, ObservedFacts, SignIn, SignInTally},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use super::{
    ImportError, MOST_ACCOUNTS, MOST_ROWS, Source,
    facts::{text, time},
};

/// The issuer of Actions: an account linked at it is the same account.
const ACTIONS: &str = "https://token.actions.githubusercontent.com";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    installations: Option<Vec<Entry>>,
    id: Option<u64>,
    url: String,
    created_at: Option<When>,
    permissions: Option<Value>,
    // An installation.
    app_id: Option<u64>,
    app_slug: String,
    account: Option<Account>,
    suspended_at: Option<When>,
    repository_selection: Option<String>,
    // A deploy key.
    title: String,
    read_only: Option<bool>,
    added_by: Option<String>,
    last_used: Option<When>,
    // A personal access token.
    owner: Option<Account>,
    token_id: Option<u64>,
    token_name: Option<String>,
    access_granted_at: Option<When>,
    token_expires_at: Option<When>,
    token_last_used_at: Option<When>,
    token_expired: bool,
    // An event of the audit log.
    actor: Option<String>,
    actor_id: Option<u64>,
    actor_ip: Option<String>,
    actor_is_bot: bool,
    user_agent: Option<String>,
    programmatic_access_type: Option<String>,
    org: Option<Value>,
    #[serde(rename = "@timestamp")]
    timestamp: Option<When>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Account {
    id: Option<u64>,
    login: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum When {
    Number(i64),
    Text(String),
}

/// One document: an entry, or a page of them.
struct Page(Vec<Entry>);

impl<'de> Deserialize<'de> for Page {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pages;
        impl<'de> Visitor<'de> for Pages {
            type Value = Page;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or an array of objects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Page, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    entries.push(entry);
                }
                Ok(Page(entries))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Page, A::Error> {
                let entry = Entry::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Page(vec![entry]))
            }
        }
        deserializer.deserialize_any(Pages)
    }
}

/// Reads the file.
pub fn read(source: &Source<'_>) -> Result<Vec<ImportedAccount>, ImportError> {
    let mut gathered = Gathered::default();
    for page in serde_json::Deserializer::from_str(source.text).into_iter::<Page>() {
        let Page(entries) = page.map_err(|error| ImportError::json(&error))?;
        for entry in entries {
            match entry.installations {
                Some(inner) => {
                    for one in inner {
                        gathered.add(source, one)?;
                    }
                }
                None => gathered.add(source, entry)?,
            }
        }
    }
    Ok(gathered.finish())
}

#[derive(Default)]
struct Gathered {
    count: u32,
    accounts: Vec<ImportedAccount>,
    /// Of the audit log: where each actor stands, and what they did.
    actors: HashMap<String, (usize, SignInTally)>,
}

impl Gathered {
    fn add(&mut self, source: &Source<'_>, entry: Entry) -> Result<(), ImportError> {
        self.count += 1;
        let number = self.count;
        if number as usize > MOST_ROWS {
            let what = format!("more than {MOST_ROWS} entries: split the file");
            return Err(ImportError::new("the file", what));
        }
        if entry.actor.is_some() && (entry.timestamp.is_some() || entry.created_at.is_some()) {
            return self.event(source, number, &entry);
        }
        let (external_id, facts, owner) = if entry.app_id.is_some() {
            installation(number, &entry)?
        } else if entry.read_only.is_some() {
            deploy_key(number, &entry)?
        } else if entry.token_id.is_some() || entry.access_granted_at.is_some() {
            personal_token(number, &entry)?
        } else {
            let what = "none of an installation (`app_id`), a deploy key (`read_only`), a personal access token (`token_id`) and an event of the audit log (`actor`)";
            return Err(ImportError::new(format!("entry {number}"), what));
        };
        self.accounts.push(ImportedAccount {
            system: source.system.unwrap_or("github").to_owned(),
            external_id,
            line: number,
            facts: Some(facts),
            sign_ins: None,
            owner,
        });
        Ok(())
    }

    fn event(
        &mut self,
        source: &Source<'_>,
        number: u32,
        entry: &Entry,
    ) -> Result<(), ImportError> {
        let actor = entry.actor.as_deref().unwrap_or_default();
        // A login can be given to somebody else; an old log has nothing better.
        let external_id = match entry.actor_id {
            Some(id) => format!("user/{id}"),
            None => format!("login/{actor}"),
        };
        let at = when(
            number,
            "@timestamp",
            entry.timestamp.as_ref().or(entry.created_at.as_ref()),
        )?
        .ok_or_else(|| wrong(number, "@timestamp", "it says when, and is empty"))?;
        let address = entry.actor_ip.as_deref().and_then(|text| text.parse().ok());
        let access = entry.programmatic_access_type.as_deref().and_then(text);
        let sign_in = SignIn {
            at,
            address,
            agent: entry.user_agent.clone().unwrap_or_default(),
            device: String::new(),
            is_act: true,
            by_program: entry.actor_is_bot || access.is_some() || source.is_ci(address),
        };
        if let Some((_, tally)) = self.actors.get_mut(&external_id) {
            tally.add(&sign_in);
            return Ok(());
        }
        if self.accounts.len() >= MOST_ACCOUNTS {
            let what = format!("more than {MOST_ACCOUNTS} accounts: split the file");
            return Err(ImportError::new(format!("entry {number}"), what));
        }
        let bot = entry.actor_is_bot || actor.ends_with("[bot]");
        let facts = ObservedFacts {
            label: actor.to_owned(),
            account_type: if bot {
                AccountType::Program
            } else {
                AccountType::Person
            },
            form: "GitHub user".to_owned(),
            place: entry
                .org
                .as_ref()
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            ..ObservedFacts::default()
        };
        let mut tally = SignInTally::default();
        tally.add(&sign_in);
        self.actors
            .insert(external_id.clone(), (self.accounts.len(), tally));
        self.accounts.push(ImportedAccount {
            system: source.system.unwrap_or("github").to_owned(),
            external_id,
            line: number,
            facts: Some(facts),
            sign_ins: None,
            owner: linked(entry.actor_id).filter(|_| !bot),
        });
        Ok(())
    }

    fn finish(mut self) -> Vec<ImportedAccount> {
        for (place, tally) in self.actors.into_values() {
            if let Some(account) = self.accounts.get_mut(place) {
                account.sign_ins = tally.sum();
            }
        }
        self.accounts
    }
}

type Read = (String, ObservedFacts, Option<OwnerHint>);

fn installation(number: u32, entry: &Entry) -> Result<Read, ImportError> {
    let id = entry
        .id
        .ok_or_else(|| wrong(number, "id", "it is not there"))?;
    let account = entry.account.as_ref();
    let mut privileges = permissions(entry.permissions.as_ref());
    if let Some(selection) = &entry.repository_selection {
        privileges.push(format!("repositories: {selection}"));
    }
    let facts = ObservedFacts {
        label: entry.app_slug.clone(),
        account_type: AccountType::Program,
        form: "GitHub App".to_owned(),
        place: account.map(|one| one.login.clone()).unwrap_or_default(),
        privileges,
        created_at: when(number, "created_at", entry.created_at.as_ref())?,
        disabled: entry.suspended_at.is_some(),
        ..ObservedFacts::default()
    };
    Ok((format!("installation/{id}"), facts, None))
}

fn deploy_key(number: u32, entry: &Entry) -> Result<Read, ImportError> {
    let id = entry
        .id
        .ok_or_else(|| wrong(number, "id", "it is not there"))?;
    let created_at = when(number, "created_at", entry.created_at.as_ref())?;
    let place = entry
        .url
        .split_once("/repos/")
        .and_then(|(_, rest)| rest.split_once("/keys/"))
        .map(|(repository, _)| repository.to_owned());
    let may = if entry.read_only == Some(true) {
        "contents: read"
    } else {
        "contents: write"
    };
    let facts = ObservedFacts {
        label: entry.title.clone(),
        account_type: AccountType::Program,
        form: "deploy key".to_owned(),
        place: place.unwrap_or_default(),
        owner: entry.added_by.clone().unwrap_or_default(),
        privileges: vec![may.to_owned()],
        created_at,
        last_used_at: when(number, "last_used", entry.last_used.as_ref())?,
        secret_since: created_at,
        ..ObservedFacts::default()
    };
    let owner = entry.added_by.as_deref().and_then(text);
    let owner = owner.map(|login| OwnerHint::Named(login.to_owned()));
    Ok((format!("key/{id}"), facts, owner))
}

fn personal_token(number: u32, entry: &Entry) -> Result<Read, ImportError> {
    let id = entry
        .token_id
        .or(entry.id)
        .ok_or_else(|| wrong(number, "token_id", "it is not there"))?;
    let owner = entry.owner.as_ref();
    let login = owner.map(|one| one.login.clone()).unwrap_or_default();
    let since = when(
        number,
        "access_granted_at",
        entry.access_granted_at.as_ref(),
    )?;
    let facts = ObservedFacts {
        label: match &entry.token_name {
            Some(name) => format!("{name} of {login}"),
            None => format!("token {id} of {login}"),
        },
        account_type: AccountType::Person,
        form: "personal access token".to_owned(),
        owner: login,
        privileges: permissions(entry.permissions.as_ref()),
        created_at: since,
        last_used_at: when(
            number,
            "token_last_used_at",
            entry.token_last_used_at.as_ref(),
        )?,
        secret_since: since,
        secret_ends_at: when(number, "token_expires_at", entry.token_expires_at.as_ref())?,
        disabled: entry.token_expired,
        ..ObservedFacts::default()
    };
    Ok((
        format!("token/{id}"),
        facts,
        linked(owner.and_then(|one| one.id)),
    ))
}

/// `contents: write`, also where they stand below `organization` and `repository`.
fn permissions(value: Option<&Value>) -> Vec<String> {
    let Some(Value::Object(members)) = value else {
        return Vec::new();
    };
    let mut told = Vec::new();
    for (name, value) in members {
        match value {
            Value::String(level) => told.push(format!("{name}: {level}")),
            Value::Object(inner) => {
                let inner = inner
                    .iter()
                    .filter_map(|(name, level)| Some(format!("{name}: {}", level.as_str()?)));
                told.extend(inner);
            }
            _ => {}
        }
    }
    told.truncate(PRIVILEGES - 1);
    told
}

fn linked(id: Option<u64>) -> Option<OwnerHint> {
    id.map(|id| OwnerHint::Linked {
        issuer: ACTIONS.to_owned(),
        subject: id.to_string(),
    })
}

fn when(number: u32, field: &str, at: Option<&When>) -> Result<Option<Timestamp>, ImportError> {
    match at {
        None => Ok(None),
        Some(When::Number(millis)) => Ok(Some(Timestamp::from_micros(millis.saturating_mul(1000)))),
        Some(When::Text(text)) => time(text).map_err(|what| wrong(number, field, &what)),
    }
}

fn wrong(number: u32, field: &str, what: &str) -> ImportError {
    ImportError::new(format!("entry {number}, `{field}`"), what)
}
