//! Published attacks on trust in run identities, a test for each.

use proptest::prelude::*;

use super::*;

#[test]
fn wildcard_or_prefix_subject() {
    let rules: [&[(&str, &[&str])]; 6] = [
        &[("sub", &["repo:octo-org*"])],
        &[("sub", &["repo:octo-org/*"])],
        &[("sub", &["*"])],
        &[("repository_id", &["456789"]), ("ref", &["refs/heads/*"])],
        &[("repository_id", &["45678?"])],
        &[("repo*", &["456789"])],
    ];
    for pairs in rules {
        let errors = lint(&rule_for(&["staging"], pairs), &github(), &[]);
        assert!(!errors.is_empty(), "{pairs:?}");
    }
    let prefix = rule_for(&["staging"], &[("repository", &["octo-org/octo"])]);
    assert!(!admitted(&github(), &prefix, &github_claims()));
}

proptest! {
    #[test]
    fn a_one_character_extension_of_a_pinned_segment_never_matches(
        place in 0_usize..3, at in any::<prop::sample::Index>(), extra in "[a-zA-Z0-9._:/@*-]"
    ) {
        let (claim, value) = [("repository_id", "456789"), ("repository_owner_id", "123456"), ("ref", "refs/heads/main")][place];
        let mut extended = value.to_owned();
        extended.insert_str(at.index(value.len() + 1), &extra);
        let claims = github_claims().with("sub", "repo:x/y:z").with(claim, extended);
        prop_assert!(!admitted(&github(), &github_rule(), &claims));
    }
}

#[test]
fn namespace_recycling_sub_jugation() {
    // The same names, registered again by somebody else: other ids.
    let github_twin = fixture::github_classic(now(), GITHUB, AUDIENCE)
        .with("repository_id", "999")
        .with("repository_owner_id", "998");
    assert!(!admitted(&github(), &github_rule(), &github_twin));
    let gitlab_twin = gitlab_claims()
        .with("project_id", "21")
        .with("job_project_id", "21");
    assert!(!admitted(&gitlab(), &gitlab_rule(), &gitlab_twin));
    // A rule on names alone is refused.
    let by_names = rule_for(
        &["staging"],
        &[
            ("repository", &["octo-org/octo-repo"]),
            ("ref", &["refs/heads/main"]),
        ],
    );
    assert!(!lint(&by_names, &github(), &[]).is_empty());
    let by_path = rule_for(&["staging"], &[("project_path", &["my-group/my-project"])]);
    assert!(!lint(&by_path, &gitlab(), &[]).is_empty());
}

#[test]
fn immutable_subject_collision_sleeper_squats() {
    // A legacy organisation called like the withdrawn form with hyphens.
    let pinned = "repo:octo-org@123456/octo-repo@456789:environment:production";
    let rule = rule_for(&["production"], &[("sub", &[pinned])]);
    assert!(lint(&rule, &github(), &[environment("production")]).is_empty());
    assert!(admitted(&github(), &rule, &github_claims()));
    for subject in [
        "repo:octo-org-123456/octo-repo-456789:environment:production",
        "repo:octo-org-123456/octo-repo:environment:production",
        "repo:octo-org/octo-repo:environment:production",
    ] {
        let legacy = github_claims().with("sub", subject);
        assert!(!admitted(&github(), &rule, &legacy), "{subject}");
        let by_legacy = rule_for(&["staging"], &[("sub", &[subject])]);
        assert!(!lint(&by_legacy, &github(), &[]).is_empty(), "{subject}");
    }
    // A subject that does not fit the ids beside it is nobody's.
    let forged = github_claims().with("repository_id", "111");
    assert!(verify(&github(), &forged).is_err());
}

#[test]
fn caller_chosen_claims_are_no_authority() {
    for pairs in [
        &[("workflow", &["release"][..])][..],
        &[("actor", &["octocat"][..]), ("workflow", &["release"])],
        &[("repo_property_env_tier", &["production"][..])],
        &[("head_ref", &["main"][..]), ("run_number", &["42"])],
    ] {
        let errors = lint(&rule_for(&["staging"], pairs), &github(), &[]);
        assert!(
            errors
                .iter()
                .any(|error| error.message.contains("can choose")),
            "{pairs:?} {errors:?}"
        );
    }
    let aws = issuer(
        IssuerProfile::Oidc,
        "https://0b9f.tokens.sts.global.api.aws",
    );
    let tags = rule_for(
        &["staging"],
        &[(
            "https://sts.amazonaws.com/.request_tags.team",
            &["payments"],
        )],
    );
    assert!(!lint(&tags, &aws, &[]).is_empty());
    let warned = rule_for(
        &["staging"],
        &[("repository_id", &["456789"]), ("actor", &["octocat"])],
    );
    assert!(lint(&warned, &github(), &[]).is_empty());
    assert!(
        warnings(&warned, &github(), &[])
            .iter()
            .any(|warning| warning.claim == "actor")
    );
}

#[test]
fn poisoned_pipeline_pull_request_target() {
    let unlisted = rule_for(
        &["production"],
        &[
            ("repository_id", &["456789"]),
            ("ref", &["refs/heads/main"]),
            ("environment", &["production"]),
        ],
    );
    for event in [
        "pull_request_target",
        "workflow_run",
        "issue_comment",
        "issues",
        "watch",
    ] {
        let claims = github_claims().with("event_name", event);
        assert!(!admitted(&github(), &unlisted, &claims), "{event}");
        assert!(!admitted(&github(), &github_rule(), &claims), "{event}");
        let listed = rule_for(
            &["production"],
            &[
                ("repository_id", &["456789"]),
                ("ref", &["refs/heads/main"]),
                ("event_name", &[event]),
            ],
        );
        assert!(admitted(&github(), &listed, &claims), "{event}");
        assert!(
            warnings(&listed, &github(), &[])
                .iter()
                .any(|warning| warning.message.contains(event))
        );
    }
    assert!(admitted(&github(), &unlisted, &github_claims()));
    assert!(!admitted(
        &github(),
        &unlisted,
        &github_claims().without("event_name")
    ));
}

#[test]
fn fork_merge_request_in_the_parent_project() {
    let fork = gitlab_claims().with("project_id", "77");
    let rule_on_fork = rule_for(&["staging"], &[("project_id", &["77"])]);
    assert!(!admitted(&gitlab(), &gitlab_rule(), &fork));
    assert!(!admitted(&gitlab(), &rule_on_fork, &fork));
    assert!(!admitted(
        &gitlab(),
        &gitlab_rule(),
        &gitlab_claims().with("job_project_id", "77")
    ));
    assert!(!admitted(
        &gitlab(),
        &gitlab_rule(),
        &gitlab_claims().without("job_project_id")
    ));
    let both = rule_for(
        &["staging"],
        &[("project_id", &["77"]), ("job_project_id", &["20"])],
    );
    assert!(admitted(&gitlab(), &both, &fork));
}

#[test]
fn circleci_fork_and_ssh_rerun() {
    let url = "https://oidc.circleci.com/org/8c8ab3a4-8d41-4b4c-9d5b-1f2ed5f6a111";
    let circleci = issuer(IssuerProfile::Oidc, url);
    let claims = gitlab_claims()
        .with("iss", url)
        .with("sub", "org/8c8a/project/51d3/user/77")
        .with("oidc.circleci.com/project-id", "51d3")
        .with("oidc.circleci.com/vcs-origin", "github.com/acme/app")
        .with("oidc.circleci.com/ssh-rerun", false);
    let rule = rule_for(
        &["staging"],
        &[
            ("oidc.circleci.com/project-id", &["51d3"]),
            ("oidc.circleci.com/vcs-origin", &["github.com/acme/app"]),
        ],
    );
    assert!(lint(&rule, &circleci, &[]).is_empty());
    assert!(admitted(&circleci, &rule, &claims));
    let fork = claims
        .clone()
        .with("oidc.circleci.com/vcs-origin", "github.com/mallory/app");
    assert!(!admitted(&circleci, &rule, &fork));
    assert!(!admitted(
        &circleci,
        &rule,
        &claims.with("oidc.circleci.com/ssh-rerun", true)
    ));
    let without_origin = rule_for(&["staging"], &[("oidc.circleci.com/project-id", &["51d3"])]);
    assert!(!lint(&without_origin, &circleci, &[]).is_empty());
    let shared = IssuerDoc {
        audience: Some("8c8ab3a4-8d41-4b4c-9d5b-1f2ed5f6a111".to_owned()),
        ..circleci
    };
    assert!(!lint_issuer(&shared, AUDIENCE, false).is_empty());
}

#[test]
fn confused_deputy_of_a_shared_issuer() {
    // Tenant B's project under the same issuer, and a rule on another record of that issuer.
    let of_b = github_claims()
        .with("sub", "repo:b-org@22/b-repo@33:environment:production")
        .with("repository_id", "33")
        .with("repository_owner_id", "22");
    assert!(!admitted(&github(), &github_rule(), &of_b));
    let elsewhere = TrustRule {
        issuer_id: Id::from_bytes([2; 16]),
        ..github_rule()
    };
    assert!(!admitted(&github(), &elsewhere, &github_claims()));
}

#[test]
fn token_of_a_pull_request_or_a_self_hosted_runner_reused_by_a_deploy() {
    let rule = rule_for(
        &["production"],
        &[
            ("repository_id", &["456789"]),
            ("environment", &["production"]),
            ("ref_protected", &["true"]),
            ("runner_environment", &["github-hosted"]),
        ],
    );
    assert!(admitted(&github(), &rule, &github_claims()));
    for (claim, value) in [
        ("environment", "staging"),
        ("ref_protected", "false"),
        ("runner_environment", "self-hosted"),
    ] {
        assert!(
            !admitted(&github(), &rule, &github_claims().with(claim, value)),
            "{claim}"
        );
    }
}

#[test]
fn a_staging_run_never_yields_production() {
    let rule = rule_for(
        &["staging", "production"],
        &[
            ("repository_id", &["456789"]),
            ("ref", &["refs/heads/main"]),
        ],
    );
    let staging = github_claims()
        .with("environment", "staging")
        .with("sub", "repo:a/b:environment:staging");
    let run = verify(&github(), &staging).unwrap();
    let rules = [(credential_id(9), rule)];
    let matched = matching_rules(&rules, &run, &github());
    let protected = [environment("production")];
    let asked = choose_environment(&matched, &run, Some(&environment("production")), &protected);
    assert_eq!(asked, Err(EnvironmentChoice::NotYielded));
    let own = choose_environment(&matched, &run, None, &protected).unwrap();
    assert_eq!(own.environment, environment("staging"));
}

#[test]
fn kubernetes_default_issuer_collision_and_namespace_again() {
    // Two clusters with one issuer string: only the pinned keys tell them apart.
    let url = "https://kubernetes.default.svc.cluster.local";
    let ours = IssuerDoc {
        keys: KeySource::Inline(jwks(&[key()], false)),
        ..issuer(IssuerProfile::Kubernetes, url)
    };
    let theirs = sign(
        other_key(),
        "JWT",
        fixture::kubernetes(now(), url, AUDIENCE).as_map(),
    )
    .unwrap();
    let keys = inline_keys(&ours).unwrap().unwrap();
    let theirs = Unverified::parse(&theirs).unwrap();
    assert!(verify_run(theirs, issuer_id(), &ours, &keys, AUDIENCE, now()).is_err());
    // Keys that anybody could serve are refused, when it is saved and when it is used.
    for keys in [
        KeySource::Discovery,
        KeySource::Uri("https://cluster.example/openid/v1/jwks".to_owned()),
    ] {
        let open = IssuerDoc {
            keys,
            ..kubernetes()
        };
        assert!(
            lint_issuer(&open, AUDIENCE, false)
                .iter()
                .any(|error| error.claim == "keys")
        );
        assert!(verify(&open, &kubernetes_claims()).is_err());
    }
    // The namespace was deleted and made again: the same names, another uid.
    let mut again = kubernetes_claims().into_map();
    again["kubernetes.io"]["serviceaccount"]["uid"] = json!("00000000-d103-4cce-80ea-03acbbeacf7d");
    let again = again
        .into_iter()
        .fold(kubernetes_claims(), |claims, (name, value)| {
            claims.with(&name, value)
        });
    assert!(!admitted(&kubernetes(), &kubernetes_rule(), &again));
    let by_names = rule_for(
        &["staging"],
        &[
            ("kubernetes.io.namespace", &["payments"]),
            ("kubernetes.io.serviceaccount.name", &["settler"]),
        ],
    );
    assert!(!lint(&by_names, &kubernetes(), &[]).is_empty());
    let by_subject = rule_for(
        &["staging"],
        &[("sub", &["system:serviceaccount:payments:settler"])],
    );
    assert!(!lint(&by_subject, &kubernetes(), &[]).is_empty());
}

#[test]
fn a_year_long_api_server_token_is_no_run_identity() {
    let year = kubernetes_claims().with("exp", now().seconds() + 365 * 86_400);
    assert!(verify(&kubernetes(), &year).is_err());
    assert!(
        verify(
            &kubernetes(),
            &kubernetes_claims().with("aud", json!([CLUSTER]))
        )
        .is_err()
    );
}
