//! A connection that comes back: the caller never waits for a server that is away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{connection::Connection, settings::Settings};
use crate::error::StoreError;

/// A thread's connection, or the time until it may try again.
pub(crate) struct Line {
    settings: Arc<Settings>,
    connection: Option<Connection>,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Line {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            connection: None,
            pause: FIRST_PAUSE,
            not_before: None,
        }
    }

    /// A connection that works as far as is known. While the server is away: an error, at once.
    pub(crate) fn get(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.as_ref().is_some_and(Connection::is_broken) {
            self.connection = None;
        }
        if self.connection.is_none() {
            self.connection = Some(self.connect()?);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| StoreError::Fault("no connection".to_owned()))
    }

    /// Whether the connection that was used is of no more use.
    pub(crate) fn is_broken(&self) -> bool {
        self.connection.as_ref().is_none_or(Connection::is_broken)
    }

    /// Gives the connection up: its state is unknown.
    pub(crate) fn drop_connection(&mut self) {
        self.connection = None;
    }

    fn connect(&mut self) -> Result<Connection, StoreError> {
        let now = Instant::now();
        if self.not_before.is_some_and(|at| now < at) {
            return Err(StoreError::Unavailable(
                "the connection to PostgreSQL was lost and is being made again".to_owned(),
            ));
        }
        match self.settings.connect() {
            Ok(connection) => {
                self.pause = FIRST_PAUSE;
                self.not_before = None;
                Ok(connection)
            }
            Err(error) => {
                self.not_before = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Err(error)
            }
        }
    }
}

/// The first attempts are close together: a restart takes a second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// So that recovery is noticed within a second.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
