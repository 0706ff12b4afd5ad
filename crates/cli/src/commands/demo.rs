//! `demo`: the main story and a second act, against a real server on loopback.

mod script;
mod stage;
mod story;
mod target;
#[cfg(unix)]
mod work;

use clap::Args;

use crate::{app::App, failure::Failure};

/// Play the whole story: from a CI run to a countersigned deploy, and back to who answers
///
/// Then a second act: a sensor's time comes, and a worker runs an action that reads a key. Everything is
/// real: a server on SQLite in a throw-away directory, an OIDC issuer with GitHub's claims, a deploy
/// target behind a guard, a worker and a sensor. All of it listens on loopback alone.
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
        #[cfg_attr(not(unix), expect(unused_mut, reason = "a worker needs Unix"))]
        let mut ends = story::play(app, &mut script, &stage).await?;
        #[cfg(unix)]
        let crew = {
            let (crew, execution) = work::play(app, &mut script, &stage).await?;
            ends.execution = Some(execution);
            crew
        };
        if !self.exit {
            story::what_next(&mut script, &stage, &ends)?;
            let _ = tokio::signal::ctrl_c().await;
        }
        #[cfg(unix)]
        crew.dismiss().await;
        stage.strike().await?;
        if self.exit {
            script.note("ended, and its directory is gone: run it without --exit to look around");
        }
        Ok(())
    }
}
