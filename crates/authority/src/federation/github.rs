//! GitHub Actions: github.com, its enterprises (`/<slug>`), ghe.com and GitHub Enterprise Server.

use countersign_crypto::jose::Alg;
use countersign_model::{
    Id, id,
    registry::IssuerDoc,
    run::Run,
    trust::{ClaimCheck, TrustRule, claim},
};
use serde_json::{Map, Value};

use super::{
    Discipline, Profile,
    claims::{ClaimFault, blank, environment, is_number, keyed, numeric_text, required, text},
    lint::LintError,
};

/// The profile of GitHub Actions.
pub(super) struct Github;

/// A subject in the immutable form `repo:OWNER@OWNER_ID/REPOSITORY@REPOSITORY_ID:CONTEXT`.
#[derive(Debug, PartialEq, Eq)]
struct ImmutableSubject<'a> {
    owner_id: &'a str,
    repository_id: &'a str,
    context: &'a str,
}

impl<'a> ImmutableSubject<'a> {
    /// Reads it strictly; nothing for every other subject. The form with hyphens, which a legacy
    /// organisation called `octo-org-123456` could have had, is not this form: no name at GitHub
    /// holds an `@`.
    fn parse(subject: &'a str) -> Option<Self> {
        let (repository, context) = subject.strip_prefix("repo:")?.split_once(':')?;
        let (owner, repository) = repository.split_once('/')?;
        let (owner, owner_id) = owner.split_once('@')?;
        let (repository, repository_id) = repository.split_once('@')?;
        let name = |text: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            !text.is_empty() && text.bytes().all(plain)
        };
        let well_formed = name(owner) && name(repository) && !context.is_empty();
        let ids = is_number(owner_id) && is_number(repository_id);
        (well_formed && ids).then_some(Self {
            owner_id,
            repository_id,
            context,
        })
    }
}

impl Profile for Github {
    fn provider(&self, _issuer: &IssuerDoc) -> &'static str {
        "github"
    }

    fn algorithms(&self) -> &'static [Alg] {
        // RS256 today; the other is what the platform could move to.
        &[Alg::Rs256, Alg::Es256]
    }

    fn max_life_seconds(&self, _issuer: &IssuerDoc) -> i64 {
        // Five minutes today; a server of one's own has been seen to give fifteen.
        900
    }

    fn replay(&self, _issuer: &IssuerDoc) -> Discipline {
        Discipline::Once
    }

    fn refuses_audience(&self, _issuer: &IssuerDoc, audience: &str) -> Option<&'static str> {
        audience
            .starts_with("https://github.com/")
            .then_some("it is what every job gets that asks for no audience")
    }

    fn check(&self, _issuer: &IssuerDoc, claims: &Map<String, Value>) -> Result<(), ClaimFault> {
        let repository_id = numeric_text(claims, "repository_id")?;
        let owner_id = numeric_text(claims, "repository_owner_id")?;
        numeric_text(claims, "run_id")?;
        numeric_text(claims, "run_attempt")?;
        // A subject that an organisation has customised says nothing here.
        let subject = text(claims, "sub").unwrap_or_default();
        match ImmutableSubject::parse(&subject) {
            Some(of) if of.repository_id != repository_id || of.owner_id != owner_id => Err(
                ClaimFault::new("sub", "names another repository than `repository_id`"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    fn run(
        &self,
        issuer_id: Id<id::Issuer>,
        issuer: &IssuerDoc,
        claims: &Map<String, Value>,
    ) -> Result<Run, ClaimFault> {
        let run = Run {
            project: Some(required(claims, "repository_id")?),
            project_name: text(claims, "repository"),
            run_id: Some(required(claims, "run_id")?),
            attempt: Some(required(claims, "run_attempt")?),
            workflow: text(claims, "job_workflow_ref").or_else(|| text(claims, "workflow_ref")),
            git_ref: text(claims, "ref"),
            commit: text(claims, "sha"),
            environment: environment(claims, "environment"),
            trigger: text(claims, "event_name"),
            human_id: text(claims, "actor_id"),
            human_login: text(claims, "actor"),
            runner: text(claims, "runner_environment"),
            ..blank(self.provider(issuer), issuer_id, claims)
        };
        Ok(keyed(run, issuer_id))
    }

    /// Events that outsiders start run with the default branch as their ref: the same token but for
    /// `event_name` (poisoned pipelines). They match only where the rule lists them.
    fn conditions(
        &self,
        _issuer: &IssuerDoc,
        rule: &TrustRule,
        claims: &Map<String, Value>,
    ) -> Vec<ClaimCheck> {
        if rule.matches.contains_key("event_name") {
            return Vec::new();
        }
        let got = claim(claims, "event_name");
        let outside = got
            .as_deref()
            .is_none_or(|event| OUTSIDE_EVENTS.contains(&event));
        vec![ClaimCheck {
            claim: "event_name".to_owned(),
            expected: vec!["an event that only members of the repository start".to_owned()],
            got,
            matched: !outside,
        }]
    }

    fn pins(&self, _issuer: &IssuerDoc) -> &'static [&'static [&'static str]] {
        // An organisation's reusable workflow may act for every repository of its owner.
        &[
            &["repository_id"],
            &["repository_owner_id", "job_workflow_ref"],
            &["repository_owner_id", "job_workflow_sha"],
        ]
    }

    fn pinned(&self, issuer: &IssuerDoc, rule: &TrustRule) -> bool {
        let has = |claim: &&str| rule.matches.contains_key(*claim);
        self.pins(issuer).iter().any(|set| set.iter().all(has))
            || subjects(rule, |subject| subject.is_some())
    }

    fn binders(&self, _issuer: &IssuerDoc) -> &'static [&'static str] {
        &["environment", "ref"]
    }

    fn bound(&self, issuer: &IssuerDoc, rule: &TrustRule) -> bool {
        let of_place = |subject: Option<ImmutableSubject<'_>>| {
            subject.is_some_and(|subject| {
                let context = subject.context;
                context.starts_with("environment:") || context.starts_with("ref:")
            })
        };
        self.binders(issuer)
            .iter()
            .any(|claim| rule.matches.contains_key(*claim))
            || subjects(rule, of_place)
    }

    fn subject_weakness(&self, _issuer: &IssuerDoc) -> Option<&'static str> {
        Some(
            "names of organisations and repositories can be given up and registered by somebody \
             else, and an organisation can change what its subjects say",
        )
    }

    fn caller_chosen(&self, _issuer: &IssuerDoc, claim: &str) -> bool {
        CALLER_CHOSEN.contains(&claim) || claim.starts_with("repo_property_")
    }

    fn warnings(&self, _issuer: &IssuerDoc, rule: &TrustRule, protects: bool) -> Vec<LintError> {
        let pins = |claim: &str| rule.matches.contains_key(claim);
        let mut warnings = Vec::new();
        if let Some(events) = rule.matches.get("event_name") {
            for event in events
                .values()
                .iter()
                .filter(|e| OUTSIDE_EVENTS.contains(&e.as_str()))
            {
                warnings.push(LintError::new(
                    "event_name",
                    format!("people outside the repository can start `{event}`, and it runs with the default branch as its ref"),
                ));
            }
        } else {
            warnings.push(LintError::new(
                "event_name",
                "is not pinned: any event that members of the repository start matches",
            ));
        }
        if protects && pins("environment") && !pins("ref") {
            warnings.push(LintError::new(
                "ref",
                "is not pinned: any branch whose job names the environment matches, unless the \
                 environment at GitHub admits certain branches only",
            ));
        }
        if pins("repository_id") && !pins("repository_owner_id") {
            warnings.push(LintError::new(
                "repository_owner_id",
                "is not pinned: the rule follows the repository to a new owner",
            ));
        }
        warnings
    }

    fn also_matching(&self, _issuer: &IssuerDoc, rule: &TrustRule) -> Vec<String> {
        let pins = |claim: &str| rule.matches.contains_key(claim);
        let mut others = Vec::new();
        if !pins("repository_id") && pins("repository_owner_id") {
            others.push(
                "every repository of the owner that calls this workflow, also one made tomorrow"
                    .to_owned(),
            );
        }
        match (pins("environment"), pins("ref")) {
            (_, true) => {}
            (true, false) => others.push(
                "a job on any branch or tag that names the environment, unless the environment at GitHub admits certain branches only".to_owned(),
            ),
            (false, false) => others.push("a job on any branch, tag or pull request of the repository".to_owned()),
        }
        if !pins("workflow_ref") && !pins("job_workflow_ref") && !pins("job_workflow_sha") {
            others.push("any workflow file there, also one that is added later".to_owned());
        }
        if !pins("event_name") {
            others.push(
                "whatever starts the workflow, except events that outsiders can start".to_owned(),
            );
        }
        if !pins("runner_environment") {
            others.push("jobs on self-hosted runners as well as on GitHub's own".to_owned());
        }
        others.push(if pins("repository_owner_id") {
            "the same repository after it is renamed, but not under another owner".to_owned()
        } else {
            "the same repository after it is renamed or given to another owner".to_owned()
        });
        others.push("no fork: a fork has a `repository_id` of its own".to_owned());
        others
    }
}

/// Whether the rule pins `sub`, and all its values pass.
fn subjects(rule: &TrustRule, pass: impl Fn(Option<ImmutableSubject<'_>>) -> bool) -> bool {
    rule.matches.get("sub").is_some_and(|accepted| {
        let values = accepted.values();
        !values.is_empty()
            && values
                .iter()
                .all(|value| pass(ImmutableSubject::parse(value)))
    })
}

/// Events that somebody without write access can start, and that run on the default branch.
const OUTSIDE_EVENTS: [&str; 9] = [
    "discussion",
    "discussion_comment",
    "fork",
    "gollum",
    "issue_comment",
    "issues",
    "pull_request_target",
    "watch",
    "workflow_run",
];

/// What the workflow's author or its trigger chooses.
const CALLER_CHOSEN: [&str; 9] = [
    "actor",
    "actor_id",
    "base_ref",
    "check_run_id",
    "head_ref",
    "run_attempt",
    "run_id",
    "run_number",
    "workflow",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_immutable_subject_is_read_strictly() {
        let subject =
            ImmutableSubject::parse("repo:octo-org@123456/octo.repo@456789:environment:production");
        let expected = ImmutableSubject {
            owner_id: "123456",
            repository_id: "456789",
            context: "environment:production",
        };
        assert_eq!(subject, Some(expected));
        for other in [
            "repo:octo-org/octo-repo:ref:refs/heads/main",
            "repo:octo-org-123456/octo-repo-456789:environment:production",
            "repo:octo-org@123456/octo-repo:environment:production",
            "repo:octo-org/octo-repo@456789:environment:production",
            "repo:octo-org@12x/octo-repo@456789:environment:production",
            "repo:octo-org@/octo-repo@456789:environment:production",
            "repo:@123456/octo-repo@456789:environment:production",
            "repo:octo@org@123456/octo-repo@456789:environment:production",
            "repo:octo-org@123456/a/octo-repo@456789:environment:production",
            "repo:octo-org@123456/octo-repo@456789",
            "repo:octo-org@123456/octo-repo@456789:",
            "Repo:octo-org@123456/octo-repo@456789:environment:production",
            "repository_id:456789",
        ] {
            assert_eq!(ImmutableSubject::parse(other), None, "{other}");
        }
    }
}
