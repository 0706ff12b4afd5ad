//! `token`: get, exchange, ask about, revoke and look at tokens.

use clap::{Args, Subcommand};
use countersign_api::{
    client::Basic,
    revocations::Revoke,
    tokens::{TokenQuery, TokenRequest, TokenResponse},
};
use countersign_model::evidence::Grain;
use serde_json::{Value, json};

use crate::{app::App, failure::Failure, token_text, view};

mod ask;
mod issue;

pub use ask::{Ask, ClientArgs};
use issue::Issue;

/// Tokens: get, exchange, ask about, revoke, look at
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Get a token, and print it alone
    #[command(
        after_help = "Examples:\n  countersign token issue --client-id triage --client-secret \"$SECRET\" \\\n    --audience support-api\n  \
        countersign token issue --identity release-promoter-prod --github \\\n    \
        --env production --action deploy.release --wait"
    )]
    Issue(Box<Issue>),
    /// Exchange a token for another one (RFC 8693); without --subject-token, your own sign-in
    #[command(after_help = "Example:\n  countersign token exchange --audience support-api")]
    Exchange(Box<Exchange>),
    /// Ask the server whether a token can be used now (RFC 7662)
    #[command(
        after_help = "Example:\n  countersign token introspect token.jwt \\\n    --client-id support-api --client-secret \"$SECRET\""
    )]
    Introspect(Query),
    /// Revoke a token (RFC 7009)
    #[command(after_help = "Example:\n  countersign token revoke token.jwt")]
    Revoke(Query),
    /// Decode a token on this machine, without verifying it
    #[command(after_help = "Example:\n  countersign token inspect token.jwt")]
    Inspect {
        /// The token, the file that holds it, or `-` for stdin
        #[arg(value_name = "TOKEN|FILE")]
        token: String,
    },
}

/// What to exchange, and for what.
#[derive(Debug, Args)]
pub struct Exchange {
    /// The token to exchange, the file that holds it, or `-` for stdin
    #[arg(long, value_name = "TOKEN|FILE")]
    subject_token: Option<String>,
    /// What kind of token that is: access_token, jwt, id_token
    #[arg(long, value_name = "TYPE", default_value = "access_token")]
    subject_token_type: String,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    ask: Ask,
}

/// A token, and who asks about it.
#[derive(Debug, Args)]
pub struct Query {
    /// The token, the file that holds it, or `-` for stdin
    #[arg(value_name = "TOKEN|FILE")]
    token: String,
    #[command(flatten)]
    client: ClientArgs,
}

impl Token {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Issue(args) => args.run(app).await,
            Self::Exchange(args) => args.run(app).await,
            Self::Introspect(args) => args.introspect(app).await,
            Self::Revoke(args) => args.revoke(app).await,
            Self::Inspect { token } => {
                let decoded = token_text::decode(&token_text::read(&token)?)?;
                app.out
                    .talk("decoded on this machine; nobody verified the signature");
                app.out.data(&decoded, inspected)
            }
        }
    }
}

impl Exchange {
    async fn run(self, app: &App) -> Result<(), Failure> {
        let subject_token = match &self.subject_token {
            Some(text) => token_text::read_any(text)?,
            None => app.token()?,
        };
        let mut form = TokenRequest {
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange".to_owned(),
            subject_token: Some(subject_token),
            subject_token_type: Some(token_type(&self.subject_token_type)),
            ..TokenRequest::default()
        };
        self.client.fill(&mut form)?;
        self.ask.fill(&mut form)?;
        shown(app, &app.anonymous()?.token(&form).await?)
    }
}

impl Query {
    async fn introspect(self, app: &App) -> Result<(), Failure> {
        let query = TokenQuery {
            token: token_text::read_any(&self.token)?,
            token_type_hint: None,
        };
        let Some((client_id, client_secret)) = self.client.secret()? else {
            return Err(Failure::usage(
                "only the resource server that a token is for asks whether it counts, and proves itself",
            )
            .next(
                "give its --client-id and --client-secret; `countersign token inspect` decodes a token without asking",
            ));
        };
        let basic = Basic {
            client_id: &client_id,
            client_secret: &client_secret,
        };
        let answer = app.anonymous()?.introspect(&query, Some(basic)).await?;
        app.out.data(&answer, view::details)
    }

    async fn revoke(self, app: &App) -> Result<(), Failure> {
        let token = token_text::read_any(&self.token)?;
        if let Some((client_id, client_secret)) = self.client.secret()? {
            let basic = Basic {
                client_id: &client_id,
                client_secret: &client_secret,
            };
            app.anonymous()?
                .revoke_token(
                    &TokenQuery {
                        token,
                        token_type_hint: None,
                    },
                    Some(basic),
                )
                .await?;
        } else {
            // A person revokes by the token's id, as whoever may administer its identity.
            let decoded = token_text::decode(&token)?;
            let Some(jti) = decoded.claims.get("jti").and_then(Value::as_str) else {
                return Err(Failure::failed(
                    "the token has no `jti`, so that it cannot be one of ours",
                ));
            };
            let target = jti.to_owned();
            app.client()?
                .revoke(&Revoke {
                    grain: Grain::Token,
                    target,
                    reason: None,
                    preview: false,
                })
                .await?;
        }
        app.out.talk("the token is dead");
        Ok(())
    }
}

/// Prints the token alone, so that a shell can take it.
fn shown(app: &App, response: &TokenResponse) -> Result<(), Failure> {
    if !response.withheld.is_empty() {
        let withheld: Vec<&str> = response
            .withheld
            .iter()
            .map(|action| action.as_str())
            .collect();
        app.out.talk(&format!(
            "without {}: a person must countersign first (--action .. --wait)",
            withheld.join(", ")
        ));
    }
    app.out.data(response, |_| response.access_token.clone())
}

fn inspected(decoded: &Value) -> String {
    let mut text = String::from("NOT VERIFIED\n\nheader\n");
    text.push_str(&indented(&view::details(&decoded["header"])));
    text.push_str("\nclaims\n");
    let mut claims = decoded["claims"].clone();
    for name in ["exp", "iat", "nbf", "auth_time"] {
        let seconds = claims.get(name).and_then(Value::as_i64);
        if let (Some(seconds), Some(slot)) = (seconds, claims.get_mut(name)) {
            *slot = json!(format!(
                "{seconds} ({})",
                countersign_model::Timestamp::from_seconds(seconds)
            ));
        }
    }
    text.push_str(&indented(&view::details(&claims)));
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn token_type(short: &str) -> String {
    if short.contains(':') {
        short.to_owned()
    } else {
        format!("urn:ietf:params:oauth:token-type:{short}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspected_token_is_called_unverified_and_its_times_can_be_read() {
        let text = inspected(
            &json!({"verified": false, "header": {"alg": "ES256"}, "claims": {"exp": 1_795_338_000, "sub": "bot://a/b"}}),
        );
        assert!(text.starts_with("NOT VERIFIED"), "{text}");
        assert!(text.contains("1795338000 (2026-11-22T09:00:00Z)"), "{text}");
    }

    #[test]
    fn a_token_type_may_be_short() {
        assert_eq!(token_type("jwt"), "urn:ietf:params:oauth:token-type:jwt");
        assert_eq!(token_type("urn:x:y"), "urn:x:y");
    }
}
