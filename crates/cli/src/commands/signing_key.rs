//! `signing-key`: the tenant's signing keys.

use clap::{Args, Subcommand};
use countersign_api::signing_keys::{self, KillSigningKey, RotateSigningKeys, SigningKeyList};
use countersign_model::registry::SigningAlg;

use crate::{
    app::App,
    failure::{Exit, Failure},
    input::{confirm, word},
    view::{self, Column},
};

/// Keys that sign tokens: rotate them, or end one in an emergency
#[derive(Debug, Subcommand)]
pub enum SigningKey {
    /// List the keys; the table has the first characters of each `kid`
    #[command(
        after_help = "Example:\n  countersign signing-key list\n  countersign signing-key list -o json | jq -r '.[].kid'"
    )]
    List,
    /// Make successors; the old keys verify until their tokens are dead
    #[command(after_help = "Example:\n  countersign signing-key rotate --alg ES256")]
    Rotate(Rotate),
    /// End a key at once: every token that it signed is dead
    #[command(
        after_help = "Example:\n  countersign signing-key kill 3f8e1c --reason 'the key leaked'"
    )]
    Kill(Kill),
}

/// Which keys.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Only those of this algorithm: ES256 or RS256
    #[arg(long, value_parser = word::<SigningAlg>)]
    alg: Option<SigningAlg>,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
}

/// Which key, and why.
#[derive(Debug, Args)]
pub struct Kill {
    /// Its `kid`, or as many of its first characters as tell it from the others
    #[arg(allow_hyphen_values = true)]
    kid: String,
    /// Why, for the evidence
    #[arg(long)]
    reason: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// The use of the key that signs what lives for hours, people's sign-ins among it.
const LONG_LIVED: &str = "long_lived";

/// How much of a `kid` a table shows: enough to tell a tenant's few keys apart.
const SHOWN: usize = 12;

/// How much of a `kid` names a key at least.
const NAMES: usize = 6;

const COLUMNS: [Column; 6] = [
    Column("KID", "/kid"),
    Column("ALG", "/alg"),
    Column("USE", "/use"),
    Column("STATUS", "/status"),
    Column("CREATED", "/created_at"),
    Column("VERIFIES UNTIL", "/verifies_until"),
];

impl SigningKey {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let keys = match self {
            Self::List => app.client()?.signing_keys(&()).await?,
            Self::Rotate(args) => {
                let keys = app
                    .client()?
                    .rotate_signing_keys(&RotateSigningKeys {
                        alg: args.alg,
                        reason: args.reason,
                    })
                    .await?;
                app.out
                    .talk("the new keys are published now and sign in ten minutes");
                keys
            }
            Self::Kill(args) => {
                let client = app.client()?;
                let keys = client.signing_keys(&()).await?;
                let key = named(&args.kid, &keys)?;
                let (kid, signs_people_in) = (key.kid.clone(), key.key_use == LONG_LIVED);
                let whose = if signs_people_in {
                    ", every sign-in of a person among them"
                } else {
                    ""
                };
                confirm(
                    &format!("end key `{kid}`? every token that it signed is dead at once{whose}"),
                    args.yes,
                )?;
                let kill = KillSigningKey {
                    reason: args.reason,
                };
                let keys = client.kill_signing_key(&kid, &kill).await?;
                app.out.talk(&format!("key `{kid}` is ended"));
                if signs_people_in {
                    app.out
                        .talk("every sign-in was signed with it, yours too: sign in anew");
                }
                keys
            }
        };
        show(app, &keys)
    }
}

/// The key whose `kid` begins like this.
fn named<'a>(
    begin: &str,
    keys: &'a SigningKeyList,
) -> Result<&'a signing_keys::SigningKey, Failure> {
    if let Some(whole) = keys.items.iter().find(|key| key.kid == begin) {
        return Ok(whole);
    }
    let mut fitting = keys.items.iter().filter(|key| key.kid.starts_with(begin));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) if begin.len() >= NAMES => Ok(only),
        (Some(_), None) => Err(Failure::usage(format!(
            "`{begin}` is too short to end a key by: give {NAMES} characters of its `kid` or more"
        ))
        .next("`countersign signing-key list` has them")),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "several keys begin with `{begin}`: give more of the `kid`"
        ))
        .next("`countersign signing-key list -o json` has them whole")),
        (None, _) => Err(
            Failure::new(Exit::NotFound, format!("no key begins with `{begin}`"))
                .next("`countersign signing-key list` has the keys of this tenant"),
        ),
    }
}

fn show(app: &App, keys: &SigningKeyList) -> Result<(), Failure> {
    app.out.data(&keys.items, |json| {
        let mut shown = json.clone();
        for key in shown.as_array_mut().into_iter().flatten() {
            if let Some(kid) = key["kid"].as_str() {
                key["kid"] = kid.chars().take(SHOWN).collect::<String>().into();
            }
        }
        view::table(&COLUMNS, &shown)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_named_by_as_much_as_tells_it_from_the_others() {
        let key = |kid: &str| json!({ "kid": kid, "alg": "ES256", "use": "access", "status": "active", "created_at": "2026-11-22T09:00:00Z" });
        let keys = json!({ "items": [key("jQB-C1YPbS5asPvds2wcyF"), key("jQB-C1YWWWWWWWWWWWWWWW"), key("UbHr")] });
        let keys: SigningKeyList = serde_json::from_value(keys).unwrap();
        assert_eq!(
            named("jQB-C1YP", &keys).unwrap().kid,
            "jQB-C1YPbS5asPvds2wcyF"
        );
        assert_eq!(named("UbHr", &keys).unwrap().kid, "UbHr", "a whole one");
        for (begin, said) in [
            ("jQB-C1Y", "several"),
            ("Ub", "too short"),
            ("nobody", "no key"),
            ("", "several"),
        ] {
            let failure = named(begin, &keys).unwrap_err().to_string();
            assert!(failure.contains(said), "{begin}: {failure}");
        }
    }

    #[test]
    fn a_kid_may_begin_with_a_hyphen() {
        use clap::Parser as _;

        let line = [
            "countersign",
            "signing-key",
            "kill",
            "-wX0b",
            "--reason",
            "it leaked",
        ];
        let cli = crate::cli::Cli::try_parse_from(line).unwrap();
        let crate::cli::Command::SigningKey(SigningKey::Kill(kill)) = cli.command else {
            panic!("another command");
        };
        assert_eq!(
            (kill.kid.as_str(), kill.reason.as_str()),
            ("-wX0b", "it leaked")
        );
    }
}
