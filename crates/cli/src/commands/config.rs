//! `config`: the server's configuration, before anything starts.

use std::path::PathBuf;

use clap::Subcommand;
use countersign_server::config::{
    self,
    check::{Finding, Level},
};

use crate::{app::App, failure::Failure};

/// The server's configuration
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Check a configuration file together with the environment
    #[command(after_help = "Example:\n  countersign config check countersign.toml")]
    Check {
        /// The file; without it, the environment and the defaults alone
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The file, said as `serve` takes it
        #[arg(long, value_name = "FILE", conflicts_with = "file")]
        config: Option<PathBuf>,
    },
    /// Print every key, what it is for and its default, as Markdown
    #[command(after_help = "Example:\n  countersign config reference")]
    Reference,
}

impl Config {
    pub fn run(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Check { file, config } => {
                let file = file.or(config);
                let loaded = config::load(file.as_deref(), std::env::vars(), &[])
                    .map_err(|error| Failure::failed(error.to_string()))?;
                let findings = config::check::check(&loaded);
                for finding in &findings {
                    app.out.text(&finding.to_string());
                }
                verdict(&findings)?;
                app.out.talk("the server starts with this configuration");
                Ok(())
            }
            Self::Reference => {
                app.out.text(&config::reference::markdown());
                Ok(())
            }
        }
    }
}

/// Fails when the server would refuse to start.
pub fn verdict(findings: &[Finding]) -> Result<(), Failure> {
    let errors = findings
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .count();
    match errors {
        0 => Ok(()),
        1 => Err(Failure::failed(
            "the server refuses to start with this configuration: 1 error",
        )),
        _ => Err(Failure::failed(format!(
            "the server refuses to start with this configuration: {errors} errors"
        ))),
    }
}
