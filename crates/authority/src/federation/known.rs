//! What is known of issuers that need only configuration: a row each, found by the issuer's URL.

use super::Discipline;

/// What one issuer's tokens mean. The last row is every issuer that nothing is known of.
pub(super) struct Known {
    /// The word in evidence.
    pub(super) provider: &'static str,
    /// The sets of claims, one of which a rule must pin.
    pub(super) pins: &'static [&'static [&'static str]],
    /// The claims that bind a run to an environment or a ref.
    pub(super) binders: &'static [&'static str],
    /// Why `sub` must not be pinned.
    pub(super) subject_weakness: Option<&'static str>,
    /// Claims that the job's author or trigger chooses; a name that ends in `*` is a prefix.
    pub(super) caller_chosen: &'static [&'static str],
    /// Values that no rule may trust, as `claim`, `value`, why.
    pub(super) refused: &'static [(&'static str, &'static str, &'static str)],
    /// Audiences that every token has by default; one that ends in `*` is a prefix.
    pub(super) default_audiences: &'static [&'static str],
    /// How often a token counts.
    pub(super) replay: Discipline,
    /// The longest life, in seconds.
    pub(super) max_life_seconds: i64,
    /// Where the run's fields come from.
    pub(super) run: RunClaims,
}

/// The claims that become a run; empty where the issuer has none.
pub(super) struct RunClaims {
    pub(super) project: &'static str,
    pub(super) project_name: &'static str,
    pub(super) run_id: &'static str,
    pub(super) attempt: &'static str,
    pub(super) workflow: &'static str,
    pub(super) git_ref: &'static str,
    pub(super) commit: &'static str,
    pub(super) environment: &'static str,
    pub(super) trigger: &'static str,
    pub(super) human_id: &'static str,
    pub(super) runner: &'static str,
}

/// The row of an issuer.
pub(super) fn known(url: &str) -> &'static Known {
    let under = |prefix: &str| {
        url.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty())
    };
    if url == "https://agent.buildkite.com" {
        &BUILDKITE
    } else if under("https://oidc.circleci.com/org/") {
        &CIRCLECI
    } else if url == "https://app.terraform.io" {
        &TERRAFORM
    } else if under("https://api.bitbucket.org/2.0/workspaces/") {
        &BITBUCKET
    } else if under("https://login.microsoftonline.com/") {
        &ENTRA
    } else if under("https://vstoken.dev.azure.com/") {
        &AZURE_DEVOPS
    } else if url == "https://accounts.google.com" {
        &GOOGLE
    } else if url.starts_with("https://") && url.ends_with(".tokens.sts.global.api.aws") {
        &AWS
    } else {
        &ANY
    }
}

const NO_CLAIMS: RunClaims = RunClaims {
    project: "sub",
    project_name: "",
    run_id: "",
    attempt: "",
    workflow: "",
    git_ref: "",
    commit: "",
    environment: "",
    trigger: "",
    human_id: "",
    runner: "",
};

/// Any other issuer. OIDC Core §2 lets nobody give a `sub` out again, so it may be pinned;
/// so may a claim that is an id by its name.
static ANY: Known = Known {
    provider: "oidc",
    pins: &[&["sub"]],
    binders: &[],
    subject_weakness: None,
    caller_chosen: &[
        "actor",
        "at_hash",
        "azp",
        "build_number",
        "jti",
        "name",
        "nickname",
        "nonce",
        "run_id",
        "run_number",
        "workflow",
    ],
    refused: &[],
    default_audiences: &[],
    // Whether it gives one token per job or a new one whenever asked is not known: the first kind
    // could not redeem an approval under `once`.
    replay: Discipline::OncePerPurpose,
    max_life_seconds: 3600,
    run: RunClaims {
        run_id: "run_id",
        attempt: "run_attempt",
        workflow: "workflow",
        git_ref: "ref",
        commit: "sha",
        environment: "environment",
        trigger: "event_name",
        ..NO_CLAIMS
    },
};

static BUILDKITE: Known = Known {
    provider: "buildkite",
    // Optional claims: a job that did not ask for them matches no rule.
    pins: &[&["pipeline_id"]],
    binders: &["build_branch", "build_tag"],
    subject_weakness: Some("it holds slugs, which can be given up and taken by somebody else"),
    caller_chosen: &[
        "agent_tag:*",
        "build_source",
        "queue_key",
        "step_key",
        "build_number",
        "job_id",
    ],
    refused: &[],
    default_audiences: &["https://buildkite.com/*"],
    replay: Discipline::Once,
    max_life_seconds: 3600,
    run: RunClaims {
        project: "pipeline_id",
        project_name: "pipeline_slug",
        run_id: "build_id",
        workflow: "step_key",
        git_ref: "build_branch",
        commit: "build_commit",
        trigger: "build_source",
        runner: "runner_environment",
        ..NO_CLAIMS
    },
};

static CIRCLECI: Known = Known {
    provider: "circleci",
    // A fork's job may get a token of the project: only its origin tells.
    pins: &[&[
        "oidc.circleci.com/project-id",
        "oidc.circleci.com/vcs-origin",
    ]],
    binders: &["oidc.circleci.com/vcs-ref"],
    subject_weakness: Some("it names a user or holds no origin, depending on its version"),
    caller_chosen: &["oidc.circleci.com/context-ids", "oidc.circleci.com/job-id"],
    refused: &[(
        "oidc.circleci.com/ssh-rerun",
        "true",
        "somebody has a shell in this job",
    )],
    default_audiences: &[],
    replay: Discipline::OncePerPurpose,
    max_life_seconds: 3600,
    run: RunClaims {
        project: "oidc.circleci.com/project-id",
        project_name: "oidc.circleci.com/vcs-origin",
        run_id: "oidc.circleci.com/pipeline-id",
        attempt: "oidc.circleci.com/workflow-id",
        git_ref: "oidc.circleci.com/vcs-ref",
        ..NO_CLAIMS
    },
};

static TERRAFORM: Known = Known {
    provider: "terraform",
    // Planning is not applying: a plan runs what an unreviewed change says.
    pins: &[&["terraform_workspace_id", "terraform_run_phase"]],
    binders: &[],
    subject_weakness: Some("it holds names, which can be given up and taken by somebody else"),
    caller_chosen: &[],
    refused: &[],
    default_audiences: &["aws.workload.identity", "vault.workload.identity"],
    replay: Discipline::OncePerPurpose,
    // A phase can take that long; relying parties saw a cap of a day.
    max_life_seconds: 86_400,
    run: RunClaims {
        project: "terraform_workspace_id",
        project_name: "terraform_workspace_name",
        run_id: "terraform_run_id",
        workflow: "terraform_run_phase",
        ..NO_CLAIMS
    },
};

static BITBUCKET: Known = Known {
    provider: "bitbucket",
    pins: &[&["repositoryUuid"]],
    binders: &["branchName", "deploymentEnvironmentUuid"],
    subject_weakness: Some("it is another one in every run"),
    caller_chosen: &["pipelineUuid", "stepUuid"],
    refused: &[],
    default_audiences: &["ari:cloud:bitbucket::workspace/*"],
    replay: Discipline::OncePerPurpose,
    max_life_seconds: 3600,
    run: RunClaims {
        project: "repositoryUuid",
        run_id: "pipelineUuid",
        git_ref: "branchName",
        ..NO_CLAIMS
    },
};

static ENTRA: Known = Known {
    provider: "entra",
    pins: &[&["oid", "tid"]],
    binders: &[],
    subject_weakness: Some("it is another one for every application: pin `tid` and `oid`"),
    caller_chosen: &["appid", "azp", "idtyp", "xms_mirid"],
    refused: &[],
    default_audiences: &["api://AzureADTokenExchange"],
    replay: Discipline::Bound,
    max_life_seconds: 86_400,
    run: RunClaims {
        project: "oid",
        ..NO_CLAIMS
    },
};

static AZURE_DEVOPS: Known = Known {
    provider: "azure_devops",
    pins: &[],
    binders: &[],
    subject_weakness: Some(
        "it holds names, and these tokens have no ids to pin: use the newer issuer of the service \
         connection",
    ),
    caller_chosen: &[],
    refused: &[],
    default_audiences: &["api://AzureADTokenExchange"],
    replay: Discipline::OncePerPurpose,
    max_life_seconds: 3600,
    run: NO_CLAIMS,
};

static GOOGLE: Known = Known {
    provider: "google",
    pins: &[&["sub"]],
    binders: &[],
    subject_weakness: None,
    caller_chosen: &["azp", "google.compute_engine.instance_name"],
    refused: &[],
    default_audiences: &[],
    replay: Discipline::Bound,
    max_life_seconds: 3600,
    run: RunClaims {
        run_id: "google.compute_engine.instance_id",
        ..NO_CLAIMS
    },
};

/// The issuer is one account's own, so its role names can be recycled only within the account.
static AWS: Known = Known {
    provider: "aws",
    pins: &[&["sub"]],
    binders: &[],
    subject_weakness: None,
    caller_chosen: &["https://sts.amazonaws.com/.request_tags*"],
    refused: &[],
    default_audiences: &["sts.amazonaws.com"],
    replay: Discipline::Bound,
    max_life_seconds: 3600,
    run: NO_CLAIMS,
};
