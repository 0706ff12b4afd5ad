//! May this token do this? The one rule for guards and for the server itself.

use std::net::IpAddr;

use thiserror::Error;

use crate::{
    name::{ActionName, EnvironmentName},
    scope::Scope,
    token::{AccessClaims, ActionDetail, ArtifactDigest},
    token_metadata::{ForeignId, TokenMetadata},
};

/// What is about to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The action.
    pub action: &'a ActionName,
    /// On what.
    pub resource: Option<&'a str>,
    /// Where.
    pub environment: Option<&'a EnvironmentName>,
    /// With which artifact.
    pub artifact_digest: Option<&'a ArtifactDigest>,
}

/// Why not. The texts read as a resource server's developer would write them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denial {
    /// The action is not in the token.
    #[error("{who} is not allowed to perform {action}")]
    ActionNotAllowed {
        /// The kind of principal, `bot` for instance.
        who: &'static str,
        /// The action.
        action: String,
    },
    /// The token is bound to another artifact.
    #[error("artifact digest does not match what was approved")]
    DigestMismatch,
    /// The token is for another environment.
    #[error("token is for environment {token}, not {asked}")]
    EnvironmentMismatch {
        /// The token's environment.
        token: String,
        /// The environment asked for.
        asked: String,
    },
    /// The token is bound to another resource.
    #[error("resource does not match what the token is bound to")]
    ResourceMismatch,
    /// The subject does not begin as this resource server expects.
    #[error("unexpected subject")]
    UnexpectedSubject,
}

/// Whether the token may do this.
///
/// What a detail binds the action to, an artifact digest or a resource, must be met exactly: another one,
/// or none, is refused. Where several details name the action, one of them must be met (RFC 9396 §2). A
/// request that names an environment needs a token for it.
///
/// # Errors
/// Says which rule refused.
pub fn enforce(
    claims: &AccessClaims,
    subject_prefix: Option<&str>,
    request: &Request<'_>,
) -> Result<(), Denial> {
    if !subject_prefix.is_none_or(|prefix| claims.acting_subject().starts_with(prefix)) {
        return Err(Denial::UnexpectedSubject);
    }
    if !claims.actions.contains(request.action) {
        return Err(Denial::ActionNotAllowed {
            who: claims.identity_kind.map_or("user", |kind| kind.as_str()),
            action: request.action.to_string(),
        });
    }
    if let Some(asked) = request.environment
        && claims.environment.as_ref() != Some(asked)
    {
        return Err(Denial::EnvironmentMismatch {
            token: claims
                .environment
                .as_ref()
                .map_or_else(|| "none".to_owned(), ToString::to_string),
            asked: asked.to_string(),
        });
    }
    let mut denied = None;
    for detail in &claims.authorization_details {
        if !detail.actions.contains(request.action) {
            continue;
        }
        match meets(detail, request) {
            Ok(()) => return Ok(()),
            Err(denial) => denied = denied.or(Some(denial)),
        }
    }
    denied.map_or(Ok(()), Err)
}

fn meets(detail: &ActionDetail, request: &Request<'_>) -> Result<(), Denial> {
    if detail.artifact_digest.is_some()
        && detail.artifact_digest.as_ref() != request.artifact_digest
    {
        return Err(Denial::DigestMismatch);
    }
    if detail.resource.is_some() && detail.resource.as_deref() != request.resource {
        return Err(Denial::ResourceMismatch);
    }
    Ok(())
}

/// Why a token of Countersign's own API is not for this, whatever it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Outside {
    /// It is bound to networks, and this address is in none of them.
    #[error("this token is not for use from this address")]
    Address,
    /// It is bound to something of this kind, and this is another or none was named.
    #[error("this token is bound to another {0}, or none was named")]
    Metadata(&'static str),
    /// It is bound to paths, and this is none of them.
    #[error("this token is not for this path")]
    Path,
}

/// Whether a token may be presented at this path, from this address, at all.
///
/// `path` is decoded and without `/api`; `address` is the client's by the rule for trusted proxies.
///
/// # Errors
/// Says which of the two refused.
pub fn presented(claims: &AccessClaims, path: &str, address: IpAddr) -> Result<(), Outside> {
    let Some(metadata) = &claims.metadata else {
        return Ok(());
    };
    if !metadata.allows_address(address) {
        return Err(Outside::Address);
    }
    if !metadata.allows_path(path) {
        return Err(Outside::Path);
    }
    Ok(())
}

/// What an action of the automation is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work<'a> {
    /// An action is executed.
    Action(&'a str),
    /// An execution is read, updated, or reads keys.
    Execution(&'a str),
    /// Nothing that a token could be bound to.
    Other,
    /// An event is created, or rules and triggers are read, of a trigger type.
    TriggerType(&'a str),
    /// Something of the executions that another started.
    Workflow(&'a str),
}

/// Whether the metadata of a token leave this action on this work.
///
/// # Errors
/// Says what the token is bound to.
pub fn bound(claims: &AccessClaims, action: &ActionName, work: Work<'_>) -> Result<(), Outside> {
    let nothing = TokenMetadata::default();
    let metadata = claims.metadata.as_deref().unwrap_or(&nothing);
    leaves(claims.scope.parse().ok(), metadata, action, work)
}

/// Whether metadata leave a token of a scope this action on this work. A scope that must be bound and is not, is bound to
/// nothing; and what is bound to an execution, an action or a workflow is for these alone, and for nothing that is none of
/// them or of an unknown type.
///
/// # Errors
/// Says what the metadata bind to.
pub fn leaves(
    scope: Option<Scope>,
    metadata: &TokenMetadata,
    action: &ActionName,
    work: Work<'_>,
) -> Result<(), Outside> {
    let outside = |what| Err(Outside::Metadata(what));
    let of_triggers = matches!(
        action.as_str(),
        "event.create" | "rule.read" | "trigger.read"
    );
    if of_triggers && (scope == Some(Scope::Sensor) || !metadata.trigger_types.is_empty()) {
        let inside = matches!(work, Work::TriggerType(asked) if metadata.trigger_types.iter().any(|one| one == asked));
        return if inside {
            Ok(())
        } else {
            outside("trigger type")
        };
    }
    let of_execution = action.as_str().starts_with("execution.");
    let bound_to_execution =
        scope == Some(Scope::ActionExecution) || metadata.execution_id.is_some();
    if !bound_to_execution && metadata.action_ref.is_none() && metadata.workflow_id.is_none() {
        return Ok(());
    }
    let is = |own: &Option<ForeignId>, asked: &str| {
        own.as_ref().is_some_and(|own| own.to_string() == asked)
    };
    let (inside, what) = match work {
        Work::Execution(asked) => (is(&metadata.execution_id, asked), "execution"),
        _ if of_execution && bound_to_execution => (false, "execution"),
        Work::Action(asked) => (metadata.action_ref.as_deref() == Some(asked), "action"),
        Work::Workflow(asked) => (is(&metadata.workflow_id, asked), "workflow"),
        Work::Other | Work::TriggerType(_) => (false, "type of resource"),
    };
    if inside { Ok(()) } else { outside(what) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claims(scope: &str, metadata: Value) -> AccessClaims {
        let id = "0198c0de-0000-7000-8000-000000000000";
        serde_json::from_value(json!({
            "iss": "https://a.example", "sub": "sensor:core.timer", "aud": "https://a.example", "exp": 2, "iat": 1, "jti": id,
            "client_id": "c", "scope": scope, "txn": id, "identity_id": id, "identity_type": "service_account", "tenant_id": id,
            "actions": [], "gen": { "tenant": 0, "project": 0, "identity": 0, "credential": 0 }, "metadata": metadata,
        }))
        .unwrap()
    }

    fn may(scope: &str, metadata: Value, action: &str, work: Work<'_>) -> bool {
        bound(&claims(scope, metadata), &action.parse().unwrap(), work).is_ok()
    }

    #[test]
    fn a_sensor_creates_events_of_its_trigger_types_alone() {
        let own = || json!({ "trigger_types": ["core.timer"] });
        for action in ["event.create", "rule.read", "trigger.read"] {
            assert!(may(
                "sensor",
                own(),
                action,
                Work::TriggerType("core.timer")
            ));
            for other in [
                Work::TriggerType("core.interval"),
                Work::TriggerType("core.timer2"),
                Work::Other,
                Work::Execution("1"),
            ] {
                assert!(!may("sensor", own(), action, other), "{action} {other:?}");
            }
            assert!(
                !may("sensor", json!({}), action, Work::TriggerType("core.timer")),
                "bound to nothing"
            );
        }
        assert!(may(
            "webhook",
            json!({}),
            "event.create",
            Work::TriggerType("any")
        ));
    }

    #[test]
    fn an_execution_reaches_itself_its_action_and_its_workflow_alone() {
        let own =
            || json!({ "execution_id": 456, "action_ref": "core.echo", "workflow_id": "789" });
        let scope = "action_execution";
        assert!(may(
            scope,
            own(),
            "execution.update",
            Work::Execution("456")
        ));
        assert!(may(scope, own(), "key.read", Work::Execution("456")));
        assert!(may(scope, own(), "key.read", Work::Action("core.echo")));
        assert!(may(scope, own(), "key.read", Work::Workflow("789")));
        for (action, work) in [
            ("execution.update", Work::Execution("457")),
            ("execution.update", Work::Other),
            ("execution.read", Work::Workflow("789")),
            ("key.read", Work::Execution("45")),
            ("key.read", Work::Action("core.other")),
            ("key.read", Work::Workflow("1")),
            ("key.read", Work::Other),
            ("key.read", Work::TriggerType("core.echo")),
        ] {
            assert!(!may(scope, own(), action, work), "{action} {work:?}");
        }
        assert!(!may(
            scope,
            json!({}),
            "execution.update",
            Work::Execution("456")
        ));
    }

    #[test]
    fn what_is_bound_to_one_action_is_for_nothing_of_another_type() {
        let own = || json!({ "action_ref": "core.echo" });
        let asked = |work| may("webhook", own(), "action.execute", work);
        assert!(asked(Work::Action("core.echo")));
        for work in [
            Work::Action("core.other"),
            Work::Execution("core.echo"),
            Work::Other,
            Work::TriggerType("core.echo"),
            Work::Workflow("core.echo"),
        ] {
            assert!(!asked(work), "{work:?}");
        }
        let both = json!({ "action_ref": "core.echo", "trigger_types": ["core.timer"] });
        let event = Work::TriggerType("core.timer");
        assert!(may("webhook", both, "event.create", event));
        assert!(!may("webhook", own(), "event.create", event));
    }

    #[test]
    fn t25_a_token_is_presented_at_its_paths_from_its_networks() {
        let bound = claims(
            "webhook",
            json!({ "allowed_paths": ["/webhooks/deploy"], "ip_whitelist": ["203.0.113.0/24"] }),
        );
        let from = |address: &str, path: &str| presented(&bound, path, address.parse().unwrap());
        assert_eq!(from("203.0.113.9", "/webhooks/deploy"), Ok(()));
        assert_eq!(from("::ffff:203.0.113.9", "/webhooks/deploy"), Ok(()));
        assert_eq!(
            from("203.0.114.9", "/webhooks/deploy"),
            Err(Outside::Address)
        );
        for path in [
            "/webhooks/deploy/",
            "/webhooks/deploys",
            "/webhooks",
            "/api/webhooks/deploy",
            "",
        ] {
            assert_eq!(from("203.0.113.9", path), Err(Outside::Path), "{path}");
        }
        assert_eq!(
            presented(
                &claims("sensor", json!({})),
                "/x",
                "192.0.2.1".parse().unwrap()
            ),
            Ok(())
        );
    }
}
