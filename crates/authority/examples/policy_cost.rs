//! What one policy decision costs: without guard rails, and with many of which few can apply.
//!
//! `cargo run --release -p countersign-authority --example policy_cost`

use std::{hint::black_box, time::Instant};

use countersign_authority::policy::{GuardRails, PolicyEnvironment, PolicyRequest};
use countersign_model::{action::ActionClass, name::ActionName, registry::IdentityDoc};
use serde_json::json;

const ROUNDS: u32 = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let identity = identity()?;
    let action: ActionName = "deploy.release".parse()?;
    let request = PolicyRequest {
        identity: &identity,
        project: "web",
        sponsor: "user:dana@example.com",
        action: &action,
        class: ActionClass::Irreversible,
        group: "release",
        environment: Some(PolicyEnvironment {
            name: "production",
            protected: true,
        }),
        audience: Some("deploy-target"),
        resource: Some("web"),
        run: None,
        approved: true,
    };
    for (what, count) in [
        ("no guard rails", 0),
        ("10 guard rails", 10),
        ("1,000 guard rails", 1_000),
    ] {
        for (which, own) in [("none can apply", false), ("one can apply", true)] {
            let rails = GuardRails::compile(&policies(count, own)?)?;
            let started = Instant::now();
            for _ in 0..ROUNDS {
                assert!(black_box(rails.decide(black_box(&request))).allowed);
            }
            let each = started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
            println!("{what:>18}, {which:<15} {each:7.3} us");
        }
    }
    Ok(())
}

fn policies(
    count: usize,
    own: bool,
) -> Result<Vec<(countersign_model::name::PolicyName, String)>, Box<dyn std::error::Error>> {
    let scoped = (0..count).map(|place| {
        let project = if own && place == 0 { "web".to_owned() } else { format!("other-{place}") };
        (format!("rail-{place}"), format!("forbid (principal in Project::\"{project}\", action, resource) unless {{ context.approved }};"))
    });
    scoped
        .map(|(name, text)| Ok((name.parse()?, text)))
        .collect()
}

fn identity() -> Result<IdentityDoc, serde_json::Error> {
    let id = "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
    serde_json::from_value(json!({
        "kind": "pipeline", "name": "release-promoter-prod", "subject": "pipeline://web/release-promoter-prod",
        "client_id": id, "project_id": id, "sponsor": {"user": id}, "owner": {"user": id}, "managers": [id],
        "purpose": "promotes", "environments": ["production"], "audiences": [],
        "allowed_actions": ["deploy.release", "rollout.status.read"],
        "denied_actions": ["secrets.read", "identity.admin", "billing.admin"],
        "token_ttl_seconds": 600, "requires_approval": true, "expires_at": 0, "created_by": id,
    }))
}
