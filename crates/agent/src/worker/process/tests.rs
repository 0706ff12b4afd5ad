use std::{fs, path::Path};

use rustix::process::test_kill_process;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn program(directory: &TempDir, script: &str, time_out: Duration) -> Program {
    let path = [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())];
    Program {
        directory: directory.path().to_owned(),
        words: ["sh", "-c", script].map(str::to_owned).to_vec(),
        environment: path.into(),
        input: b"{\"message\":\"hello\"}".to_vec(),
        time_out,
        grace: Duration::from_millis(300),
    }
}

async fn run(program: Program) -> Finished<()> {
    let redaction = Redaction::new("eyJtoken.of-nobody-at-all.whatever");
    program
        .run(&redaction, std::future::pending())
        .await
        .unwrap()
}

/// Waits until no process has this number any more.
async fn gone(number: &Path) {
    let text = fs::read_to_string(number).unwrap();
    let pid = Pid::from_raw(text.trim().parse().unwrap()).unwrap();
    let gone = async {
        // A killed orphan is a zombie until somebody waited for it: then it runs no more.
        let zombie = |pid: Pid| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            stat.is_ok_and(|stat| stat.contains(") Z "))
        };
        while test_kill_process(pid).is_ok() && !zombie(pid) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), gone)
        .await
        .expect("it is still there");
}

#[tokio::test]
async fn a_program_reads_its_input_writes_both_streams_and_ends_with_its_code() {
    let directory = tempfile::tempdir().unwrap();
    let script = "cat; pwd >&2; exit 7";
    let ended = run(program(&directory, script, LONG)).await;
    assert_eq!(ended.status.code(), Some(7));
    assert_eq!(ended.stdout.text, "{\"message\":\"hello\"}");
    let here = directory.path().canonicalize().unwrap();
    assert_eq!(ended.stderr.text.trim(), here.to_str().unwrap());
    assert!(ended.stopped.is_none());
}

#[tokio::test]
async fn it_has_no_variable_but_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(program(&directory, "/usr/bin/env", LONG)).await;
    let names = ended
        .stdout
        .text
        .lines()
        .map(|line| line.split('=').next().unwrap());
    // What the shell sets by itself is nobody's secret.
    let own: Vec<&str> = names
        .filter(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name))
        .collect();
    assert_eq!(own, ["PATH"]);
}

#[tokio::test]
async fn at_its_time_out_the_whole_group_is_killed_also_what_ignores_the_asking() {
    let directory = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $! > child; echo begun; \
                  while :; do sleep 1; done";
    let ended = run(program(&directory, script, Duration::from_millis(500))).await;
    assert_eq!(ended.stopped, Some(Stopped::TimedOut));
    assert_eq!(ended.stdout.text, "begun\n");
    gone(&directory.path().join("child")).await;
}

#[tokio::test]
async fn what_a_program_left_behind_in_its_group_does_not_outlive_it() {
    let directory = tempfile::tempdir().unwrap();
    let script = "(while :; do sleep 1; done) & echo $! > child; exit 0";
    let ended = run(program(&directory, script, LONG)).await;
    assert_eq!(ended.status.code(), Some(0));
    gone(&directory.path().join("child")).await;
}

#[tokio::test]
async fn who_left_the_group_with_the_pipe_in_hand_does_not_hold_the_worker() {
    let directory = tempfile::tempdir().unwrap();
    let script =
        "setsid sh -c 'echo $$ > child; sleep 30' & while [ ! -s child ]; do :; done; echo done";
    let ended = timeout(
        Duration::from_secs(20),
        run(program(&directory, script, LONG)),
    )
    .await;
    assert_eq!(ended.expect("it hangs").stdout.text, "done\n");
    let child = fs::read_to_string(directory.path().join("child")).unwrap();
    let child = Pid::from_raw(child.trim().parse().unwrap()).unwrap();
    kill_process_group(child, Signal::KILL).unwrap();
}

#[tokio::test]
async fn who_is_asked_to_stop_may_end_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let script = "trap 'echo orderly; exit 3' TERM; touch begun; while :; do sleep 0.1; done";
    let mut program = program(&directory, script, LONG);
    program.grace = Duration::from_secs(20);
    let begun = directory.path().join("begun");
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(async move {
        while !begun.exists() {
            tokio::task::yield_now().await;
        }
        stop.send("cancelled").unwrap();
    });
    let redaction = Redaction::new("eyJtoken.of-nobody-at-all.whatever");
    let ended = program
        .run(&redaction, async { stopped.await.unwrap() })
        .await
        .unwrap();
    assert_eq!(ended.stopped, Some(Stopped::Asked("cancelled")));
    assert_eq!(
        (ended.status.code(), ended.stdout.text.as_str()),
        (Some(3), "orderly\n")
    );
}

#[tokio::test]
async fn a_program_that_reads_nothing_and_one_that_writes_without_end_are_no_trouble() {
    let directory = tempfile::tempdir().unwrap();
    let mut deaf = program(&directory, "exit 0", LONG);
    deaf.input = vec![b'x'; 1 << 20];
    assert_eq!(run(deaf).await.status.code(), Some(0));
    let loud = program(&directory, "yes | head -c 20000000", LONG);
    let ended = run(loud).await;
    assert!(!ended.stdout.whole && ended.stdout.text.contains("20000000 bytes in all"));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut program = program(&directory, "", LONG);
    program.words = vec!["no-such-program-anywhere".to_owned()];
    let redaction = Redaction::new("x");
    let started = program.run(&redaction, std::future::pending::<()>()).await;
    assert_eq!(started.err().unwrap().kind(), io::ErrorKind::NotFound);
}
