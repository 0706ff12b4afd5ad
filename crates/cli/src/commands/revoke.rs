//! `revoke`: anything, at any grain.

use clap::Args;
use countersign_api::revocations::{Revocation, Revoke as Request};
use countersign_model::evidence::Grain;
use serde_json::Value;

use crate::{
    app::App,
    failure::Failure,
    input::{confirm, word},
    view::{self, Column},
};

/// Revoke a token, run, chain, credential, identity, project, trust rule, issuer or tenant
///
/// It holds on every server within a second, and nothing brings it back.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign revoke identity release-promoter-prod --preview\n  \
    countersign revoke token 0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21 --reason leaked"
)]
pub struct Revoke {
    /// The grain: token, run, chain, credential, identity, project, trust_rule, issuer, tenant
    #[arg(value_parser = word::<Grain>)]
    grain: Grain,
    /// What: a token's `jti`, a run's key, a record's name or id
    target: String,
    /// Why, for the evidence
    #[arg(long)]
    reason: Option<String>,
    /// Only say what would die
    #[arg(long, visible_alias = "dry-run")]
    preview: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

const DYING: [Column; 3] = [
    Column("WHAT", "/what"),
    Column("NAME", "/name"),
    Column("ID", "/id"),
];

impl Revoke {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let request = Request {
            grain: self.grain,
            target: self.target.clone(),
            reason: self.reason.clone(),
            preview: true,
        };
        if !self.preview {
            confirm(
                &format!(
                    "revoke {} `{}`? {}",
                    self.grain.as_str(),
                    self.target,
                    self.grain_says()
                ),
                self.yes,
            )?;
        }
        let revocation = client
            .revoke(&Request {
                preview: self.preview,
                ..request
            })
            .await?;
        app.out.data(&revocation, |json| shown(&revocation, json))?;
        if !revocation.preview && goes_on(revocation.grain) {
            app.out.talk(&format!(
                "it can get new tokens: `countersign identity disable {}` stops that",
                revocation.name
            ));
        }
        Ok(())
    }

    const fn grain_says(&self) -> &'static str {
        if goes_on(self.grain) {
            "its tokens die, and nothing brings them back; it can get new ones until it is disabled"
        } else {
            "nothing brings it back"
        }
    }
}

/// Whether what is revoked can get tokens again: only what it had dies.
const fn goes_on(grain: Grain) -> bool {
    matches!(grain, Grain::Identity)
}

fn shown(revocation: &Revocation, json: &Value) -> String {
    let (grain, name) = (revocation.grain.as_str(), &revocation.name);
    let mut text = if revocation.preview {
        format!("revoking {grain} `{name}` would end:")
    } else {
        format!("{grain} `{name}` is revoked. It ended:")
    };
    match revocation.dies.is_empty() {
        true => text.push_str(" nothing else that is on record"),
        false => text.push_str(&format!("\n{}", view::table(&DYING, &json["dies"]))),
    }
    if let Some(tokens) = revocation.live_tokens {
        let tokens_are = if revocation.preview {
            "tokens that may still be alive"
        } else {
            "tokens that may have been alive"
        };
        text.push_str(&format!("\n{tokens_are}: {tokens}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_preview_never_reads_as_done() {
        let json = json!({
            "grain": "project", "target": "1", "name": "support", "preview": true, "live_tokens": 3,
            "dies": [{"what": "identity", "id": "2", "name": "triage"}],
        });
        let text = shown(&serde_json::from_value(json.clone()).unwrap(), &json);
        assert!(
            text.starts_with("revoking project `support` would end:\nWHAT"),
            "{text}"
        );
        assert!(
            text.contains("triage") && text.ends_with("still be alive: 3"),
            "{text}"
        );
    }
}
