//! Checkpoints in a directory: the newest, the last one of each day, and the last one before a restore.

use std::path::Path;

use tokio::{fs, io::AsyncWriteExt as _};

use crate::{
    clock::system_now,
    sinks::{PublishedCheckpoint, size_of},
};

/// Writes `checkpoint`, and `checkpoint-YYYY-MM-DD`, each whole or not at all.
pub async fn publish(directory: &Path, checkpoint: &PublishedCheckpoint) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    fs::create_dir_all(directory).await.map_err(failed)?;
    if let Some(kept) = newest(directory).await? {
        if !same_origin(&kept.note, &checkpoint.note) {
            // A restore began another log: the end of the one before shows what was lost with it.
            let name = format!("{NEWEST}-before-restore-{}", kept.size);
            replace(directory, &name, kept.note.as_bytes())
                .await
                .map_err(failed)?;
        } else if kept.size > checkpoint.size {
            return Err(format!(
                "it has a checkpoint of {} entries, and the log now claims {}",
                kept.size, checkpoint.size
            ));
        }
    }
    let day: String = system_now().to_string().chars().take(10).collect();
    for name in [NEWEST.to_owned(), format!("{NEWEST}-{day}")] {
        replace(directory, &name, checkpoint.note.as_bytes())
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// The newest checkpoint that the directory has.
pub async fn newest(directory: &Path) -> Result<Option<PublishedCheckpoint>, String> {
    match fs::read_to_string(directory.join(NEWEST)).await {
        Ok(note) => match size_of(&note) {
            Some(size) => Ok(Some(PublishedCheckpoint { size, note })),
            None => Err(format!("`{NEWEST}` in it is not a checkpoint")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

async fn replace(directory: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = directory.join(format!(".{name}.new"));
    let mut file = fs::File::create(&temporary).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    drop(file);
    fs::rename(&temporary, directory.join(name)).await
}

fn same_origin(left: &str, right: &str) -> bool {
    left.lines().next() == right.lines().next()
}

const NEWEST: &str = "checkpoint";
