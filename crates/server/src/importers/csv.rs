//! CSV: a list of accounts, an AWS credential report, or a list of sign-ins. Its line of names says which.

use std::collections::HashMap;

use countersign_authority::registry::observed::{ImportedAccount, OwnerHint};
use countersign_model::registry::{AccountType, ObservedFacts, SignIn, SignInTally};

use super::{
    ImportError, MOST_ACCOUNTS, MOST_ROWS, Source,
    columns::{Columns, Row},
    facts::{owner, text, time, truth},
};

/// Reads the file.
pub fn read(source: &Source<'_>) -> Result<Vec<ImportedAccount>, ImportError> {
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter(source.text))
        .from_reader(source.text.as_bytes());
    let header = reader
        .headers()
        .map_err(|error| wrong(source.text, &error))?
        .clone();
    let columns = Columns::read(&header)?;
    let table = Table::of(&columns)?;
    let mut gathered = Gathered::default();
    for (count, record) in reader.records().enumerate() {
        let record = record.map_err(|error| wrong(source.text, &error))?;
        let line = record.position().map_or(0, |at| begins(source.text, at));
        let row = Row::of(&columns, &record, line);
        if count >= MOST_ROWS {
            let what = format!("more than {MOST_ROWS} rows: split the file");
            return Err(row.wrong(&[], what));
        }
        match table {
            Table::Accounts => gathered.accounts.push(account(source, &row)?),
            Table::AwsReport => gathered.accounts.push(of_aws(source, &row)?),
            Table::SignIns => gathered.sign_in(source, &row)?,
        }
        if gathered.accounts.len() > MOST_ACCOUNTS {
            let what = format!("more than {MOST_ACCOUNTS} accounts: split the file");
            return Err(row.wrong(&[], what));
        }
    }
    Ok(gathered.finish())
}

/// What a file is a table of.
#[derive(Debug, Clone, Copy)]
enum Table {
    Accounts,
    AwsReport,
    SignIns,
}

const ID: [&str; 6] = [
    "id",
    "external_id",
    "account_id",
    "user_id",
    "object_id",
    "arn",
];
const ACCOUNT: [&str; 9] = [
    "account",
    "user",
    "username",
    "user_name",
    "login",
    "actor",
    "actor_alternateid",
    "user_principal_name",
    "email",
];
const SIGNED_IN_AT: [&str; 9] = [
    "signed_in_at",
    "time",
    "timestamp",
    "date_utc",
    "date",
    "eventtime",
    "published",
    "created_date_time",
    "at",
];
const ADDRESS: [&str; 7] = [
    "address",
    "ip",
    "ip_address",
    "ipaddress",
    "source_ip",
    "sourceipaddress",
    "client_ipaddress",
];
const AGENT: [&str; 6] = [
    "user_agent",
    "useragent",
    "client_useragent_rawuseragent",
    "client_app",
    "browser",
    "application",
];
const DEVICE: [&str; 3] = ["device", "device_id", "deviceid"];

impl Table {
    fn of(columns: &Columns) -> Result<Self, ImportError> {
        let from = [&ADDRESS[..], &AGENT, &DEVICE].concat();
        if columns.has(&["access_key_1_active"]) && columns.has(&["arn"]) {
            Ok(Self::AwsReport)
        } else if columns.has(&SIGNED_IN_AT) && columns.has(&ACCOUNT) && columns.has(&from) {
            Ok(Self::SignIns)
        } else if columns.has(&ID) {
            Ok(Self::Accounts)
        } else {
            let what = "no column is named `id`; accounts need `id`, sign-ins need `account`, `time` and one of `address`, `user_agent`, `device`";
            Err(ImportError::at_line(1, what))
        }
    }
}

fn account(source: &Source<'_>, row: &Row<'_>) -> Result<ImportedAccount, ImportError> {
    let external_id = row.read(&ID, |cell| {
        text(cell)
            .map(str::to_owned)
            .ok_or_else(|| "it is empty, and says which account this is".to_owned())
    })?;
    let label = text(row.cell(&[
        "name",
        "label",
        "display_name",
        "username",
        "user_name",
        "login",
    ]));
    let owned_by = ["owner", "sponsor", "responsible", "manager", "owner_email"];
    let list = ["privileges", "roles", "permissions", "groups"];
    let facts = ObservedFacts {
        label: label.unwrap_or(&external_id).to_owned(),
        account_type: row.read(&["type", "account_type", "kind", "user_type"], account_type)?,
        form: text(row.cell(&["form"])).unwrap_or_default().to_owned(),
        place: text(row.cell(&["place", "project", "organization", "namespace"]))
            .unwrap_or_default()
            .to_owned(),
        owner: text(row.cell(&owned_by)).unwrap_or_default().to_owned(),
        privileges: words(row.cell(&list)),
        created_at: row.read(&["created_at", "created", "creation_time"], time)?,
        last_used_at: row.read(
            &[
                "last_used_at",
                "last_used",
                "last_sign_in",
                "last_seen",
                "last_login",
            ],
            time,
        )?,
        secret_since: row.read(
            &[
                "secret_since",
                "key_created_at",
                "secret_created_at",
                "last_rotated",
            ],
            time,
        )?,
        secret_ends_at: row.read(&["secret_ends_at", "expires_at", "expires"], time)?,
        program_key_used_at: row.read(&["key_last_used_at", "token_last_used_at"], time)?,
        disabled: truth(row.cell(&["disabled", "suspended"])),
    };
    let system = source.system.or_else(|| text(row.cell(&["system"])));
    Ok(ImportedAccount {
        system: system.unwrap_or("csv").to_owned(),
        external_id,
        line: row.line,
        owner: owner(row.cell(&owned_by)),
        facts: Some(facts),
        sign_ins: None,
    })
}

/// Several in one cell: between `;` or `|`, or as a list in JSON where one of them has these.
fn words(cell: &str) -> Vec<String> {
    if let Ok(list) = serde_json::from_str(cell) {
        return list;
    }
    cell.split([';', '|'])
        .filter_map(text)
        .map(str::to_owned)
        .collect()
}

fn account_type(cell: &str) -> Result<AccountType, String> {
    let word = cell.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    Ok(match word.as_str() {
        "" | "unknown" => AccountType::Unknown,
        "person" | "human" | "user" | "member" | "guest" | "employee" => AccountType::Person,
        "program" | "service" | "service_account" | "serviceprincipal" | "service_principal"
        | "bot" | "machine" | "robot" | "application" | "system" => AccountType::Program,
        "shared" | "group" | "team" | "shared_mailbox" => AccountType::Shared,
        _ => {
            let shown: String = cell.chars().take(40).flat_map(char::escape_debug).collect();
            return Err(format!(
                "`{shown}` is no type: expected person, program, shared or unknown"
            ));
        }
    })
}

fn of_aws(source: &Source<'_>, row: &Row<'_>) -> Result<ImportedAccount, ImportError> {
    let arn = row.read(&["arn"], |cell| {
        text(cell)
            .map(str::to_owned)
            .ok_or_else(|| "it is empty, and says which account this is".to_owned())
    })?;
    let user = row.cell(&["user"]).trim();
    let (mut secret_since, mut keys_used, mut keys) = (None, None, 0);
    for [active, rotated, used] in [
        [
            "access_key_1_active",
            "access_key_1_last_rotated",
            "access_key_1_last_used_date",
        ],
        [
            "access_key_2_active",
            "access_key_2_last_rotated",
            "access_key_2_last_used_date",
        ],
    ] {
        if truth(row.cell(&[active])) {
            keys += 1;
            let since = row.read(&[rotated], time)?;
            secret_since = [secret_since, since].into_iter().flatten().min();
            keys_used = keys_used.max(row.read(&[used], time)?);
        }
    }
    let person = truth(row.cell(&["password_enabled"])) || user == "<root_account>";
    let signed_in = row.read(&["password_last_used"], time)?;
    let facts = ObservedFacts {
        label: user.to_owned(),
        account_type: if person {
            AccountType::Person
        } else {
            AccountType::Program
        },
        form: "IAM user".to_owned(),
        place: arn.split(':').nth(4).unwrap_or_default().to_owned(),
        created_at: row.read(&["user_creation_time"], time)?,
        last_used_at: signed_in.max(keys_used),
        secret_since,
        program_key_used_at: keys_used.filter(|_| person && keys > 0),
        ..ObservedFacts::default()
    };
    Ok(ImportedAccount {
        system: source.system.unwrap_or("aws").to_owned(),
        external_id: arn,
        line: row.line,
        facts: Some(facts),
        sign_ins: None,
        owner: person
            .then(|| text(user).map(|user| OwnerHint::Named(user.to_owned())))
            .flatten(),
    })
}

/// What was read so far.
#[derive(Default)]
struct Gathered {
    accounts: Vec<ImportedAccount>,
    /// Of sign-ins: where each account stands, and what it did.
    places: HashMap<String, usize>,
    tallies: Vec<SignInTally>,
}

impl Gathered {
    fn sign_in(&mut self, source: &Source<'_>, row: &Row<'_>) -> Result<(), ImportError> {
        let Some(account) = text(row.cell(&ACCOUNT)) else {
            return Err(row.wrong(&ACCOUNT, "it is empty, and says who signed in"));
        };
        let at = row.read(&SIGNED_IN_AT, |cell| {
            time(cell)?.ok_or_else(|| "it is empty, and says when".to_owned())
        })?;
        let address = row.read(&ADDRESS, |cell| match text(cell) {
            None => Ok(None),
            Some(cell) => cell
                .parse()
                .map(Some)
                .map_err(|_| "not an IP address".to_owned()),
        })?;
        let sign_in = SignIn {
            at,
            address,
            agent: row.cell(&AGENT).to_owned(),
            device: row.cell(&DEVICE).trim().to_owned(),
            by_program: source.is_ci(address),
            is_act: false,
        };
        let place = match self.places.get(account) {
            Some(place) => *place,
            None => {
                self.places.insert(account.to_owned(), self.accounts.len());
                self.tallies.push(SignInTally::default());
                self.accounts.push(ImportedAccount {
                    system: source.system.unwrap_or("csv").to_owned(),
                    external_id: account.to_owned(),
                    line: row.line,
                    facts: None,
                    sign_ins: None,
                    owner: owner(account).filter(|_| account.contains('@')),
                });
                self.accounts.len() - 1
            }
        };
        if let Some(tally) = self.tallies.get_mut(place) {
            tally.add(&sign_in);
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<ImportedAccount> {
        for (account, tally) in self.accounts.iter_mut().zip(self.tallies) {
            account.sign_ins = tally.sum();
        }
        self.accounts
    }
}

/// `;` where spreadsheets write it because `,` is their decimal sign.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    if header.contains(';') && !header.contains(',') {
        b';'
    } else {
        b','
    }
}

/// The line where a record begins: its position is before the empty lines that are passed over.
fn begins(text: &str, at: &::csv::Position) -> u32 {
    let from = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let skipped = blank.filter(|byte| **byte == b'\n').count();
    u32::try_from(at.line())
        .unwrap_or(u32::MAX)
        .saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX))
}

fn wrong(text: &str, error: &::csv::Error) -> ImportError {
    let line = error.position().map_or(1, |at| begins(text, at));
    let what = match error.kind() {
        ::csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!(
            "{len} cells where the line of names has {expected_len}: is a quote or a comma missing?"
        ),
        ::csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => "it cannot be read as CSV".to_owned(),
    };
    ImportError::at_line(line, what)
}
