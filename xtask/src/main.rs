//! The commands behind `make`: `cargo xtask <command>`. Standard library only.

mod bench;
mod browser;
mod cargo_deny;
mod clients;
mod console;
mod demo;
mod guardian;
mod network;
mod node;
mod packages;
mod postgres;
mod process;
mod python;
mod rabbitmq;
mod report;
mod source;
mod test;
mod tidy;
mod toolchain;

use std::env;
use std::process::ExitCode;

use crate::process::Failure;

const HELP: &str = "\
usage: cargo xtask <command>

  demo [--release] [ARGS]     build the program and play its main story; ARGS go to `countersign demo`
  test [STEP]                 everything continuous integration checks, or only the steps named
       --keep-going           also what comes after a step that failed
       --allow-skips          do not fail for a step whose tool could not be installed
  ci                          the same as test
  bench [ARGS]                build for release and measure; ARGS go to the bench program
  fmt                         format the Rust sources
  lint                        clippy, rustdoc and tidy
  postgres                    a PostgreSQL server as the tests have it, until Ctrl-C
  rabbitmq                    a RabbitMQ server as the tests have it, until Ctrl-C
  tidy                        the rules that no compiler knows";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match command.as_str() {
        "bench" => bench::run(&rest),
        "ci" | "test" => test::run(&rest),
        "demo" => demo::run(&rest),
        "fmt" => toolchain::check().and_then(|_| process::cargo(&["fmt", "--all"]).run()),
        "lint" => test::lint(),
        "postgres" => postgres::serve(),
        "rabbitmq" => rabbitmq::serve(),
        "tidy" => tidy::run().map(|summary| println!("{summary}")),
        "" | "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(Failure::new(format!(
            "`{other}` is not a command\n\n{HELP}"
        ))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
