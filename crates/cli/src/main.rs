//! `countersign`: the one binary. It serves, and it is the command line of a server elsewhere.

use std::process::ExitCode;

use clap::Parser as _;

mod app;
mod attached;
mod cli;
mod clock;
mod commands;
mod failure;
mod files;
mod home;
mod input;
mod log_folder;
mod out;
mod prompt;
mod registry;
mod signed_in;
mod token_text;
mod view;

use crate::{app::App, cli::Cli, failure::Failure};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = out::Out::new(cli.options.output);
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            out.failure(&failure);
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let threads = if cli.command.serves() { None } else { Some(1) };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        runtime.worker_threads(threads);
    }
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    let app = App::new(cli.options)?;
    runtime.block_on(cli.command.run(&app))
}
