//! The program itself, as people and scripts run it: against a server that is a process of its own.

mod approvals;
#[cfg(unix)]
mod automation;
mod crashes;
mod demo;
mod failures;
mod first_steps;
mod help;
mod identities;
mod keys;
mod log;
mod manifests;
mod output;
mod people;
#[cfg(unix)]
mod queue;
mod redact;
mod restore;
#[cfg(unix)]
mod run;
mod signing_in;
mod tls;
mod world;
