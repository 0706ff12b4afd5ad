//! `log`: export the evidence log, verify it with files alone, watch it from another machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{
    app::App,
    failure::{Exit, Failure},
    files,
    log_folder::{Folder, LogTrust, Report, check},
    view::plain,
};

mod export;
mod watch;

/// The evidence log: export it, verify it with files alone, watch it from elsewhere
#[derive(Debug, Subcommand)]
pub enum Log {
    /// Write the log and its records to a folder; again into the same one, only what is new
    #[command(after_help = "Example:\n  countersign log export ./log")]
    Export(export::Export),
    /// Verify a folder, with the key of the log and nothing else
    ///
    /// Finds records that were changed, inserted, removed or reordered, and a removed tail against
    /// any checkpoint that was kept earlier.
    #[command(
        after_help = "Example:\n  countersign log verify ./log --checkpoint kept/checkpoint-of-monday"
    )]
    Verify(Verify),
    /// Keep a server's checkpoints and entries on this machine, and alarm when they do not agree
    #[command(
        after_help = "Example:\n  countersign log watch https://id.example.com --dir ./watched"
    )]
    Watch(watch::Watch),
    /// Print the key of a server's log, to be compared with the pinned one
    #[command(after_help = "Example:\n  countersign log key > log.pub")]
    Key,
}

/// Which folder, and what to verify it with.
#[derive(Debug, Args)]
pub struct Verify {
    /// The folder
    dir: PathBuf,
    /// The log's key, or the file with it; without it, the one that was pinned at sign-in
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// A checkpoint that was kept elsewhere; once for each
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
}

impl Log {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Export(args) => args.run(app).await,
            Self::Verify(args) => args.run(app),
            Self::Watch(args) => args.run(app).await,
            Self::Key => {
                let key = app.anonymous()?.log_key(&()).await?;
                app.out.data(&key, |_| key.verifier_key.clone())
            }
        }
    }
}

impl Verify {
    fn run(self, app: &App) -> Result<(), Failure> {
        let folder = Folder::new(self.dir);
        let note = folder.checkpoint()?.ok_or_else(|| {
            Failure::usage(format!(
                "there is no checkpoint in `{}`",
                folder.path().display()
            ))
            .next("`countersign log export DIR` writes such a folder")
        })?;
        let trust = LogTrust::of_checkpoint(app, self.key.as_deref(), &note)?;
        let kept = self
            .checkpoints
            .iter()
            .map(|path| Ok((format!("`{}`", path.display()), files::read(path)?)));
        let report = check(&folder, &trust, &kept.collect::<Result<Vec<_>, Failure>>()?)?;
        app.out.data(&report, |_| shown(&report))?;
        verdict(&report)
    }
}

/// An exit code of its own when anything is not as it was signed.
fn verdict(report: &Report) -> Result<(), Failure> {
    if report.findings.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Tampered, "the evidence is not what the log says")
        .next("keep this folder and every checkpoint as they are, and tell whoever answers for the server"))
}

fn shown(report: &Report) -> String {
    let mut lines = vec![
        format!("log       {}", plain(&report.origin)),
        format!("size      {} entries", report.size),
        format!("records   {} verified", report.records),
        format!("earlier   {} checkpoints agree", report.earlier_checkpoints),
    ];
    if report.other_tenants > 0 {
        lines.push(format!(
            "unchecked {} said to be of other tenants, at {}: their places are signed; what they say, and that they \
             are not of this tenant, cannot be checked here",
            report.other_tenants,
            places(&report.unchecked)
        ));
    }
    lines.extend(
        report
            .findings
            .iter()
            .map(|finding| format!("FINDING   {}", plain(finding))),
    );
    if report.findings.is_empty() {
        lines.push(match report.other_tenants {
            0 => "everything is as it was signed".to_owned(),
            unchecked => {
                format!("everything is as it was signed, but for {unchecked} records that were not checked")
            }
        });
    }
    lines.join("\n")
}

/// The first places; `-o json` has all of them.
fn places(all: &[String]) -> String {
    let mut shown = all
        .iter()
        .take(PLACES)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > PLACES {
        shown.push_str(", ...");
    }
    shown
}

/// As many as a line holds.
const PLACES: usize = 12;
