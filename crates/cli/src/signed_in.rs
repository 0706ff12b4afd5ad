//! The sign-in to a server: its token, refreshed when it is due. Commands that run at the same time take turns, so that one
//! refresh token is used once.

use countersign_agent::{SignIn, SignInError};
use countersign_api::{
    Client, ClientError, Time, device_authorizations::COMMAND_LINE, tokens::TokenRequest,
};
use countersign_crypto::Secret;
use countersign_model::time::Seconds;
use tokio::{runtime::Handle, task::block_in_place};

use crate::{
    clock,
    failure::{Exit, Failure, SIGN_IN, TOKEN_VARIABLE},
    home::{Home, Server},
};

/// How long before its end a token is refreshed: a command that runs for some minutes keeps it to the end.
const AHEAD: Seconds = Seconds(5 * 60);

/// The token of the sign-in to a server, refreshed when it is due.
pub fn token(home: &mut Home, base: &str) -> Result<String, Failure> {
    let Some(server) = home.server(base) else {
        return Err(not_signed_in(base));
    };
    if !due(server) {
        return live(server, base);
    }
    let mut refused = None;
    let refreshed = home.change_server(base, |server| {
        // Another command may have been faster.
        if due(server)
            && let Err(failure) = refresh(server, base)
        {
            refused = Some(failure);
        }
        Ok(())
    });
    refreshed?;
    match (home.server(base), refused) {
        // The server could not be asked, and the token is good for some minutes still.
        (Some(server), Some(failure)) => live(server, base).map_err(|_| failure),
        (Some(server), None) => live(server, base),
        (None, _) => Err(not_signed_in(base)),
    }
}

/// Whether the next token should be fetched.
fn due(server: &Server) -> bool {
    server.refresh_token.is_some()
        && server
            .expires_at
            .is_none_or(|Time(at)| at <= clock::now() + AHEAD)
}

fn live(server: &Server, base: &str) -> Result<String, Failure> {
    let Some(token) = &server.token else {
        return Err(not_signed_in(base));
    };
    match server.expires_at {
        Some(Time(at)) if at <= clock::now() => {
            let what = format!("the sign-in to {base} ended at {at}");
            Err(Failure::new(Exit::NotSignedIn, what).next(SIGN_IN))
        }
        _ => Ok(token.clone()),
    }
}

/// Fails when nothing answers there.
pub fn is_there(base: &str) -> Result<(), Failure> {
    let client = Client::new(base, None)?;
    let answer = block_in_place(|| Handle::current().block_on(client.log_key(&())));
    match answer {
        Err(error @ ClientError::Unreachable { .. }) => Err(error.into()),
        // Whatever answered: what it says to a token is for later.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn not_signed_in(base: &str) -> Failure {
    Failure::new(Exit::NotSignedIn, format!("not signed in to {base}")).next(SIGN_IN)
}

/// Fetches the next token. What the server says no to is over: it is forgotten.
fn refresh(server: &mut Server, base: &str) -> Result<(), Failure> {
    let form = TokenRequest {
        grant_type: "refresh_token".to_owned(),
        client_id: Some(COMMAND_LINE.to_owned()),
        refresh_token: server.refresh_token.clone(),
        ..TokenRequest::default()
    };
    // From before the question, so that a slow answer makes nothing live longer.
    let asked = clock::now();
    let client = Client::new(base, None)?;
    // One request; whoever asks for a token has nothing else to do meanwhile.
    let answer = block_in_place(|| Handle::current().block_on(client.token(&form)));
    match answer {
        Ok(answer) => {
            server.token = Some(answer.access_token);
            server.refresh_token = answer.refresh_token;
            server.expires_at = Some(Time(asked + Seconds(answer.expires_in)));
            Ok(())
        }
        Err(ClientError::Oauth { error, .. }) if error.error == "invalid_grant" => {
            server.forget();
            let what = format!(
                "the sign-in to {base} is over: {}",
                error.error_description.unwrap_or_default()
            );
            Err(Failure::new(Exit::NotSignedIn, what).next(SIGN_IN))
        }
        Err(error) => Err(error.into()),
    }
}

/// The sign-in to a server, for what outlives one token of it.
#[derive(Debug)]
pub struct Kept {
    base: String,
}

impl Kept {
    pub fn new(base: String) -> Self {
        Self { base }
    }
}

impl SignIn for Kept {
    fn token(&self) -> Result<Secret<String>, SignInError> {
        let given = std::env::var(TOKEN_VARIABLE).ok();
        if let Some(token) = given.filter(|token| !token.is_empty()) {
            return Ok(Secret::new(token.trim().to_owned()));
        }
        let token = Home::open().and_then(|mut home| token(&mut home, &self.base));
        token.map(Secret::new).map_err(|failure| SignInError {
            transient: failure.exit == Exit::Unreachable,
            detail: failure.what,
        })
    }
}
