//! What every command has: where to write, the state, and the way to the server.

use std::cell::{RefCell, RefMut};

use countersign_api::{Client, client::Changed};
use serde::Serialize;

use crate::{
    cli::Options,
    failure::{Exit, Failure, TOKEN_VARIABLE},
    home::Home,
    out::{Format, Out},
    signed_in, view,
};

/// The server that is assumed before any sign-in: the one that `countersign serve` starts.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8400";

/// What every command has.
pub struct App {
    /// Where to write.
    pub out: Out,
    home: RefCell<Home>,
    options: Options,
}

impl App {
    /// Opens the state.
    pub fn new(options: Options) -> Result<Self, Failure> {
        Ok(Self {
            out: Out::new(options.output),
            home: RefCell::new(Home::open()?),
            options,
        })
    }

    /// The state.
    pub fn home(&self) -> RefMut<'_, Home> {
        self.home.borrow_mut()
    }

    /// The server's base URL: the one that was named, else that of the last sign-in.
    pub fn base(&self) -> String {
        let current = || self.home.borrow().current().map(str::to_owned);
        let base = self.options.server.clone().or_else(current);
        base.as_deref()
            .unwrap_or(DEFAULT_SERVER)
            .trim_end_matches('/')
            .to_owned()
    }

    /// Whether the server was named, by an argument or a variable.
    pub const fn names_server(&self) -> bool {
        self.options.server.is_some()
    }

    /// A client without a token, for what takes none or another one.
    pub fn anonymous(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.base(), None)?)
    }

    /// The user's token: that of the environment, else the one of the sign-in.
    pub fn token(&self) -> Result<String, Failure> {
        if let Some(token) = std::env::var(TOKEN_VARIABLE)
            .ok()
            .filter(|token| !token.is_empty())
        {
            return Ok(token.trim().to_owned());
        }
        let base = self.base();
        let token = signed_in::token(&mut self.home.borrow_mut(), &base);
        match token {
            // Nobody is signed in where there is no server: a wrong port shall not send anybody to sign in.
            Err(failure) if failure.exit == Exit::NotSignedIn && self.names_server() => {
                signed_in::is_there(&base)?;
                Err(failure)
            }
            token => token,
        }
    }

    /// The sign-in, for what outlives one token of it.
    pub fn sign_in(&self) -> signed_in::Kept {
        signed_in::Kept::new(self.base())
    }

    /// A client with the user's token.
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.base(), Some(self.token()?))?)
    }

    /// Shows what a change came to: the record, or the request that waits for a second person.
    pub fn changed<T: Serialize>(&self, changed: &Changed<T>, done: &str) -> Result<(), Failure> {
        match changed {
            Changed::Done(record) => {
                self.out.talk(done);
                self.out.data(record, |json| {
                    let pending = &json["pending_sponsor"]["party"];
                    if !pending.is_null() {
                        self.out.talk(&format!(
                            "{} is asked to answer for it: `countersign identity accept {}`, or decline",
                            view::cell(pending),
                            view::cell(&json["name"])
                        ));
                    }
                    for warning in json["warnings"].as_array().into_iter().flatten() {
                        self.out.warn(&view::cell(warning));
                    }
                    view::details(json)
                })
            }
            Changed::Waits(approval) => {
                if self.out.format() != Format::Table {
                    self.out.data(approval, view::details)?;
                }
                let what = format!(
                    "nothing is changed yet: a second person must countersign approval {}",
                    approval.id
                );
                let next = format!(
                    "somebody who may decide runs `countersign approval approve {}`",
                    approval.id
                );
                Err(Failure::new(Exit::ApprovalNeeded, what).next(next))
            }
        }
    }

    /// A key that makes the repetition of a request harmless.
    pub fn idempotency_key(&self) -> String {
        hex::encode(countersign_crypto::random::bytes::<16>())
    }
}
