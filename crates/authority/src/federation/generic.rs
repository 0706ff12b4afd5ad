//! Any other issuer of OIDC tokens: configuration, and what `known.rs` has on it.

use countersign_crypto::jose::Alg;
use countersign_model::{
    Id, id,
    registry::IssuerDoc,
    run::Run,
    trust::{TrustRule, claim},
};
use serde_json::{Map, Value};

use super::{
    Discipline, Profile,
    claims::{ClaimFault, blank, environment, keyed, required, text},
    known::known,
    lint::LintError,
};

/// The profile of a standard issuer.
pub(super) struct Generic;

impl Profile for Generic {
    fn provider(&self, issuer: &IssuerDoc) -> &'static str {
        known(&issuer.url).provider
    }

    fn algorithms(&self) -> &'static [Alg] {
        &[Alg::Ed25519, Alg::Es256, Alg::Es384, Alg::Ps256, Alg::Rs256]
    }

    fn max_life_seconds(&self, issuer: &IssuerDoc) -> i64 {
        known(&issuer.url).max_life_seconds
    }

    fn replay(&self, issuer: &IssuerDoc) -> Discipline {
        known(&issuer.url).replay
    }

    fn refuses_audience(&self, issuer: &IssuerDoc, audience: &str) -> Option<&'static str> {
        let known = known(&issuer.url);
        // CircleCI's default audience is the organisation, which is the end of its issuer.
        let is_organisation = known.provider == "circleci" && issuer.url.ends_with(audience);
        let is_default = is_organisation || listed(known.default_audiences, audience);
        is_default.then_some("it is what every token of the platform has by default")
    }

    fn lint_issuer(&self, issuer: &IssuerDoc) -> Vec<LintError> {
        let shared = ["common", "organizations", "consumers"];
        let directory = issuer
            .url
            .strip_prefix("https://login.microsoftonline.com/");
        let directory = directory.and_then(|rest| rest.split('/').next());
        if directory.is_some_and(|directory| shared.contains(&directory)) {
            return vec![LintError::new(
                "url",
                "is shared by every directory: name your own by its id",
            )];
        }
        Vec::new()
    }

    fn check(&self, issuer: &IssuerDoc, claims: &Map<String, Value>) -> Result<(), ClaimFault> {
        required(claims, "sub")?;
        for (name, value, why) in known(&issuer.url).refused {
            if claim(claims, name).as_deref() == Some(value) {
                return Err(ClaimFault::new(name, format!("is `{value}`: {why}")));
            }
        }
        Ok(())
    }

    fn run(
        &self,
        issuer_id: Id<id::Issuer>,
        issuer: &IssuerDoc,
        claims: &Map<String, Value>,
    ) -> Result<Run, ClaimFault> {
        let known = known(&issuer.url);
        let from = &known.run;
        let run = Run {
            project: Some(required(claims, from.project)?),
            project_name: text(claims, from.project_name),
            run_id: text(claims, from.run_id),
            attempt: text(claims, from.attempt),
            workflow: text(claims, from.workflow),
            git_ref: text(claims, from.git_ref),
            commit: text(claims, from.commit),
            environment: environment(claims, from.environment),
            trigger: text(claims, from.trigger),
            human_id: text(claims, from.human_id),
            runner: text(claims, from.runner),
            ..blank(known.provider, issuer_id, claims)
        };
        Ok(keyed(run, issuer_id))
    }

    fn pins(&self, issuer: &IssuerDoc) -> &'static [&'static [&'static str]] {
        known(&issuer.url).pins
    }

    fn pinned(&self, issuer: &IssuerDoc, rule: &TrustRule) -> bool {
        let has = |claim: &&str| rule.matches.contains_key(*claim);
        let known = known(&issuer.url);
        // Of an issuer that nothing is known of, a claim that is an id by its name will do.
        let by_name = known.provider == "oidc"
            && rule
                .matches
                .keys()
                .any(|claim| is_id(claim) && !self.caller_chosen(issuer, claim));
        by_name || known.pins.iter().any(|set| set.iter().all(has))
    }

    fn binders(&self, issuer: &IssuerDoc) -> &'static [&'static str] {
        known(&issuer.url).binders
    }

    fn subject_weakness(&self, issuer: &IssuerDoc) -> Option<&'static str> {
        known(&issuer.url).subject_weakness
    }

    fn caller_chosen(&self, issuer: &IssuerDoc, claim: &str) -> bool {
        listed(known(&issuer.url).caller_chosen, claim)
    }

    fn warnings(&self, issuer: &IssuerDoc, rule: &TrustRule, protects: bool) -> Vec<LintError> {
        let known = known(&issuer.url);
        let mut warnings = Vec::new();
        if known.provider == "oidc" && !rule.matches.contains_key("sub") {
            warnings.push(LintError::new(
                "sub",
                "is not pinned, and nothing is known here of this issuer's other claims: make sure \
                 that the ids in the rule are never given out again",
            ));
        }
        if protects && known.binders.is_empty() && !pins_place(rule) {
            warnings.push(LintError::new(
                "sub",
                "nothing binds the run to an environment or ref: whatever the subject runs matches",
            ));
        }
        warnings
    }

    fn also_matching(&self, issuer: &IssuerDoc, rule: &TrustRule) -> Vec<String> {
        let known = known(&issuer.url);
        let mut others = Vec::new();
        if known.binders.is_empty() {
            if !pins_place(rule) {
                others.push("whatever else runs under this subject".to_owned());
            }
        } else if !self.bound(issuer, rule) {
            others.push(format!(
                "runs on any ref: none of {} is pinned",
                list(known.binders)
            ));
        }
        if known.provider == "circleci" {
            others.push("no fork: its `vcs-origin` is another".to_owned());
        }
        if known.provider == "terraform" {
            others.push("no other phase: a plan is not an apply".to_owned());
        }
        others
    }
}

fn pins_place(rule: &TrustRule) -> bool {
    ["environment", "ref"]
        .iter()
        .any(|claim| rule.matches.contains_key(*claim))
}

/// Whether the text is in the list; an entry that ends in `*` is a prefix.
fn listed(list: &[&str], text: &str) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == *entry,
    })
}

/// Whether a claim is an id by its name: `oid`, `project_id`, `project-id`, `repositoryUuid`.
fn is_id(claim: &str) -> bool {
    let last = claim.rsplit(['.', '/']).next().unwrap_or(claim);
    let ends = ["_id", "-id", "_uid", "_uuid", "-uuid", "Id", "Uid", "Uuid"];
    matches!(last, "id" | "oid" | "uid" | "uuid") || ends.iter().any(|end| last.ends_with(end))
}

fn list(claims: &[&str]) -> String {
    claims
        .iter()
        .map(|claim| format!("`{claim}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
