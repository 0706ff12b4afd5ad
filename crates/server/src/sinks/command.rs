//! Checkpoints to a program of the operator's own.

use std::process::Stdio;

use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::sinks::PublishedCheckpoint;

/// Runs the program with the note on its standard input. It is named in the server's own configuration
/// alone: nothing that comes over the network chooses a program. It ends with our wait for it.
pub async fn publish(command: &[String], checkpoint: &PublishedCheckpoint) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("names no program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read its input may still succeed.
        let _ = input.write_all(checkpoint.note.as_bytes()).await;
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    Err(format!("ended with {status}"))
}
