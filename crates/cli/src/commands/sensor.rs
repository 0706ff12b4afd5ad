//! `sensor`: creates the events of timers and intervals.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use countersign_agent::{SensorError, SensorTokens, Surroundings};
use countersign_api::Client;
use countersign_crypto::digest::sha256;
use countersign_guard::SystemClock;
use countersign_model::name::ActionName;

use crate::{app::App, commands::run::prefix, failure::Failure, view};

/// Create the events of timers and intervals, with a token that renews itself
///
/// A sensor reads the rules of its trigger types every fifteen seconds and
/// creates an event at each of their times. Two sensors, or one that was started
/// again, create the same event once. Of times that were missed, the latest that
/// is no older than five minutes is made up for.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Sensor {
    /// The trigger type that it looks after: core.timer or core.interval; once for
    /// each, or with commas
    #[arg(
        long = "sensor-ref",
        value_name = "TRIGGER",
        value_delimiter = ',',
        required = true
    )]
    triggers: Vec<ActionName>,
    /// Where its newest token is kept, for itself alone; without it, in the
    /// directory of the command line's own state
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// What the names of its variables begin with: PREFIX_API_TOKEN, PREFIX_API_URL
    #[arg(long, value_name = "PREFIX", default_value = "COUNTERSIGN", value_parser = prefix)]
    prefix: String,
}

const EXAMPLES: &str = "\
Examples:
  countersign service-account create sensor:core.timer --scope sensor \\
    --trigger-type core.timer -o json > sensor.json && chmod 600 sensor.json
  countersign sensor --sensor-ref core.timer --token-file sensor.json
  ATTUNE_API_TOKEN=sensor_.. countersign sensor --prefix ATTUNE \\
    --sensor-ref core.timer

The token of COUNTERSIGN_API_TOKEN is only the first one: at 80 % of its life it is
renewed, and the file has the newest, so that a restart goes on with that. Each
sensor that runs has a token of its own: one that two renew is taken for stolen.
The server is --server, else COUNTERSIGN_API_URL, else that of the last sign-in.";

impl Sensor {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let around = Surroundings::of_process();
        let file = self
            .token_file
            .clone()
            .map_or_else(|| self.own_file(app, &around), Ok)?;
        let tokens = SensorTokens::find(&around, &self.prefix, file)
            .map_err(|error| Failure::failed(error.to_string()).next(MAKE_ONE))?;
        let server = self.server(app, &around);
        let out = app.out;
        let types: Vec<&str> = self.triggers.iter().map(ActionName::as_str).collect();
        out.talk(&format!(
            "looking after {} at {server}; the token ends at {}",
            types.join(" and "),
            tokens.ends()
        ));
        let sensor = countersign_agent::Sensor::new(
            Client::new(&server, None)?,
            tokens,
            self.triggers,
            Arc::new(SystemClock::new()),
            Arc::new(move |line: &str| out.talk(&view::plain(line))),
        );
        let sensor = sensor.map_err(not_begun)?;
        sensor.run().await.map_err(not_begun)
    }

    /// The server: what was named, else what the sensor's own variable says.
    fn server(&self, app: &App, around: &Surroundings) -> String {
        let url = around.variable(&format!("{}_API_URL", self.prefix));
        let url = url.filter(|_| !app.names_server());
        match url {
            Some(url) => {
                let url = url.trim_end_matches('/');
                url.strip_suffix("/api").unwrap_or(url).to_owned()
            }
            None => app.base(),
        }
    }

    /// A file of the command line's own state. The first token names it, so that two sensors have two, and one that is given
    /// another token begins anew.
    fn own_file(&self, app: &App, around: &Surroundings) -> Result<PathBuf, Failure> {
        let variable = format!("{}_API_TOKEN", self.prefix);
        let given = around.variable(&variable).ok_or_else(|| {
            Failure::failed(format!(
                "there is no token for this sensor: no {variable}, and no --token-file"
            ))
            .next(MAKE_ONE)
        })?;
        let name = hex::encode(sha256(given.trim().as_bytes()));
        app.home().sensor_token(name.get(..16).unwrap_or(&name))
    }
}

const MAKE_ONE: &str = "make one: `countersign service-account create sensor:core.timer --scope sensor --trigger-type core.timer`";

fn not_begun(error: SensorError) -> Failure {
    match error {
        SensorError::NotBuiltIn(_) => Failure::usage(error.to_string())
            .next("a sensor of your own reads `GET /api/rules` and posts to `/api/events`"),
        SensorError::Signals(_) => Failure::failed(error.to_string()),
    }
}
