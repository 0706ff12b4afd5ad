//! `log watch`: the log's own promise, kept on another machine.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use countersign_api::Client;
use countersign_crypto::log::{
    VerifiedCheckpoint,
    leaf::leaf_hash,
    tile::{Bundle, TILE_WIDTH, TilePath},
    tree::RootBuilder,
};

use crate::{
    app::App,
    clock,
    failure::{Exit, Failure},
    files::{self, Access},
    log_folder::{Folder, LogTrust},
};

/// Which log, and where to keep it.
#[derive(Debug, Args)]
pub struct Watch {
    /// The server
    url: String,
    /// Where checkpoints and entries are kept; without it, beside the sign-ins
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The log's key, or the file with it; without it, the one that was pinned at sign-in
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    interval: u64,
    /// Look once
    #[arg(long)]
    once: bool,
}

impl Watch {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let base = self.url.trim_end_matches('/');
        let client = Client::new(base, None)?;
        let first = client.checkpoint().await?;
        let trust = match &self.key {
            Some(key) => LogTrust::of_checkpoint(app, Some(key), &first)?,
            None => LogTrust::of(app, None, Some(base))?,
        };
        let name: String = trust
            .origin()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let dir = self
            .dir
            .clone()
            .unwrap_or_else(|| app.home().checkpoints().join(name));
        let mut watcher = Watcher::open(Folder::new(dir), trust)?;
        app.out.talk(&format!(
            "watching {}; {} entries are known",
            watcher.trust.origin(),
            watcher.roots.size()
        ));
        loop {
            match watcher.look(&client).await {
                Ok(Some(head)) => app.out.text(&format!(
                    "{}  {} entries, root {}",
                    clock::now(),
                    head.size(),
                    head.head().root
                )),
                Ok(None) => {}
                // A server that is away is no alarm: its log is compared when it is back.
                Err(failure) if failure.exit == Exit::Unreachable && !self.once => {
                    app.out.warn(&failure.what)
                }
                Err(failure) => return Err(failure),
            }
            if self.once {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(self.interval.max(1))).await;
        }
    }
}

/// What is known of the log so far.
struct Watcher {
    folder: Folder,
    trust: LogTrust,
    roots: RootBuilder,
    last: Option<String>,
}

impl Watcher {
    /// Reads what was kept, and holds it against its own newest checkpoint.
    fn open(folder: Folder, trust: LogTrust) -> Result<Self, Failure> {
        let mut watcher = Self {
            folder,
            trust,
            roots: RootBuilder::default(),
            last: None,
        };
        if let Some(note) = watcher.folder.checkpoint()? {
            let head = watcher
                .trust
                .verify(&note)
                .map_err(|what| watcher.alarm(&format!("the kept checkpoint: {what}"), None))?;
            for bundle in Bundle::new_bundles(0, head.size()) {
                let bytes = watcher.folder.entries(bundle)?;
                watcher.push(bundle, &bytes)?;
            }
            watcher.must_be(&head, &note)?;
            watcher.last = Some(note);
        }
        Ok(watcher)
    }

    /// Looks at the newest checkpoint, and answers it when it is new.
    async fn look(&mut self, client: &Client) -> Result<Option<VerifiedCheckpoint>, Failure> {
        let note = client.checkpoint().await?;
        if self.last.as_ref() == Some(&note) {
            return Ok(None);
        }
        let head = self.trust.verify(&note).map_err(|what| {
            self.alarm(
                &format!("the checkpoint is not the log's own: {what}"),
                Some(&note),
            )
        })?;
        if head.size() < self.roots.size() {
            let what = format!(
                "the tail was removed: {} entries were signed before, and now {}",
                self.roots.size(),
                head.size()
            );
            return Err(self.alarm(&what, Some(&note)));
        }
        for bundle in Bundle::new_bundles(self.roots.size(), head.size()) {
            let path = TilePath::Bundle(bundle).to_string();
            let bytes = client.log_file(&path).await?;
            self.push(bundle, &bytes)?;
            files::write(&self.folder.file(&path), &bytes, Access::Shared)?;
        }
        self.must_be(&head, &note)?;
        self.folder.keep(&head, &note)?;
        self.last = Some(note);
        Ok(Some(head))
    }

    /// Takes the entries of a bundle that are not yet known.
    fn push(&mut self, bundle: Bundle, bytes: &[u8]) -> Result<(), Failure> {
        let entries =
            Bundle::decode(bytes).map_err(|error| self.alarm(&error.to_string(), None))?;
        if entries.len() != usize::from(bundle.width) {
            return Err(self.alarm(
                "an entry bundle has another length than its name says",
                None,
            ));
        }
        let known = self
            .roots
            .size()
            .saturating_sub(bundle.index * u64::from(TILE_WIDTH));
        for entry in entries
            .into_iter()
            .skip(usize::try_from(known).unwrap_or(usize::MAX))
        {
            self.roots.push(leaf_hash(entry));
        }
        Ok(())
    }

    /// The entries that are known must give the root that was signed: what was known before included.
    fn must_be(&self, head: &VerifiedCheckpoint, note: &str) -> Result<(), Failure> {
        if head.size() == self.roots.size() && head.head().root == self.roots.root() {
            return Ok(());
        }
        Err(self.alarm(
            "the log does not go on from what was signed before: its history was changed",
            Some(note),
        ))
    }

    /// The alarm. The checkpoint that gave rise to it is signed: it is kept, as proof against the log.
    fn alarm(&self, what: &str, note: Option<&str>) -> Failure {
        let mut failure = Failure::new(Exit::Tampered, what).at(self.trust.origin());
        if let Some(note) = note {
            let path = self
                .folder
                .file(&format!("conflict-{}", clock::now().seconds()));
            if files::write(&path, note.as_bytes(), Access::Shared).is_ok() {
                failure = failure.next(format!(
                    "keep `{}` and the checkpoints beside it: they prove it",
                    path.display()
                ));
            }
        }
        failure
    }
}
