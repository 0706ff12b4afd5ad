//! What runs beside a program: it finds out who the program is, gets tokens and renews them, and runs it.
//!
//! A CI job, a pod or a workload has an identity that its platform vouches for: [`Ambient`] finds it. A
//! [`TokenSource`] turns that, or a stored credential, into tokens of Countersign. [`Runner`] starts a
//! program with such a token, renews it at 80 % of its life, passes signals and the exit code on, and revokes what it
//! got when the program ends. [`Worker`] takes executions and runs each as a process; [`Sensor`] creates the events of
//! timers.
//!
//! The wall: this crate reaches Countersign by its API alone. It links no SQL and no server.

mod ambient;
mod backoff;
mod credential;
mod handover;
mod issuer;
mod keeping;
mod run;
mod sensor;
mod signals;
mod source;
mod surroundings;
#[cfg(unix)]
mod worker;

pub use ambient::{Ambient, AmbientError, Platform};
pub use credential::{Credential, CredentialError};
pub use handover::{Handover, HandoverError};
pub use issuer::{IssuerError, issuer_of};
pub use run::{CANNOT_RUN, Ended, NOT_EXECUTABLE, NOT_FOUND, RunError, Runner, Say};
pub use sensor::{BUILT_IN, Sensor, SensorError, SensorTokenError, SensorTokens};
pub use source::{Proof, SignIn, SignInError, SourceError, Token, TokenSource, Wanted};
pub use surroundings::Surroundings;
#[cfg(unix)]
pub use worker::{MOST_AT_ONCE, Worker, WorkerError};
