//! What a token request asks for: scope words, actions, an exact detail, an environment.

use super::TokenRequest;
use crate::rejection::refuse;
use countersign_model::{
    action::ActionSet,
    name::{EnvironmentName, ScopeWord},
    reason::{Reason, Refusal},
    token::{ActionDetail, ArtifactDigest},
};

/// What a request asks for, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Scope words.
    pub words: Vec<ScopeWord>,
    /// Actions; absent for all that are possible.
    pub actions: Option<ActionSet>,
    /// The exact detail, when there was one.
    pub detail: Option<ActionDetail>,
    /// The environment.
    pub environment: Option<EnvironmentName>,
}

/// Scope words that any identity may ask for. `openid` yields no ID token: there is no person.
const WORDS: [&str; 2] = ["openid", "roles"];

impl Asked {
    /// Reads what a request asks for.
    ///
    /// # Errors
    /// `scope_not_allowed` or `bad_request`, naming the value.
    pub fn parse(request: &TokenRequest) -> Result<Self, Refusal> {
        let mut asked = Self::default();
        let mut actions = ActionSet::default();
        for value in request
            .scope
            .as_deref()
            .unwrap_or_default()
            .split(' ')
            .filter(|value| !value.is_empty())
        {
            if value.contains('.') {
                actions.0.insert(parse(value, Reason::ScopeNotAllowed)?);
            } else {
                let word: ScopeWord = parse(value, Reason::ScopeNotAllowed)?;
                if !WORDS.contains(&word.as_str()) {
                    return refuse(
                        Reason::ScopeNotAllowed,
                        format!("scope `{word}` is not known; `openid`, `roles` and actions are"),
                    );
                }
                asked.words.push(word);
            }
        }
        asked.environment = request
            .environment
            .as_deref()
            .map(|text| parse(text, Reason::BadRequest))
            .transpose()?;
        if let Some(text) = &request.authorization_details {
            let detail = parse_detail(text)?;
            if !actions.is_empty() && !detail.actions.is_empty() {
                return refuse(
                    Reason::BadRequest,
                    "ask for actions in `scope` or in `authorization_details`, not in both",
                );
            }
            actions.0.extend(detail.actions.iter().cloned());
            match (&asked.environment, &detail.environment) {
                (Some(one), Some(other)) if one != other => {
                    return refuse(
                        Reason::BadRequest,
                        "`environment` and `authorization_details` name two environments",
                    );
                }
                (None, Some(environment)) => asked.environment = Some(environment.clone()),
                _ => {}
            }
            asked.detail = Some(detail);
        }
        if !actions.is_empty() {
            asked.actions = Some(actions);
        }
        Ok(asked)
    }

    /// The resource that was asked for.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.detail.as_ref()?.resource.as_deref()
    }

    /// The artifact that was asked for.
    #[must_use]
    pub fn artifact_digest(&self) -> Option<&ArtifactDigest> {
        self.detail
            .as_ref()
            .and_then(|detail| detail.artifact_digest.as_ref())
    }
}

pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    reason: Reason,
) -> Result<T, Refusal> {
    text.parse()
        .map_err(|error: T::Err| Refusal::new(reason, error.to_string()))
}

fn parse_detail(text: &str) -> Result<ActionDetail, Refusal> {
    let details: Vec<ActionDetail> = serde_json::from_str(text).map_err(|error| {
        Refusal::new(
            Reason::BadRequest,
            format!("`authorization_details` is not understood: {error}"),
        )
    })?;
    match <[ActionDetail; 1]>::try_from(details) {
        // Without an action it is for all that is possible: on that resource, which is why it was sent.
        Ok([detail]) if detail.actions.is_empty() && detail.resource.is_none() => refuse(
            Reason::BadRequest,
            "`authorization_details` names no action and no resource",
        ),
        Ok([detail]) if detail.actions.is_empty() && detail.artifact_digest.is_some() => refuse(
            Reason::BadRequest,
            "`authorization_details` names an artifact and no action",
        ),
        Ok([detail]) => Ok(detail),
        Err(_) => refuse(
            Reason::BadRequest,
            "`authorization_details` takes exactly one detail of type `action`",
        ),
    }
}
