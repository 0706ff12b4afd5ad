//! `worker`: runs the actions that are due.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use countersign_agent::{
    MOST_AT_ONCE, Proof, SourceError, Surroundings, TokenSource, Wanted, WorkerError,
};
use countersign_guard::SystemClock;

use countersign_api::queue::{Broker, InvalidBroker};

use crate::{
    app::App,
    commands::run::{self, ambient, issuer, prefix},
    failure::Failure,
    view,
};

/// Take the actions that are due, and run each as a process with a token of its own
///
/// A worker is an identity that may take executions of its own project. Each
/// execution has a directory, an environment and a token of its own, and is
/// stopped at its time-out with everything that it started. It runs as the user
/// that the worker runs as: that is no sandbox. At the first TERM or INT the worker takes no
/// more and waits for what runs; the second ends that, too.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Worker {
    /// The identity that the worker is: its name, client id or id
    #[arg(
        long,
        visible_alias = "client-id",
        value_name = "IDENTITY",
        env = "COUNTERSIGN_IDENTITY"
    )]
    identity: Option<String>,
    /// The file with its client secret, which nobody else may read
    #[arg(long, value_name = "FILE")]
    credential: Option<PathBuf>,
    /// The URL of the RabbitMQ that executions come from; without it the server
    /// is asked for them
    #[arg(
        long,
        value_name = "URL",
        env = BROKER,
        hide_env_values = true
    )]
    broker: Option<String>,
    /// The network to the RabbitMQ is private: `amqp://`, which sends the password
    /// in the clear, is allowed beyond loopback
    #[arg(long, requires = "broker")]
    broker_private_network: bool,
    /// How many executions at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_AT_ONCE)))]
    concurrency: u32,
    /// What the names of an action's variables begin with
    #[arg(long, value_name = "PREFIX", default_value = "COUNTERSIGN", value_parser = prefix)]
    prefix: String,
    /// Where the directories of executions are made; without it, in one of its
    /// own among the system's temporary files
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  countersign worker --credential worker.json
  countersign worker --identity billing-worker --concurrency 8 --prefix ATTUNE
  COUNTERSIGN_BROKER=amqps://worker:PASSWORD@rabbit.example.com/%2f \\
    countersign worker --credential worker.json

An action finds COUNTERSIGN_API_URL, COUNTERSIGN_API_TOKEN and
COUNTERSIGN_EXECUTION_ID, its parameters as JSON on standard input and, those that
are texts, numbers or booleans, in COUNTERSIGN_PARAM_NAME. Nothing else of the
worker's environment but PATH and LANG. Who the worker is, it finds out as
`countersign run` does; a person's sign-in is none.";

impl Worker {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let around = Surroundings::of_process();
        let identity = self.identity.as_deref();
        let proof = run::proof(app, &around, identity, self.credential.as_deref(), None)?;
        match proof {
            Proof::Person(_) => {
                return Err(Failure::failed(
                    "a worker is no person: it wants an identity of its own",
                )
                .next("give --credential FILE, or run it where its platform vouches for it"));
            }
            Proof::Ambient(_) if identity.is_none() => {
                return Err(Failure::failed("which identity is this worker?")
                    .next("name it with --identity, or COUNTERSIGN_IDENTITY"));
            }
            Proof::Ambient(_) | Proof::Credential(_) => {}
        }
        let broker = self.broker(app)?;
        let wanted = Wanted {
            identity: self.identity,
            countersign_itself: true,
            ..Wanted::default()
        };
        let (out, clock) = (app.out, Arc::new(SystemClock::new()));
        let worker = countersign_agent::Worker {
            source: TokenSource::new(app.anonymous()?, proof, wanted, Arc::clone(&clock) as _),
            broker,
            concurrency: self.concurrency,
            prefix: self.prefix,
            directory: self.dir,
            surroundings: around,
            clock,
            say: Arc::new(move |line: &str| out.talk(&view::plain(line))),
        };
        worker.run().await.map_err(not_begun)
    }
}

impl Worker {
    fn broker(&self, app: &App) -> Result<Option<Broker>, Failure> {
        let Some(url) = &self.broker else {
            return Ok(None);
        };
        warn_of_password(app, url, BROKER);
        Broker::parse(url, self.broker_private_network)
            .map(Some)
            .map_err(|invalid| {
                let failure = Failure::failed(format!("--broker: {invalid}"));
                match invalid {
                    InvalidBroker::Plaintext => failure.next("add --broker-private-network"),
                    InvalidBroker::NotAUrl => failure,
                }
            })
    }
}

/// Keeps the broker's password out of the list of processes.
const BROKER: &str = "COUNTERSIGN_BROKER";

/// Says so when a password stands in the arguments, which every account of the machine reads.
pub fn warn_of_password(app: &App, url: &str, variable: &str) {
    if url.contains('@') && std::env::var(variable).ok().as_deref() != Some(url) {
        app.out.talk(&format!(
            "the list of processes shows this broker's password to everybody here: give it as {variable}"
        ));
    }
}

fn not_begun(error: WorkerError) -> Failure {
    match error {
        WorkerError::NoToken(SourceError::Client(error)) => error.into(),
        WorkerError::NoToken(SourceError::Ambient(error)) => ambient(error),
        WorkerError::NoToken(SourceError::Issuer(error)) => issuer(error),
        WorkerError::NoToken(error @ (SourceError::NoIdentity | SourceError::SignIn(_))) => Failure::failed(error.to_string()),
        WorkerError::Refused(_) => Failure::failed(error.to_string())
            .next("allow it `execution.claim`: `countersign identity update NAME --allow execution.claim`"),
        WorkerError::NoQueue(_) => Failure::failed(error.to_string())
            .next("its user needs the permission to read `countersign.executions.PROJECT_ID`"),
        WorkerError::Directory { .. } | WorkerError::Signals(_) => Failure::failed(error.to_string()),
    }
}
