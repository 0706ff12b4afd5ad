//! `reference`: every command as Markdown, from the same tree as the help.

use std::fmt::Write as _;

use clap::{Args, Command, CommandFactory as _};

use crate::{
    app::App,
    cli::Cli,
    failure::{EXIT_CODES, Failure},
};

/// Print the reference of the command line as Markdown
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign reference > cli.md")]
pub struct Reference {}

impl Reference {
    pub fn run(self, app: &App) -> Result<(), Failure> {
        app.out.text(&markdown());
        Ok(())
    }
}

/// The whole reference.
fn markdown() -> String {
    let mut text = String::from(
        "# Command line\n\n<!-- Made by `countersign reference` from the same tree as `--help`. -->\n\n\
         Every command takes `--server URL` and `-o table|json|yaml`.\n\n",
    );
    let _ = writeln!(text, "```text\n{EXIT_CODES}\n```");
    let mut root = Cli::command();
    root.build();
    for command in root.get_subcommands().filter(|command| shown(command)) {
        section(&mut text, command, "countersign");
    }
    text
}

fn shown(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

fn section(text: &mut String, command: &Command, parent: &str) {
    let path = format!("{parent} {}", command.get_name());
    let level = if parent == "countersign" { "##" } else { "###" };
    let about = command.get_long_about().or(command.get_about());
    let _ = write!(
        text,
        "\n{level} {path}\n\n{}\n",
        about.map(ToString::to_string).unwrap_or_default()
    );
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && !argument.is_global_set())
        .filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
        .collect();
    if !arguments.is_empty() {
        text.push_str("\n| argument | what it is |\n|---|---|\n");
    }
    for argument in arguments {
        let name = argument.to_string().replace('|', "\\|");
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let _ = writeln!(text, "| `{name}` | {} |", help.replace('|', "\\|"));
    }
    if let Some(example) = command.get_after_help() {
        let lines = example.to_string();
        let _ = write!(text, "\n```sh\n");
        for line in lines.lines().filter(|line| !line.starts_with("Example")) {
            let _ = writeln!(text, "{}", line.strip_prefix("  ").unwrap_or(line));
        }
        text.push_str("```\n");
    }
    for sub in command.get_subcommands().filter(|command| shown(command)) {
        section(text, sub, &path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_has_every_command_with_its_example() {
        let text = markdown();
        for heading in [
            "## countersign lineage",
            "### countersign approval approve",
            "### countersign token issue",
        ] {
            assert!(text.contains(heading), "{heading}");
        }
        assert!(
            text.contains("```sh\ncountersign lineage commit:8f3c2d1\n"),
            "{text}"
        );
    }

    #[cfg(feature = "server")]
    #[test]
    fn the_published_reference_is_fresh() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
        let published = std::fs::read_to_string(page).unwrap();
        assert!(
            published == markdown(),
            "docs/reference/cli.md is stale: `cargo run -p countersign-cli -- reference > docs/reference/cli.md`"
        );
    }
}
