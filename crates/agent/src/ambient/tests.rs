use std::{fs, path::Path};

use axum::{Json, Router, extract::Query, http::HeaderMap, routing::get};

use super::*;

const JWT: &str = "aaaa.bbbb.cccc";

fn around(variables: &[(&str, &str)]) -> Surroundings {
    Surroundings::new(variables, Path::new("/nowhere/at/all"))
}

fn found(variables: &[(&str, &str)]) -> Option<Platform> {
    let found = Ambient::find(&around(variables)).unwrap();
    found.map(|ambient| ambient.platform())
}

#[test]
fn each_platform_is_known_by_what_it_sets() {
    assert_eq!(found(&[]), None);
    assert_eq!(
        found(&[
            ("GITHUB_ACTIONS", "true"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://ci.example/token"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "opens"),
        ]),
        Some(Platform::Github)
    );
    assert_eq!(
        found(&[("GITLAB_CI", "true"), ("COUNTERSIGN_ID_TOKEN", JWT)]),
        Some(Platform::Gitlab)
    );
    assert_eq!(
        found(&[("COUNTERSIGN_ID_TOKEN", JWT)]),
        Some(Platform::Other)
    );
    assert_eq!(
        found(&[("BUILDKITE", "true"), ("BUILDKITE_JOB_ID", "1")]),
        Some(Platform::Buildkite)
    );
    assert_eq!(found(&[("COUNTERSIGN_ID_TOKEN", "")]), None);

    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("var/run/countersign");
    fs::create_dir_all(&directory).unwrap();
    let here = Surroundings::new(&[], root.path());
    fs::write(directory.join("jwt_svid.token"), JWT).unwrap();
    let platform = |around| Ambient::find(around).unwrap().unwrap().platform();
    assert_eq!(platform(&here), Platform::Spiffe);
    fs::write(directory.join("token"), JWT).unwrap();
    assert_eq!(platform(&here), Platform::Kubernetes);
}

#[test]
fn a_job_that_is_given_no_identity_hears_what_to_do() {
    for (variables, hint) in [
        (&[("GITHUB_ACTIONS", "true")][..], "id-token: write"),
        (&[("GITLAB_CI", "true")][..], "id_tokens"),
    ] {
        let error = Ambient::find(&around(variables)).unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_file_is_read_anew_each_time_and_only_a_token_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let ambient = Ambient::File {
        platform: Platform::Kubernetes,
        path: path.clone(),
    };
    assert!(ambient.assertion("x").await.is_err());
    for text in ["aaaa.bbbb.cccc\n", "dddd.eeee.ffff"] {
        fs::write(&path, text).unwrap();
        let read = ambient.assertion("x").await.unwrap();
        assert_eq!(read.expose(), text.trim());
    }
    for wrong in ["", "password", "a.b", "a.b.c\nd.e.f"] {
        fs::write(&path, wrong).unwrap();
        let error = ambient.assertion("x").await.unwrap_err().to_string();
        assert_eq!(
            error,
            "Kubernetes gave no identity: what came is not a signed JWT"
        );
    }
}

#[tokio::test]
async fn github_is_asked_for_the_audience_with_what_opens_it() {
    let answer = |headers: HeaderMap, Query(query): Query<Vec<(String, String)>>| async move {
        assert_eq!(headers["authorization"], "Bearer opens");
        let wanted = ("audience".to_owned(), "https://id.example".to_owned());
        assert!(
            query.contains(&wanted) && query.contains(&("api-version".to_owned(), "2".to_owned()))
        );
        Json(serde_json::json!({ "value": JWT }))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/token", get(answer)))
            .await
            .unwrap();
    });
    let github = |path: &str| {
        let url = format!("{base}{path}");
        let variables = [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "opens"),
        ];
        Ambient::github(&around(&variables)).unwrap()
    };
    let token = github("/token?api-version=2")
        .assertion("https://id.example")
        .await;
    assert_eq!(token.unwrap().expose(), JWT);
    let error = github("/elsewhere")
        .assertion("https://id.example")
        .await
        .unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("elsewhere"),
        "{error:?}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_agent_of_a_buildkite_job_is_asked_with_the_ids_to_pin() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("buildkite-agent");
    let asked = directory.path().join("asked");
    fs::write(
        &program,
        format!("#!/bin/sh\necho \"$@\" > {}\necho {JWT}\n", asked.display()),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let token = buildkite::request(program.to_str().unwrap(), "https://id.example").await;
    assert_eq!(token.unwrap().expose(), JWT);
    assert_eq!(
        fs::read_to_string(asked).unwrap().trim(),
        "oidc request-token --audience https://id.example --claim organization_id --claim pipeline_id"
    );
    let missing = buildkite::request("/no/such/agent", "x").await.unwrap_err();
    assert!(!missing.is_transient(), "{missing}");
}

#[test]
fn nothing_that_is_printed_shows_a_token() {
    let variables = [
        (
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            "https://ci.example/of-this-job",
        ),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "opens-it"),
        ("COUNTERSIGN_ID_TOKEN", "hhhh.pppp.ssss"),
    ];
    let around = around(&variables);
    let github = Ambient::github(&around).unwrap();
    let gitlab = gitlab::find(&around).unwrap().unwrap();
    let shown = format!(
        "{around:?} {github:?} {gitlab:?} {} {}",
        github.origin(),
        gitlab.origin()
    );
    assert!(
        !shown.contains("opens-it") && !shown.contains("hhhh"),
        "{shown}"
    );
}

#[test]
fn what_opens_the_identity_of_a_run_is_known_by_name() {
    let of = |variables: &[(&str, &str)]| {
        let found = Ambient::find(&Surroundings::new(variables, Path::new("/nowhere")));
        found.unwrap().unwrap().variables()
    };
    let github = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:9/"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "hunter2"),
    ];
    assert_eq!(of(&github), github.map(|(name, _)| name));
    let buildkite = [("BUILDKITE", "true"), ("BUILDKITE_JOB_ID", "1")];
    assert_eq!(of(&buildkite), ["BUILDKITE_AGENT_ACCESS_TOKEN"]);
    let token = ("COUNTERSIGN_ID_TOKEN", "aaaa.bbbb.cccc");
    assert_eq!(of(&[token]), ["COUNTERSIGN_ID_TOKEN"]);
    let gitlab = of(&[("GITLAB_CI", "true"), token]);
    assert!(gitlab.contains(&"CI_JOB_JWT_V2"), "{gitlab:?}");
    assert_eq!(of(&[("COUNTERSIGN_ID_TOKEN_FILE", "/t")]), [""; 0]);
}
