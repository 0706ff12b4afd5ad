//! The command line's own state: which servers it knows, with token and pinned log key.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use countersign_api::{Time, log::LogKey};
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    files::{self, Access},
};

/// The directory of the state, and what it holds.
#[derive(Debug)]
pub struct Home {
    directory: PathBuf,
    state: State,
}

/// What is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The server of the last sign-in.
    #[serde(default)]
    current: Option<String>,
    /// Every server, by base URL.
    #[serde(default)]
    servers: BTreeMap<String, Server>,
}

/// What is remembered of one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// The user's token, until they sign out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When it dies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// What gives the next one, for a sign-in that lasts. Good once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Who signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The tenant's issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The log's key, pinned at the first sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_key: Option<LogKey>,
}

const FILE: &str = "servers.json";

/// Held while the state is changed: two commands at once must not use one refresh token.
const LOCK: &str = "servers.lock";

impl State {
    fn read(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join(FILE);
        let Some(text) = files::read_if_there(&path)? else {
            return Ok(Self::default());
        };
        serde_json::from_str(&text).map_err(|error| {
            Failure::failed(format!(
                "the state of the command line cannot be read: {error}"
            ))
            .at(path.display().to_string())
            .next("remove that file and sign in again")
        })
    }
}

impl Server {
    /// Forgets the sign-in.
    pub fn forget(&mut self) {
        self.token = None;
        self.refresh_token = None;
        self.expires_at = None;
        self.user = None;
    }
}

impl Home {
    /// Opens `COUNTERSIGN_HOME`, or the user's configuration directory.
    pub fn open() -> Result<Self, Failure> {
        Self::open_at(directory()?)
    }

    /// Opens the state in this directory, which need not exist.
    pub fn open_at(directory: PathBuf) -> Result<Self, Failure> {
        let state = State::read(&directory)?;
        Ok(Self { directory, state })
    }

    /// The server of the last sign-in.
    pub fn current(&self) -> Option<&str> {
        self.state.current.as_deref()
    }

    /// What is known of a server.
    pub fn server(&self, base: &str) -> Option<&Server> {
        self.state.servers.get(base)
    }

    /// The pinned log keys, with the server of each.
    pub fn log_keys(&self) -> impl Iterator<Item = (&str, &LogKey)> {
        self.state
            .servers
            .iter()
            .filter_map(|(base, server)| Some((base.as_str(), server.log_key.as_ref()?)))
    }

    /// Remembers a server, as the current one.
    pub fn remember(&mut self, base: &str, server: Server) -> Result<(), Failure> {
        self.change(|state| {
            state.current = Some(base.to_owned());
            state.servers.insert(base.to_owned(), server);
            Ok(())
        })
    }

    /// Makes sure that a sign-in can be kept, by writing what there is: a code is good once, and what it gives would be lost.
    pub fn make_ready(&mut self) -> Result<(), Failure> {
        self.change(|_| Ok(())).map_err(|failure| match failure.next {
            Some(_) => failure,
            None => failure.next(
                "nothing was asked of the server, and a code is still good: set COUNTERSIGN_HOME to a directory that you may write to, and try again",
            ),
        })
    }

    /// Changes what is remembered of a server while no other command can: what they changed meanwhile is read first.
    pub fn change_server(
        &mut self,
        base: &str,
        change: impl FnOnce(&mut Server) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.change(|state| match state.servers.get_mut(base) {
            Some(server) => change(server),
            None => Ok(()),
        })
    }

    /// Forgets a server's token; the pinned log key stays.
    pub fn forget_token(&mut self, base: &str) -> Result<(), Failure> {
        self.change_server(base, |server| {
            server.forget();
            Ok(())
        })
    }

    /// Where the newest checkpoints that `log watch` saw are kept.
    pub fn checkpoints(&self) -> PathBuf {
        self.directory.join("checkpoints")
    }

    /// Changes the state under the lock. What was changed is written also when the change fails: it may have used something up.
    fn change(
        &mut self,
        change: impl FnOnce(&mut State) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let lock = files::lock(&self.directory.join(LOCK))?;
        self.state = State::read(&self.directory)?;
        let changed = change(&mut self.state);
        self.save()?;
        drop(lock);
        changed
    }

    /// Where a sensor keeps its newest token, in a directory that is there.
    pub fn sensor_token(&self, name: &str) -> Result<PathBuf, Failure> {
        let directory = self.directory.join("sensors");
        files::make_directory(&directory, Access::Private)?;
        Ok(directory.join(name))
    }

    fn save(&self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&self.state).map_err(|error| {
            Failure::failed(format!(
                "cannot write the state of the command line: {error}"
            ))
        })?;
        files::write(&self.directory.join(FILE), text.as_bytes(), Access::Private)
    }
}

fn directory() -> Result<PathBuf, Failure> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let by_platform = || {
        if cfg!(target_os = "macos") {
            return set("HOME").map(|home| home.join("Library/Application Support"));
        }
        set("XDG_CONFIG_HOME")
            .or_else(|| set("APPDATA"))
            .or_else(|| set("HOME").map(|home| home.join(".config")))
    };
    set("COUNTERSIGN_HOME")
        .or_else(|| by_platform().map(|base| base.join("countersign")))
        .ok_or_else(|| {
            Failure::failed("there is no directory for the state of the command line")
                .next("set COUNTERSIGN_HOME to one")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_out_keeps_the_pinned_key() {
        let directory = tempfile::tempdir().unwrap();
        let mut home = Home::open_at(directory.path().join("state")).unwrap();
        let key = LogKey {
            origin: "id.example/log".into(),
            verifier_key: "id.example/log+1+A".into(),
        };
        let server = Server {
            token: Some("t".into()),
            log_key: Some(key.clone()),
            ..Server::default()
        };
        home.remember("https://id.example", server).unwrap();
        home.forget_token("https://id.example").unwrap();

        let again = Home::open_at(directory.path().join("state")).unwrap();
        assert_eq!(again.current(), Some("https://id.example"));
        let server = again.server("https://id.example").unwrap();
        assert_eq!((&server.token, &server.log_key), (&None, &Some(key)));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_token() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let mut home = Home::open_at(directory.path().join("state")).unwrap();
        home.remember("https://id.example", Server::default())
            .unwrap();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(directory.path().join("state").join(FILE)), 0o600);
        assert_eq!(mode(directory.path().join("state")), 0o700);
    }
}
