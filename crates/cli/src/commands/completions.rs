//! `completions`: for the shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{app::App, cli::Cli, failure::Failure};

/// Write the completions of a shell to stdout
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign completions bash > ~/.local/share/bash-completion/completions/countersign"
)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(self, app: &App) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "countersign", &mut script);
        app.out.bytes(&script);
        Ok(())
    }
}
