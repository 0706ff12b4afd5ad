//! `serve`: the server.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use countersign_server::{
    clock::Clock,
    config::{self, Config},
    key_file::KeyFileError,
    serve::{ServeOptions, serve},
};

use super::worker::warn_of_password;
use crate::{app::App, failure::Failure, input::pair};

/// Run the server, on SQLite in a data directory or on PostgreSQL
///
/// Flags stand over the environment (COUNTERSIGN_SECTION__KEY), which stands over the file.
/// `countersign config reference` lists every key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  countersign serve --data ./data\n  \
    countersign serve --config countersign.toml --listen 0.0.0.0:8400 \\\n    \
    --issuer https://id.example.com --behind-proxy")]
pub struct Serve {
    #[command(flatten)]
    place: Place,
    /// The address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// A proxy that terminates TLS stands before it
    #[arg(long)]
    behind_proxy: bool,
    /// The certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The URL of a RabbitMQ that is told of executions; with a password, better
    /// in COUNTERSIGN_AUTOMATION__BROKER
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Any other key of the configuration; once for each
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

/// Where a server's data is, for every command that touches it.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The URL of a PostgreSQL database, instead of SQLite in the data directory
    #[arg(long, value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// The configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The issuer, as tokens carry it
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

impl Place {
    /// The configuration: file, environment, then these flags and further ones.
    pub fn load(&self, further: &[(&str, String)]) -> Result<Config, Failure> {
        let path = |path: &PathBuf| path.display().to_string();
        let mut flags: Vec<(&str, String)> = Vec::new();
        flags.extend(self.data.as_ref().map(|data| ("data.dir", path(data))));
        flags.extend(self.database.clone().map(|url| ("data.database", url)));
        flags.extend(self.issuer.clone().map(|issuer| ("server.issuer", issuer)));
        flags.extend(further.iter().cloned());
        config::load(self.config.as_deref(), std::env::vars(), &flags).map_err(|error| {
            Failure::failed(error.to_string())
                .next("`countersign config reference` lists every key")
        })
    }
}

impl Serve {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        if let Some(url) = &self.broker {
            warn_of_password(app, url, "COUNTERSIGN_AUTOMATION__BROKER");
        }
        let config = self.place.load(&self.flags())?;
        let options = ServeOptions {
            config,
            clock: Clock::system(),
        };
        serve(options).await.map_err(|error| {
            let no_file = matches!(error.downcast_ref(), Some(KeyFileError::Unreadable { .. }));
            let failure = Failure::from(error);
            if no_file {
                failure
                    .next("`--data DIR` names the data directory: one that this user may write to")
            } else {
                failure
            }
        })
    }

    fn flags(&self) -> Vec<(&str, String)> {
        let path = |path: &PathBuf| path.display().to_string();
        let mut flags: Vec<(&str, String)> = self
            .set
            .iter()
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect();
        flags.extend(
            self.listen
                .map(|listen| ("server.listen", listen.to_string())),
        );
        flags.extend(self.broker.clone().map(|url| ("automation.broker", url)));
        flags.extend(
            self.behind_proxy
                .then(|| ("server.behind_proxy", "true".to_owned())),
        );
        flags.extend(
            self.tls_cert
                .as_ref()
                .map(|file| ("server.tls.cert", path(file))),
        );
        flags.extend(
            self.tls_key
                .as_ref()
                .map(|file| ("server.tls.key", path(file))),
        );
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_is_no_key_is_named() {
        let place = Place {
            data: None,
            database: None,
            config: None,
            issuer: None,
        };
        let failure = place.load(&[("server.listn", "x".into())]).unwrap_err();
        assert!(failure.what.contains("server.listn"), "{failure}");
        let config = place
            .load(&[
                ("server.listen", "127.0.0.1:0".into()),
                ("data.dir", "d".into()),
            ])
            .unwrap();
        assert_eq!(config.data_directory(), PathBuf::from("d"));
    }
}
