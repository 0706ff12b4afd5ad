use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use countersign_guard::SystemClock;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::worker::lease::Leases;

const TOKEN: &str =
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhY3Rpb246Y29yZS5lY2hvIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

fn claimed(what: &Value) -> ClaimedExecution {
    let mut execution = json!({
        "id": "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21", "action_ref": "core.echo", "attempt": 1, "token": TOKEN,
        "expires_at": "2026-11-22T09:00:00Z", "time_out_seconds": 60, "lease_until": "2026-11-22T09:00:00Z",
        "lease_seconds": 60, "command": [],
    });
    for (name, value) in what.as_object().unwrap() {
        execution[name] = value.clone();
    }
    serde_json::from_value(execution).unwrap()
}

fn script(name: &str, text: &str) -> Value {
    json!({"name": name, "sha256": hex::encode(sha256(text.as_bytes())), "text": text})
}

fn setting(parent: &TempDir) -> Setting {
    let around = Surroundings::new(
        &[("PATH", "/usr/local/bin:/usr/bin:/bin"), ("SECRET", "x")],
        parent.path(),
    );
    Setting::new(
        "http://127.0.0.1:8400/",
        parent.path().to_owned(),
        "ATTUNE",
        &around,
    )
}

async fn execute(what: &Value) -> FinishExecution {
    let parent = tempfile::tempdir().unwrap();
    let (_keep, mut stop) = watch::channel(None);
    let finish = setting(&parent)
        .execute(&claimed(what), &mut stop)
        .await
        .unwrap();
    assert_eq!(
        fs::read_dir(parent.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );
    finish
}

#[tokio::test]
async fn a_script_runs_by_its_first_line_with_the_three_variables_and_its_parameters() {
    let text = "#!/bin/sh\nprintf '{\"input\": %s, \"url\": \"%s\", \"id\": \"%s\", \"message\": \"%s\", \"n\": \"%s\"}' \
                \"$(cat)\" \"$ATTUNE_API_URL\" \"$ATTUNE_EXECUTION_ID\" \"$ATTUNE_PARAM_MESSAGE\" \"$ATTUNE_PARAM_MAX_N\"";
    let parameters = json!({"message": "Hello", "max-n": 3, "deep": {"a": [1]}});
    let finish =
        execute(&json!({"script": script("echo.sh", text), "parameters": parameters})).await;
    assert_eq!(finish.outcome, Ending::Succeeded, "{finish:?}");
    assert_eq!(finish.exit_code, Some(0));
    let told = json!({
        "input": parameters, "url": "http://127.0.0.1:8400/api", "id": "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21",
        "message": "Hello", "n": "3",
    });
    assert_eq!(finish.result, Some(told));
}

#[tokio::test]
async fn a_command_gets_the_script_last_and_its_environment_is_its_own() {
    let text = "import json, os, sys\nprint(json.dumps({'argv': sys.argv[1:], 'names': sorted(os.environ), \
                'mode': oct(os.stat('.').st_mode)[-3:], 'script': oct(os.stat(__file__).st_mode)[-3:], \
                'stage': os.environ['STAGE'], 'token': os.environ['ATTUNE_API_TOKEN'][-4:]}))";
    let finish = execute(&json!({
        "command": ["python3", "-I"], "script": script("show.py", text),
        "environment": {"STAGE": "blue", "ATTUNE_API_TOKEN": "another"},
    }))
    .await;
    let result = finish.result.expect(&finish.stderr);
    assert_eq!(result["argv"], json!([]));
    assert_eq!(
        (&result["mode"], &result["script"]),
        (&json!("700"), &json!("700"))
    );
    assert_eq!(
        (&result["stage"], &result["token"]),
        (
            &json!("blue"),
            &json!("a2Vu".replace("a2Vu", &TOKEN[TOKEN.len() - 4..]))
        )
    );
    let names: Vec<&str> = result["names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    // What the interpreter sets by itself is no inheritance.
    let names: Vec<&str> = names
        .into_iter()
        .filter(|name| *name != "LC_CTYPE")
        .collect();
    let all = [
        "ATTUNE_API_TOKEN",
        "ATTUNE_API_URL",
        "ATTUNE_EXECUTION_ID",
        "HOME",
        "LANG",
        "PATH",
        "STAGE",
        "TMPDIR",
    ];
    assert_eq!(names, all);
}

#[tokio::test]
async fn a_token_that_is_printed_is_not_reported() {
    let finish =
        execute(&json!({"command": ["sh", "-c", "env; echo $ATTUNE_API_TOKEN >&2"]})).await;
    let told = format!("{finish:?}");
    assert!(told.contains("ATTUNE_API_TOKEN=[token …"), "{told}");
    for part in TOKEN.split('.').skip(1) {
        assert!(!told.contains(part), "{told}");
    }
}

#[tokio::test]
async fn an_end_is_told_as_it_was() {
    let failed = execute(&json!({"command": ["sh", "-c", "echo no >&2; exit 3"]})).await;
    assert_eq!(
        (failed.outcome, failed.exit_code, failed.stderr.as_str()),
        (Ending::Failed, Some(3), "no\n")
    );
    assert_eq!(failed.result, None);
    let killed = execute(&json!({"command": ["sh", "-c", "kill -9 $$"]})).await;
    assert_eq!((killed.outcome, killed.exit_code), (Ending::Failed, None));
    assert_eq!(killed.reason.as_deref(), Some("ended by signal 9"));
    let late = execute(&json!({"command": ["sleep", "60"], "time_out_seconds": 1})).await;
    assert_eq!(late.outcome, Ending::TimedOut);
    assert_eq!(late.reason.as_deref(), Some("stopped after 1 seconds"));
}

#[tokio::test]
async fn what_cannot_be_run_says_why() {
    let changed = json!({"name": "a.sh", "sha256": "00", "text": "#!/bin/sh\n"});
    let cases = [
        (json!({}), "names no program"),
        (
            json!({"command": ["no-such-program"]}),
            "could not start `no-such-program`",
        ),
        (
            json!({"script": changed}),
            "not the one whose SHA-256 was given",
        ),
        (
            json!({"script": script("../a.sh", "x")}),
            "no name of a file",
        ),
        (json!({"script": script(".", "x")}), "no name of a file"),
        (
            json!({"script": script("a.sh", "#!/no/such/interpreter\n")}),
            "could not start",
        ),
    ];
    for (what, why) in cases {
        let finish = execute(&what).await;
        assert_eq!(
            (finish.outcome, finish.exit_code),
            (Ending::Failed, None),
            "{what}"
        );
        let reason = finish.reason.unwrap();
        assert!(reason.contains(why), "{reason}");
    }
}

#[tokio::test]
async fn who_is_stopped_by_the_worker_says_so_and_who_is_not_ours_says_nothing() {
    for (why, told) in [
        (Why::WorkerStops, Some("worker stopped")),
        (Why::NotOurs, None),
    ] {
        let parent = tempfile::tempdir().unwrap();
        let (say_stop, mut stop) = watch::channel(None);
        say_stop.send_replace(Some(why));
        let execution = claimed(&json!({"command": ["sleep", "60"]}));
        let finish = setting(&parent).execute(&execution, &mut stop).await;
        let reason = finish.and_then(|finish| finish.reason);
        assert_eq!(reason.as_deref(), told);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_directory_is_nobody_elses() {
    let parent = tempfile::tempdir().unwrap();
    let directory = Directory::make(parent.path(), &claimed(&json!({}))).unwrap();
    let mode = fs::metadata(&directory.0).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    drop(directory);
    let leases = Leases::new(Arc::new(SystemClock::new()), Arc::new(|_: &str| {}));
    let stop = leases.hold(&claimed(&json!({})), leases.elapsed());
    leases.stop_all();
    assert_eq!(*stop.borrow(), Some(Why::WorkerStops));
}
