//! `trust`: why a run's token is or is not an identity.

use clap::{Args, Subcommand};
use countersign_api::{
    NameOrId,
    paging::ListQuery,
    trust_test::{RuleVerdict, TrustTest, TrustVerdict},
};
use countersign_model::{Id, id};

use crate::{
    app::App,
    failure::{Exit, Failure},
    out::{Out, Tone},
    token_text,
    view::{self, Column, plain},
};

/// Trust: why a run's token is or is not an identity
#[derive(Debug, Subcommand)]
pub enum Trust {
    /// Explain a run's token claim by claim; nothing is issued and nothing is used up
    #[command(
        after_help = "Examples:\n  countersign trust test token.jwt --identity release-promoter-prod\n  \
        countersign trust test --attempt 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21"
    )]
    Test(Test),
    /// What was refused at an identity lately; each id can be tested
    #[command(after_help = "Example:\n  countersign trust attempts release-promoter-prod")]
    Attempts(Attempts),
}

/// Whose attempts.
#[derive(Debug, Args)]
pub struct Attempts {
    /// The identity
    identity: NameOrId,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

const ATTEMPTS: [Column; 4] = [
    Column("ID", "/id"),
    Column("AT", "/at"),
    Column("REASON", "/reason_code"),
    Column("DETAIL", "/detail"),
];

/// What to explain.
#[derive(Debug, Args)]
pub struct Test {
    /// The file with the token, or `-` for stdin
    #[arg(
        value_name = "FILE",
        required_unless_present = "attempt",
        conflicts_with = "attempt"
    )]
    token: Option<String>,
    /// The identity that the run wants to be
    #[arg(long, required_unless_present = "attempt")]
    identity: Option<NameOrId>,
    /// A refused attempt, by its id: `countersign trust attempts` lists them
    #[arg(long, value_name = "ID")]
    attempt: Option<Id<id::Evidence>>,
}

impl Trust {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let args = match self {
            Self::Test(args) => args,
            Self::Attempts(args) => return args.run(app).await,
        };
        let token = args.token.as_deref().map(token_text::read).transpose()?;
        let test = TrustTest {
            identity: args.identity,
            token,
            attempt: args.attempt,
        };
        let verdict = app.client()?.trust_test(&test).await?;
        app.out.data(&verdict, |_| explained(&verdict, app.out))?;
        if verdict.accepted {
            return Ok(());
        }
        let what = format!("the run is not `{}`", verdict.identity.name);
        Err(Failure::new(Exit::Failed, what)
            .next("mend the rule, or the pipeline, where it says no above"))
    }
}

impl Attempts {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let query = ListQuery {
            limit: Some(self.limit),
            ..ListQuery::default()
        };
        let page = app
            .client()?
            .refused_attempts(self.identity.as_str(), &query)
            .await?;
        app.out
            .data(&page.items, |json| view::table(&ATTEMPTS, json))
    }
}

fn explained(verdict: &TrustVerdict, out: Out) -> String {
    let mut lines = Vec::new();
    let mark = |good: bool| {
        if good {
            out.tint("yes", Tone::Added)
        } else {
            out.tint("no ", Tone::Removed)
        }
    };
    for check in &verdict.checks {
        lines.push(format!(
            "{}  {}: {}",
            mark(check.passed),
            plain(&check.what),
            plain(&check.detail)
        ));
    }
    for rule in &verdict.rules {
        lines.push(String::new());
        lines.push(format!(
            "{}  rule {} on {}",
            mark(rule.matched),
            rule.credential.name,
            plain(&rule.issuer)
        ));
        lines.extend(claims(rule).lines().map(|line| format!("     {line}")));
        if rule.matched {
            lines.push(format!("     may yield: {}", list(&rule.environments)));
        }
        lines.push(format!("     also matches: {}", plain(&rule.also_matches)));
        lines.extend(
            rule.findings
                .iter()
                .map(|finding| format!("     {} {}", out.tint("!", Tone::Changed), plain(finding))),
        );
    }
    if verdict.rules.is_empty() {
        lines.push(format!(
            "`{}` has no trust rule for this issuer",
            verdict.identity.name
        ));
    }
    lines.join("\n")
}

fn claims(rule: &RuleVerdict) -> String {
    let row = |check: &countersign_model::trust::ClaimCheck| {
        vec![
            if check.matched { "yes" } else { "no" }.to_owned(),
            plain(&check.claim),
            plain(&check.expected.join(" or ")),
            check
                .got
                .as_deref()
                .map_or_else(|| "(not there)".to_owned(), plain),
        ]
    };
    view::rows_table(
        &["", "CLAIM", "EXPECTED", "CAME"],
        rule.claims.iter().map(row).collect(),
    )
}

fn list<T: ToString>(values: &[T]) -> String {
    if values.is_empty() {
        return "-".to_owned();
    }
    values
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::out::Format;

    #[test]
    fn every_claim_says_what_was_expected_and_what_came() {
        let id = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
        let verdict: TrustVerdict = serde_json::from_value(json!({
            "accepted": false, "identity": {"id": id, "name": "triage"}, "issuer": "https://ci.example",
            "checks": [{"what": "signature", "passed": true, "detail": "signed by key `k1`"}],
            "rules": [{
                "credential": {"id": id, "name": "tr_1"}, "issuer": "https://ci.example", "matched": false,
                "claims": [
                    {"claim": "repository_id", "expected": ["456789"], "got": "456789", "matched": true},
                    {"claim": "ref", "expected": ["refs/heads/main"], "got": null, "matched": false},
                ],
                "environments": ["production"], "also_matches": "any run of repository 456789 on main",
            }],
        }))
        .unwrap();
        let text = explained(&verdict, Out::plain(Format::Json));
        assert!(
            text.contains("yes  signature: signed by key `k1`"),
            "{text}"
        );
        assert!(
            text.contains("refs/heads/main") && text.contains("(not there)"),
            "{text}"
        );
        assert!(
            text.contains("also matches: any run of repository 456789 on main"),
            "{text}"
        );
    }
}
