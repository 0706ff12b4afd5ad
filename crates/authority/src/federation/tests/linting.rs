//! Rules and issuers that may and may not be saved.

use super::*;

fn protected() -> Vec<EnvironmentName> {
    vec![environment("production")]
}

fn claims_of(errors: &[LintError]) -> Vec<&str> {
    errors.iter().map(|error| error.claim.as_str()).collect()
}

#[test]
fn the_rules_of_the_documentation_may_be_saved() {
    for (issuer, rule) in [
        (github(), github_rule()),
        (gitlab(), gitlab_rule()),
        (kubernetes(), kubernetes_rule()),
        (spiffe_issuer(), spiffe_rule()),
    ] {
        assert_eq!(lint(&rule, &issuer, &protected()), [], "{}", issuer.url);
    }
}

#[test]
fn a_rule_that_says_nothing_is_refused() {
    assert_eq!(
        claims_of(&lint(&rule_for(&["staging"], &[]), &github(), &[])),
        ["match"]
    );
    let nowhere = rule_for(&[], &[("repository_id", &["456789"])]);
    assert_eq!(claims_of(&lint(&nowhere, &github(), &[])), ["environments"]);
    for values in [&[][..], &[""], &[" 456789"], &["456789", ""], &["4\n"]] {
        let rule = rule_for(&["staging"], &[("repository_id", values)]);
        assert_eq!(
            claims_of(&lint(&rule, &github(), &[])),
            ["repository_id"],
            "{values:?}"
        );
    }
}

#[test]
fn a_subject_alone_is_refused_where_it_can_be_recycled() {
    for (issuer, subject) in [
        (github(), "repo:octo-org/octo-repo:ref:refs/heads/main"),
        (
            gitlab(),
            "project_path:my-group/my-project:ref_type:branch:ref:main",
        ),
        (
            issuer(IssuerProfile::Oidc, BUILDKITE),
            "organization:acme-inc:pipeline:app:ref:refs/heads/main:commit:1:step:build",
        ),
        (
            issuer(IssuerProfile::Oidc, "https://app.terraform.io"),
            "organization:o:project:p:workspace:w:run_phase:apply",
        ),
        (
            issuer(IssuerProfile::Oidc, "https://vstoken.dev.azure.com/72f9"),
            "sc://org/project/connection",
        ),
    ] {
        let errors = lint(
            &rule_for(&["staging"], &[("sub", &[subject])]),
            &issuer,
            &[],
        );
        assert_eq!(claims_of(&errors), ["sub"], "{}", issuer.url);
    }
    let google = issuer(IssuerProfile::Oidc, "https://accounts.google.com");
    assert!(
        lint(
            &rule_for(&["staging"], &[("sub", &["112010400000000710080"])]),
            &google,
            &[]
        )
        .is_empty()
    );
}

#[test]
fn an_address_is_never_an_identity() {
    let google = issuer(IssuerProfile::Oidc, "https://accounts.google.com");
    for claim in ["email", "preferred_username", "upn"] {
        let rule = rule_for(
            &["staging"],
            &[("sub", &["1120"]), (claim, &["robot@acme.example"])],
        );
        assert_eq!(claims_of(&lint(&rule, &google, &[])), [claim]);
    }
    let rule = rule_for(
        &["staging"],
        &[
            ("project_id", &["20"]),
            ("user_email", &["dana@acme.example"]),
        ],
    );
    assert_eq!(claims_of(&lint(&rule, &gitlab(), &[])), ["user_email"]);
}

#[test]
fn an_owner_alone_is_every_repository_made_tomorrow() {
    let owner = rule_for(&["staging"], &[("repository_owner_id", &["123456"])]);
    assert_eq!(claims_of(&lint(&owner, &github(), &[])), ["match"]);
    let through_workflow = rule_for(
        &["staging"],
        &[
            ("repository_owner_id", &["123456"]),
            (
                "job_workflow_ref",
                &["octo-org/automation/.github/workflows/deploy.yml@refs/tags/v3"],
            ),
        ],
    );
    assert!(lint(&through_workflow, &github(), &[]).is_empty());
}

#[test]
fn a_protected_environment_needs_environment_or_ref() {
    let bare = rule_for(&["production"], &[("repository_id", &["456789"])]);
    assert_eq!(
        claims_of(&lint(&bare, &github(), &protected())),
        ["environment"]
    );
    assert!(lint(&bare, &github(), &[]).is_empty());
    for claim in ["environment", "ref"] {
        let bound = rule_for(
            &["production"],
            &[("repository_id", &["456789"]), (claim, &["main"])],
        );
        assert!(lint(&bound, &github(), &protected()).is_empty(), "{claim}");
    }
    let by_environment = rule_for(
        &["production"],
        &[
            ("repository_id", &["456789"]),
            ("environment", &["production"]),
        ],
    );
    assert!(
        warnings(&by_environment, &github(), &protected())
            .iter()
            .any(|warning| warning.claim == "ref")
    );
    let gitlab_bare = rule_for(&["production"], &[("project_id", &["20"])]);
    assert!(!lint(&gitlab_bare, &gitlab(), &protected()).is_empty());
    // A cluster knows no environments: its service account is pinned.
    assert!(lint(&kubernetes_rule(), &kubernetes(), &protected()).is_empty());
}

#[test]
fn what_changes_in_every_token_cannot_be_pinned() {
    for claim in ["jti", "exp", "iat", "nbf"] {
        let rule = rule_for(
            &["staging"],
            &[("repository_id", &["456789"]), (claim, &["1"])],
        );
        assert_eq!(claims_of(&lint(&rule, &github(), &[])), [claim]);
    }
}

#[test]
fn a_plan_is_not_an_apply() {
    let terraform = issuer(IssuerProfile::Oidc, "https://app.terraform.io");
    let workspace = rule_for(&["staging"], &[("terraform_workspace_id", &["ws-1"])]);
    assert!(!lint(&workspace, &terraform, &[]).is_empty());
    let phase = rule_for(
        &["staging"],
        &[
            ("terraform_workspace_id", &["ws-1"]),
            ("terraform_run_phase", &["apply"]),
        ],
    );
    assert!(lint(&phase, &terraform, &[]).is_empty());
}

#[test]
fn a_spiffe_rule_names_a_workload_of_the_trust_domain() {
    for id in [
        "spiffe://other.example/ns/a",
        "spiffe://prod.acme.example",
        "ns/payments",
    ] {
        let rule = rule_for(&["staging"], &[("sub", &[id])]);
        assert_eq!(
            claims_of(&lint(&rule, &spiffe_issuer(), &[])),
            ["sub"],
            "{id}"
        );
    }
    assert!(
        !lint(
            &rule_for(&["staging"], &[("aud", &["x"])]),
            &spiffe_issuer(),
            &[]
        )
        .is_empty()
    );
}

#[test]
fn an_issuer_is_https_and_spelt_plainly() {
    for (url, good) in [
        ("https://gitlab.example.com", true),
        ("https://gitlab.example.com/", true),
        ("https://gitlab.example.com/group", true),
        ("http://gitlab.example.com", false),
        ("https://user@gitlab.example.com", false),
        ("https://gitlab.example.com?x=1", false),
        ("https://gitlab.example.com#x", false),
        ("https://GitLab.example.com", false),
        ("https://gitlab.example.com:443", false),
        ("https://gitlab.example.com/a/../b", false),
        ("https://2130706433", false),
        ("http://127.0.0.1:8080", false),
        ("http://localhost:8080", false),
        ("https://[::ffff:127.0.0.1]", false),
        ("ftp://gitlab.example.com", false),
        ("gitlab.example.com", false),
        ("", false),
        (AUDIENCE, false),
    ] {
        let errors = lint_issuer(&issuer(IssuerProfile::Gitlab, url), AUDIENCE, false);
        assert_eq!(errors.is_empty(), good, "{url} {errors:?}");
    }
    let fixture = issuer(IssuerProfile::Github, "http://127.0.0.1:8080");
    assert!(lint_issuer(&fixture, AUDIENCE, true).is_empty());
    let common = issuer(
        IssuerProfile::Oidc,
        "https://login.microsoftonline.com/common/v2.0",
    );
    assert!(!lint_issuer(&common, AUDIENCE, false).is_empty());
}

#[test]
fn pinned_keys_are_read_when_they_are_saved() {
    let with = |keys: Value| IssuerDoc {
        keys: KeySource::Inline(keys),
        ..kubernetes()
    };
    assert!(lint_issuer(&kubernetes(), AUDIENCE, false).is_empty());
    let private = json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "x"}]});
    for keys in [
        json!({}),
        json!({"keys": []}),
        json!([]),
        private,
        jwks(&[key()], true),
    ] {
        let errors = lint_issuer(&with(keys.clone()), AUDIENCE, false);
        assert_eq!(claims_of(&errors), ["keys"], "{keys}");
    }
    let unmarked = IssuerDoc {
        keys: KeySource::Inline(jwks(&[key()], false)),
        ..spiffe_issuer()
    };
    assert_eq!(
        claims_of(&lint_issuer(&unmarked, AUDIENCE, false)),
        ["keys"]
    );
    let nowhere = IssuerDoc {
        trust_domain: None,
        ..spiffe_issuer()
    };
    assert_eq!(
        claims_of(&lint_issuer(&nowhere, AUDIENCE, false)),
        ["trust_domain"]
    );
    let by_domain = IssuerDoc {
        url: "spiffe://prod.acme.example".to_owned(),
        ..spiffe_issuer()
    };
    assert!(lint_issuer(&by_domain, AUDIENCE, false).is_empty());
}
