//! `log export`: tiles, entries, records and checkpoints in a folder.

use std::path::PathBuf;

use clap::Args;
use countersign_api::{Client, log::ListEntries};
use countersign_crypto::log::{
    Checkpoint,
    tile::{Bundle, TILE_WIDTH, Tile, TilePath},
};

use super::{shown, verdict};
use crate::{
    app::App,
    failure::{Exit, Failure},
    files::{self, Access},
    log_folder::{Folder, LogTrust, check},
};

/// Where to.
#[derive(Debug, Args)]
pub struct Export {
    /// The folder, which is made when it is missing
    dir: PathBuf,
    /// The log's key, or the file with it; without it, the one that was pinned at sign-in
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
}

impl Export {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let folder = Folder::new(self.dir);
        let note = client.checkpoint().await?;
        let claimed = Checkpoint::parse_for_explanation(&note)
            .map_err(|error| Failure::new(Exit::Tampered, error.to_string()))?;
        let size = claimed.size;
        fetch(&client, &folder, size).await?;
        let records = records(&client, &folder, size).await?;

        let base = app.base();
        let key = self.key.as_deref();
        let trust = if key.is_some() {
            LogTrust::of_checkpoint(app, key, &note)
        } else {
            LogTrust::of(app, None, Some(&base))
        };
        let Ok(trust) = trust else {
            files::write(&folder.file("checkpoint"), note.as_bytes(), Access::Shared)?;
            app.out
                .warn("key not pinned: what came was written, and nobody verified it");
            return Ok(());
        };
        let head = trust.verify(&note).map_err(|what| {
            Failure::new(
                Exit::Tampered,
                format!("the checkpoint is not the log's own: {what}"),
            )
            .at(base.clone())
        })?;
        folder.keep(&head, &note)?;
        let report = check(&folder, &trust, &[])?;
        app.out.talk(&format!(
            "{records} new records, {size} entries in {}",
            folder.path().display()
        ));
        app.out.data(&report, |_| shown(&report))?;
        verdict(&report)
    }
}

/// Fetches the tiles and bundles that the folder has not. A full one never changes.
pub async fn fetch(client: &Client, folder: &Folder, size: u64) -> Result<(), Failure> {
    let tiles = Tile::new_tiles(0, size).into_iter().map(TilePath::Tile);
    let bundles = Bundle::new_bundles(0, size)
        .into_iter()
        .map(TilePath::Bundle);
    for path in tiles.chain(bundles) {
        let path = path.to_string();
        let file = folder.file(&path);
        if !file.exists() {
            files::write(&file, &client.log_file(&path).await?, Access::Shared)?;
        }
    }
    Ok(())
}

/// Fetches the records of the bundles that are not complete in the folder, and counts the new ones.
async fn records(client: &Client, folder: &Folder, size: u64) -> Result<u64, Failure> {
    let width = u64::from(TILE_WIDTH);
    let mut new = 0;
    for bundle in Bundle::new_bundles(0, size) {
        let path = folder.records(bundle.index);
        // A record that could not be had may be there now. Within a body every quotation mark has a backslash.
        let whole = |line: &&str| !line.contains("\"gap\":");
        let had = files::read_if_there(&path)?
            .map_or(0, |text| text.lines().filter(whole).count() as u64);
        let wanted = u64::from(bundle.width);
        if had >= wanted {
            continue;
        }
        let (mut from, end) = (bundle.index * width, bundle.index * width + wanted);
        let mut lines = String::new();
        while from < end {
            let limit = u32::try_from(end - from).ok();
            let page = client
                .log_entries(&ListEntries {
                    from: Some(from),
                    limit,
                })
                .await?;
            let Some(last) = page.entries.last() else {
                break;
            };
            from = last.index + 1;
            for entry in page.entries.iter().filter(|entry| entry.index < end) {
                let line = serde_json::to_string(entry)
                    .map_err(|error| Failure::failed(error.to_string()))?;
                lines.push_str(&line);
                lines.push('\n');
            }
        }
        new += (lines.lines().count() as u64).saturating_sub(had);
        files::write(&path, lines.as_bytes(), Access::Shared)?;
    }
    Ok(new)
}
