//! `demo`: the main story, against a real server on loopback.

mod script;
mod stage;
mod story;
mod target;

use clap::Args;

use crate::{app::App, failure::Failure};

/// Play the whole story: from a CI run to a countersigned deploy, and back to who answers
///
/// Everything is real: a server on SQLite in a throw-away directory, an OIDC issuer with GitHub's
/// claims, a deploy target behind a guard. All of it listens on loopback alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  countersign demo\n  countersign demo --exit")]
pub struct Demo {
    /// End after the story instead of serving until Ctrl-C
    #[arg(long)]
    exit: bool,
}

impl Demo {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let mut script = script::Script::new(&app.out);
        script.title();
        let stage = stage::Stage::set(&mut script).await?;
        let ends = story::play(app, &mut script, &stage).await?;
        if self.exit {
            script.note("ended, and its directory is gone: run it without --exit to look around");
        } else {
            story::what_next(&mut script, &stage, &ends);
            let _ = tokio::signal::ctrl_c().await;
        }
        stage.strike().await
    }
}
