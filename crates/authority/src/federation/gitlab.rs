//! GitLab CI: gitlab.com and instances of one's own.

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
    claims::{ClaimFault, blank, environment, keyed, numeric_text, required, text},
    lint::LintError,
};

/// The profile of GitLab CI.
pub(super) struct Gitlab;

impl Profile for Gitlab {
    fn provider(&self, _issuer: &IssuerDoc) -> &'static str {
        "gitlab"
    }

    fn algorithms(&self) -> &'static [Alg] {
        &[Alg::Rs256, Alg::Es256]
    }

    fn max_life_seconds(&self, _issuer: &IssuerDoc) -> i64 {
        // A token lives as long as its job may run: an hour by default, three on shared runners.
        // Six leave room for a patient build.
        6 * 3600
    }

    fn replay(&self, _issuer: &IssuerDoc) -> Discipline {
        Discipline::OncePerPurpose
    }

    fn check(&self, _issuer: &IssuerDoc, claims: &Map<String, Value>) -> Result<(), ClaimFault> {
        numeric_text(claims, "project_id")?;
        numeric_text(claims, "pipeline_id")?;
        // Every boolean is text here; a JSON `true` is not from GitLab.
        for flag in ["ref_protected", "environment_protected"] {
            if !matches!(claims.get(flag), None | Some(Value::String(_))) {
                return Err(ClaimFault::new(flag, "is not text"));
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
        let run = Run {
            project: Some(required(claims, "project_id")?),
            project_name: text(claims, "project_path"),
            // A job that is tried again has a new job id in the same pipeline; there is no attempt.
            run_id: Some(required(claims, "pipeline_id")?),
            workflow: text(claims, "ci_config_ref_uri"),
            git_ref: text(claims, "ref_path").or_else(|| text(claims, "ref")),
            commit: text(claims, "sha"),
            environment: environment(claims, "environment"),
            trigger: text(claims, "pipeline_source"),
            human_id: text(claims, "user_id"),
            human_login: text(claims, "user_login"),
            runner: text(claims, "runner_environment"),
            ..blank(self.provider(issuer), issuer_id, claims)
        };
        Ok(keyed(run, issuer_id))
    }

    /// The pipeline of a merge request from a fork can run in the parent project: then `project_id`
    /// names the fork and `job_project_id` the project that it runs in. Such a run is refused unless
    /// the rule pins both. A GitLab too old to say cannot be told apart, and is refused as well.
    fn conditions(
        &self,
        _issuer: &IssuerDoc,
        rule: &TrustRule,
        claims: &Map<String, Value>,
    ) -> Vec<ClaimCheck> {
        let spoken_of = |claim: &str| rule.matches.contains_key(claim);
        if spoken_of("project_id") && spoken_of("job_project_id") {
            return Vec::new();
        }
        let (project, got) = (claim(claims, "project_id"), claim(claims, "job_project_id"));
        let matched = project.is_some() && project == got;
        vec![ClaimCheck {
            claim: "job_project_id".to_owned(),
            expected: project.into_iter().collect(),
            got,
            matched,
        }]
    }

    fn pins(&self, _issuer: &IssuerDoc) -> &'static [&'static [&'static str]] {
        &[&["project_id"]]
    }

    fn binders(&self, _issuer: &IssuerDoc) -> &'static [&'static str] {
        &["environment", "ref", "ref_path"]
    }

    fn subject_weakness(&self, _issuer: &IssuerDoc) -> Option<&'static str> {
        Some(
            "paths of groups and projects can be given up and registered by somebody else, and a \
             project can change what its subjects say",
        )
    }

    fn caller_chosen(&self, _issuer: &IssuerDoc, claim: &str) -> bool {
        CALLER_CHOSEN.contains(&claim)
    }

    fn warnings(&self, _issuer: &IssuerDoc, rule: &TrustRule, protects: bool) -> Vec<LintError> {
        let pins = |claim: &str| rule.matches.contains_key(claim);
        let mut warnings = Vec::new();
        if pins("ref") && !pins("ref_type") && !pins("ref_path") {
            warnings.push(LintError::new(
                "ref",
                "a tag and a branch of this name both match: pin `ref_type` too, or `ref_path`",
            ));
        }
        if protects && !pins("ref_protected") && !pins("environment_protected") {
            warnings.push(LintError::new(
                "ref_protected",
                "neither this nor `environment_protected` is pinned: a developer who may push the \
                 ref or name the environment matches",
            ));
        }
        warnings
    }

    fn also_matching(&self, _issuer: &IssuerDoc, rule: &TrustRule) -> Vec<String> {
        let pins = |claim: &str| rule.matches.contains_key(claim);
        let mut others = Vec::new();
        match (pins("environment"), pins("ref") || pins("ref_path")) {
            (_, true) => {}
            (true, false) => others.push("a job on any ref that names the environment".to_owned()),
            (false, false) => {
                others.push("a job on any branch, tag or merge request of the project".to_owned());
            }
        }
        if pins("ref") && !pins("ref_type") && !pins("ref_path") {
            others.push("a tag as well as a branch of that name".to_owned());
        }
        if !pins("ref_protected") && !pins("environment_protected") {
            others.push("unprotected refs: whoever may push can change the job".to_owned());
        }
        if !pins("pipeline_source") {
            others.push(
                "whatever starts the pipeline: a push, a schedule, a trigger, a person".to_owned(),
            );
        }
        if !pins("ci_config_ref_uri") && !pins("ci_config_sha") {
            others.push("any pipeline configuration on that ref".to_owned());
        }
        others.push("the same project after it is renamed or moved to another group".to_owned());
        others.push(if pins("job_project_id") {
            "no fork but those that the rule names".to_owned()
        } else {
            "no fork: a run whose `project_id` and `job_project_id` differ is refused".to_owned()
        });
        others
    }
}

/// What the author of the job or its trigger chooses. Who may deploy to an environment is up to
/// its protection; its name is anybody's who writes a job.
const CALLER_CHOSEN: [&str; 11] = [
    "deployment_tier",
    "environment_action",
    "groups_direct",
    "job_id",
    "job_source",
    "pipeline_id",
    "pipeline_source",
    "user_access_level",
    "user_email",
    "user_id",
    "user_login",
];
