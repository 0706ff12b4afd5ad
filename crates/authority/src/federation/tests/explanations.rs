//! What `trust test` says.

use super::{
    explain::{Check, Explanation, KnownIssuer, Outcome, Presented, Trusted, explain},
    *,
};

fn explained(
    presented: Presented<'_>,
    rules: &[(Id<id::Credential>, TrustRule)],
    issuer: &IssuerDoc,
) -> Explanation {
    let keys = key_set(issuer);
    let issuers = [KnownIssuer {
        id: issuer_id(),
        doc: issuer,
        keys: Ok(&keys),
    }];
    explain(
        presented,
        &Trusted {
            rules,
            issuers: &issuers,
            tenant_issuer: AUDIENCE,
            now: now(),
        },
    )
}

fn of_token(claims: &Claims) -> Explanation {
    let rules = [(credential_id(9), github_rule())];
    let token = token(claims);
    let explanation = explained(Presented::Token(&token), &rules, &github());
    let text = serde_json::to_string(&explanation).unwrap();
    let signature = token.rsplit('.').next().unwrap();
    assert!(
        !text.contains(signature) && !text.contains(&token[..40]),
        "the token is never repeated"
    );
    explanation
}

fn check<'a>(explanation: &'a Explanation, name: &str) -> &'a Check {
    explanation
        .checks
        .iter()
        .find(|check| check.name == name)
        .unwrap()
}

#[test]
fn an_accepted_run_says_which_others_could_match() {
    let explanation = of_token(&github_claims());
    assert!(explanation.accepted, "{explanation:#?}");
    assert_eq!(explanation.closest, Some(credential_id(9)));
    assert!(
        explanation
            .could_also_match
            .iter()
            .any(|other| other.contains("no fork"))
    );
    assert!(
        explanation
            .could_also_match
            .iter()
            .any(|other| other.contains("renamed"))
    );
    assert!(explanation.next_step.starts_with("nothing"));
}

#[test]
fn a_rule_that_does_not_match_says_where_and_what_to_do() {
    let explanation = of_token(&github_claims().with("ref", "refs/heads/feature\u{1b}[31m"));
    assert!(!explanation.accepted);
    let wrong: Vec<_> = explanation.rules[0]
        .claims
        .iter()
        .filter(|claim| !claim.matched)
        .collect();
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].claim, "ref");
    assert_eq!(wrong[0].expected, ["refs/heads/main"]);
    assert!(explanation.next_step.contains("`ref` is `refs/heads/main`"));
    assert!(!explanation.next_step.contains('\u{1b}'));
}

#[test]
fn each_check_fails_by_its_own_name() {
    let at = now().seconds();
    for (claims, name, step) in [
        (
            github_claims().with("iss", "https://evil.example"),
            "issuer",
            "trust rule",
        ),
        (
            github_claims().with("aud", "https://other.example"),
            "audience",
            AUDIENCE,
        ),
        (github_claims().shifted(-1000), "expiry", "fresh"),
        (github_claims().shifted(1000), "issued", "clocks"),
        (github_claims().with("exp", at + 90_000), "life", "lives"),
        (github_claims().without("run_id"), "run_id", "run_id"),
    ] {
        let explanation = of_token(&claims);
        assert!(!explanation.accepted);
        assert_eq!(check(&explanation, name).outcome, Outcome::Failed, "{name}");
        assert!(
            explanation.next_step.contains(step),
            "{name}: {}",
            explanation.next_step
        );
    }
}

#[test]
fn a_signature_of_another_key_is_told_from_an_unknown_key() {
    let rules = [(credential_id(9), github_rule())];
    let foreign = sign(other_key(), "JWT", github_claims().as_map()).unwrap();
    let explanation = explained(Presented::Token(&foreign), &rules, &github());
    let signature = check(&explanation, "signature");
    assert_eq!(signature.outcome, Outcome::Failed);
    assert!(signature.expected.contains(key().kid()));
    let token = token(&github_claims());
    let issuers = [KnownIssuer {
        id: issuer_id(),
        doc: &github(),
        keys: Err("the issuer did not answer"),
    }];
    let trusted = Trusted {
        rules: &rules,
        issuers: &issuers,
        tenant_issuer: AUDIENCE,
        now: now(),
    };
    let explanation = explain(Presented::Token(&token), &trusted);
    assert_eq!(
        check(&explanation, "signature").outcome,
        Outcome::NotChecked
    );
    assert!(!explanation.accepted);
}

#[test]
fn two_clusters_of_one_name_are_told_apart_by_their_keys() {
    let rules = [(
        credential_id(9),
        TrustRule {
            issuer_id: Id::from_bytes([2; 16]),
            ..kubernetes_rule()
        },
    )];
    let (theirs, ours) = (kubernetes(), kubernetes());
    let their_keys = KeySet::new(vec![
        other_key().verifying_key(KeyPurpose::Foreign).unwrap(),
    ]);
    let our_keys = key_set(&ours);
    let issuers = [
        KnownIssuer {
            id: issuer_id(),
            doc: &theirs,
            keys: Ok(&their_keys),
        },
        KnownIssuer {
            id: Id::from_bytes([2; 16]),
            doc: &ours,
            keys: Ok(&our_keys),
        },
    ];
    let trusted = Trusted {
        rules: &rules,
        issuers: &issuers,
        tenant_issuer: AUDIENCE,
        now: now(),
    };
    let explanation = explain(Presented::Token(&token(&kubernetes_claims())), &trusted);
    assert!(explanation.accepted, "{explanation:#?}");
    assert_eq!(explanation.issuer_id, Some(Id::from_bytes([2; 16])));
}

#[test]
fn a_refused_attempt_is_explained_from_its_claims() {
    let rules = [
        (credential_id(8), gitlab_rule()),
        (credential_id(9), github_rule()),
    ];
    let claims = github_claims()
        .with("event_name", "pull_request_target")
        .into_map();
    let explanation = explained(Presented::Claims(&claims), &rules, &github());
    assert!(
        !explanation.accepted,
        "without the token nothing is known of its signature"
    );
    assert_eq!(
        check(&explanation, "signature").outcome,
        Outcome::NotChecked
    );
    assert_eq!(explanation.closest, Some(credential_id(9)));
    assert!(explanation.next_step.contains("event_name"));
}

#[test]
fn what_is_no_token_gets_one_clear_sentence() {
    for text in ["", "hello", "a.b", "eyJhbGciOiJub25lIn0.e30."] {
        let explanation = explained(Presented::Token(text), &[], &github());
        assert_eq!(explanation.checks.len(), 1);
        assert!(explanation.next_step.contains("three parts"));
    }
}
