//! The real claims of every platform become runs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_model::run::RunAssurance;

use super::*;

#[test]
fn a_github_run_keeps_what_lineage_needs() {
    let run = verify(&github(), &github_claims()).unwrap();
    let replay = run.replay();
    assert_eq!(replay.discipline, Discipline::Once);
    assert_eq!(replay.until, now() + countersign_model::time::Seconds(360));
    let run = run.run();
    assert_eq!(run.key, format!("{}/456789/9876543210/1", issuer_id()));
    assert_eq!(run.assurance, RunAssurance::Verified);
    assert_eq!(run.provider, "github");
    assert_eq!(run.project.as_deref(), Some("456789"));
    assert_eq!(run.project_name.as_deref(), Some("octo-org/octo-repo"));
    assert_eq!(
        run.commit.as_deref(),
        Some("9f3182061f1e2cca4702c368cbc039b7dc9d4485")
    );
    assert_eq!(run.git_ref.as_deref(), Some("refs/heads/main"));
    assert_eq!(run.environment, Some(environment("production")));
    assert_eq!(
        (run.human_id.as_deref(), run.human_login.as_deref()),
        (Some("12"), Some("octocat"))
    );
    assert_eq!(run.trigger.as_deref(), Some("push"));
    assert_eq!(run.claims_sha256.as_ref().map(String::len), Some(64));
}

#[test]
fn a_github_run_of_an_enterprise_or_an_own_server_is_taken_by_its_own_issuer_alone() {
    for url in [
        "https://token.actions.githubusercontent.com/acme",
        "https://token.actions.acme.ghe.com",
        "https://github.acme.example/_services/token",
    ] {
        let enterprise = issuer(IssuerProfile::Github, url);
        assert!(
            lint_issuer(&enterprise, AUDIENCE, false).is_empty(),
            "{url}"
        );
        assert!(
            verify(&enterprise, &fixture::github(now(), url, AUDIENCE)).is_ok(),
            "{url}"
        );
        assert!(verify(&enterprise, &github_claims()).is_err(), "{url}");
    }
}

#[test]
fn a_rule_on_ids_keeps_working_across_both_forms_of_the_subject() {
    let classic = fixture::github_classic(now(), GITHUB, AUDIENCE);
    let customised = github_claims().with("sub", "job_workflow_ref:octo-org%3Aautomation");
    for claims in [github_claims(), classic, customised] {
        assert!(admitted(&github(), &github_rule(), &claims));
    }
    let renamed = fixture::github_classic(now(), GITHUB, AUDIENCE)
        .with("sub", "repo:octo-org/renamed:environment:production")
        .with("repository", "octo-org/renamed");
    assert!(admitted(&github(), &github_rule(), &renamed));
}

#[test]
fn a_gitlab_run_has_no_attempt_and_one_token_per_job() {
    let run = verify(&gitlab(), &gitlab_claims()).unwrap();
    assert_eq!(run.replay().discipline, Discipline::OncePerPurpose);
    assert_eq!(run.run().key, format!("{}/20/574", issuer_id()));
    assert_eq!(run.run().git_ref.as_deref(), Some("refs/heads/main"));
    assert!(admitted(&gitlab(), &gitlab_rule(), &gitlab_claims()));
    let of_another_job = gitlab_claims().with("job_id", "303").with("jti", "other");
    assert_eq!(
        verify(&gitlab(), &of_another_job).unwrap().run().key,
        run.run().key
    );
}

#[test]
fn a_kubernetes_pod_has_nested_claims_no_type_and_may_use_its_token_again() {
    // The header of a projected token has no `typ`; its audience is an array of one.
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(
        json!({"alg": "ES256", "kid": key().kid()})
            .to_string()
            .as_bytes(),
    );
    let claims = encode(
        Value::Object(kubernetes_claims().into_map())
            .to_string()
            .as_bytes(),
    );
    let signature = encode(&key().sign(format!("{header}.{claims}").as_bytes()).unwrap());
    let untyped = Unverified::parse(&format!("{header}.{claims}.{signature}")).unwrap();
    assert_eq!(untyped.typ(), None);
    let keys = inline_keys(&kubernetes()).unwrap().unwrap();
    let run = verify_run(untyped, issuer_id(), &kubernetes(), &keys, AUDIENCE, now()).unwrap();
    assert_eq!(run.replay().discipline, Discipline::Bound);
    let account = "e6a8680e-d103-4cce-80ea-03acbbeacf7d";
    let pod = "0d8b260e-ef0e-45fb-be8e-ff44f97722e8";
    assert_eq!(run.run().key, format!("{}/{account}/{pod}", issuer_id()));
    assert_eq!(run.run().project_name.as_deref(), Some("payments/settler"));
    assert!(admitted(
        &kubernetes(),
        &kubernetes_rule(),
        &kubernetes_claims()
    ));
}

#[test]
fn a_spiffe_workload_needs_no_issuer_no_id_and_no_time_of_issue() {
    for claims in [
        spiffe_claims(),
        fixture::spiffe_minimal(now(), TRUST_DOMAIN, AUDIENCE),
    ] {
        let run = verify(&spiffe_issuer(), &claims).unwrap();
        assert_eq!(run.replay().discipline, Discipline::Bound);
        assert_eq!(
            run.run().project.as_deref(),
            Some("spiffe://prod.acme.example/ns/payments/sa/settler")
        );
        assert!(admitted(&spiffe_issuer(), &spiffe_rule(), &claims));
    }
}

#[test]
fn a_buildkite_job_is_configuration_only() {
    let buildkite = issuer(IssuerProfile::Oidc, BUILDKITE);
    let claims = fixture::buildkite(now(), BUILDKITE, AUDIENCE);
    let run = verify(&buildkite, &claims).unwrap();
    assert_eq!(run.replay().discipline, Discipline::Once);
    assert_eq!(run.run().provider, "buildkite");
    assert_eq!(
        run.run().commit.as_deref(),
        Some("9f3182061f1e2cca4702c368cbc039b7dc9d4485")
    );
    let rule = rule_for(
        &["staging"],
        &[("pipeline_id", &["0184990a-4782-42b5-afc1-16715b10b1b0"])],
    );
    assert!(admitted(&buildkite, &rule, &claims));
    // The ids are optional: a job that did not ask for them is nobody.
    assert!(!admitted(&buildkite, &rule, &claims.without("pipeline_id")));
}

#[test]
fn an_issuer_that_nothing_is_known_of_is_taken_by_its_subject() {
    let url = "https://ci.acme.example/oidc";
    let unknown = issuer(IssuerProfile::Oidc, url);
    let claims = github_claims()
        .with("iss", url)
        .with("sub", "runner-17")
        .without("jti");
    let run = verify(&unknown, &claims).unwrap();
    assert_eq!(run.run().project.as_deref(), Some("runner-17"));
    assert!(admitted(
        &unknown,
        &rule_for(&["staging"], &[("sub", &["runner-17"])]),
        &claims
    ));
    assert!(!admitted(
        &unknown,
        &rule_for(&["staging"], &[("sub", &["runner-1"])]),
        &claims
    ));
}

#[test]
fn a_token_finds_the_issuers_that_may_have_signed_it() {
    let (github, cluster, twin, spiffe) = (github(), kubernetes(), kubernetes(), spiffe_issuer());
    let id = |number: u8| Id::from_bytes([number; 16]);
    let issuers = [
        (id(1), &github),
        (id(2), &cluster),
        (id(3), &twin),
        (id(4), &spiffe),
    ];
    let found = |claims: &Claims| candidates(&Unverified::parse(&token(claims)).unwrap(), issuers);
    assert_eq!(found(&github_claims()), [id(1)]);
    assert_eq!(found(&kubernetes_claims()), [id(2), id(3)]);
    assert_eq!(
        found(&fixture::spiffe_minimal(now(), TRUST_DOMAIN, AUDIENCE)),
        [id(4)]
    );
    assert!(found(&gitlab_claims()).is_empty());
}

#[test]
fn an_environment_is_chosen_never_guessed() {
    let run = verify(&github(), &github_claims().without("environment")).unwrap();
    let staging = rule_for(&["staging"], &[("repository_id", &["456789"])]);
    let both = rule_for(
        &["staging", "production"],
        &[("repository_id", &["456789"])],
    );
    let protected = [environment("production")];
    let choose = |rule: &TrustRule, requested: Option<&str>| {
        let rules = [(credential_id(9), rule.clone())];
        let matched = matching_rules(&rules, &run, &github());
        let requested = requested.map(environment);
        choose_environment(&matched, &run, requested.as_ref(), &protected)
            .map(|chosen| chosen.environment)
    };
    assert_eq!(choose(&staging, None), Ok(environment("staging")));
    assert_eq!(
        choose(&staging, Some("production")),
        Err(EnvironmentChoice::NotYielded)
    );
    assert_eq!(
        choose(&both, Some("production")),
        Ok(environment("production"))
    );
    let all = vec![environment("staging"), environment("production")];
    assert_eq!(choose(&both, None), Err(EnvironmentChoice::Unchosen(all)));
    assert_eq!(
        choose(&both, Some("elsewhere")),
        Err(EnvironmentChoice::NotYielded)
    );
}

#[test]
fn the_rule_that_yields_the_environment_is_the_credential() {
    let run = verify(&github(), &github_claims().without("environment")).unwrap();
    let rules = [
        (
            credential_id(8),
            rule_for(&["staging"], &[("repository_id", &["456789"])]),
        ),
        (
            credential_id(9),
            rule_for(
                &["production"],
                &[
                    ("repository_id", &["456789"]),
                    ("ref", &["refs/heads/main"]),
                ],
            ),
        ),
    ];
    let matched = matching_rules(&rules, &run, &github());
    let chosen = choose_environment(&matched, &run, Some(&environment("production")), &[]).unwrap();
    assert_eq!(chosen.credential_id, credential_id(9));
    assert!(matches!(
        choose_environment(&matched, &run, None, &[]),
        Err(EnvironmentChoice::Unchosen(_))
    ));
}
