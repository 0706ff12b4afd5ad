//! `cargo xtask bench`: the figures of `docs/benchmarks.md`.
//!
//! The generator and, as its child, the server: both of this program, so that the processor time of
//! the server is read from the system and never mixed with that of the generator.

mod automation;
mod baseline;
mod closure;
mod load;
mod options;
mod process;
mod report;
mod run;
mod soak;
mod stages;
mod workers;
mod world;

use clap::Parser as _;

use crate::options::Options;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match &options.serve {
        Some(what) => runtime.block_on(baseline::serve(*what, &options)),
        None => match options.soak {
            Some(count) => run::soak(&options, &runtime, count),
            None => run::run(&options, &runtime),
        },
    }
}
