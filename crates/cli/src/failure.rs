//! How a command fails: what happened, where, what to do next, and a stable exit code.

use std::{fmt, process::ExitCode};

use countersign_api::ClientError;

/// The exit codes. They are stable: scripts act on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was refused, or it failed.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Nobody is signed in, or no longer.
    NotSignedIn = 3,
    /// The server cannot be reached.
    Unreachable = 4,
    /// A person must countersign first.
    ApprovalNeeded = 5,
    /// There is no such thing.
    NotFound = 6,
    /// The evidence is not what the log says.
    Tampered = 7,
    /// `run` did not start the program.
    CannotRun = countersign_agent::CANNOT_RUN as isize,
    /// `run` cannot execute the program.
    NotExecutable = countersign_agent::NOT_EXECUTABLE as isize,
    /// `run` finds no such program.
    NoProgram = countersign_agent::NOT_FOUND as isize,
}

/// The same as text, for `countersign --help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused, or failed
  2  the command line makes no sense
  3  not signed in
  4  the server cannot be reached
  5  a person must countersign first
  6  no such thing
  7  the evidence is not what the log says
`run` ends with its program's own code, and when that was not run with
  125  there is no token for it, or nowhere to put it
  126  it cannot be executed
  127  there is no such program";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened: lower case, no full stop.
    pub what: String,
    /// Where, when that is not plain from the command.
    pub place: Option<String>,
    /// What to do next.
    pub next: Option<String>,
}

impl Failure {
    /// A failure with this code.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            place: None,
            next: None,
        }
    }

    /// Something failed.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// The command line makes no sense.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The same, with where it happened.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// The same, with what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(place) = &self.place {
            write!(f, "\n  at: {place}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {next}")?;
        }
        Ok(())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        let exit = match &error {
            ClientError::NotAServer => Exit::Usage,
            ClientError::Unreachable { .. } => Exit::Unreachable,
            _ => match (error.status(), code(&error)) {
                (_, Some("approval_required" | "authorization_pending" | "approval_pending")) => {
                    Exit::ApprovalNeeded
                }
                // A client that proved nothing is refused; nobody had to be signed in for it.
                (_, Some("invalid_client")) => Exit::Failed,
                (Some(401), _) => Exit::NotSignedIn,
                (Some(404), _) => Exit::NotFound,
                _ => Exit::Failed,
            },
        };
        let failure = Self::new(exit, what);
        match hint(&error) {
            Some(next) => failure.next(next),
            None if exit == Exit::NotSignedIn => failure.next(sign_in()),
            None => failure,
        }
    }
}

/// The finest stable code that the error has.
fn code(error: &ClientError) -> Option<&str> {
    match error {
        ClientError::Oauth { error, .. } if error.error != "invalid_request" => Some(&error.error),
        _ => error.reason_code(),
    }
}

/// What to do next, by what was refused.
fn hint(error: &ClientError) -> Option<String> {
    let next = match error {
        ClientError::Unreachable { .. } => "is it running there? `countersign serve --data DIR` starts one; \
            `--server URL` or COUNTERSIGN_SERVER names another"
            .to_owned(),
        ClientError::Unexpected { .. } => "is that the base URL of a Countersign server of this version?".to_owned(),
        ClientError::Problem { retry_after: Some(seconds), .. } => format!("try again in {seconds} s"),
        ClientError::Problem { problem, .. } if problem.approval_would_unlock => {
            "a person can unlock it: `countersign approval list` shows what waits".to_owned()
        }
        ClientError::Oauth { error, .. } if error.approval.is_some() => {
            "ask for it with `countersign token issue .. --wait`, or POST /api/approvals with the run's token".to_owned()
        }
        ClientError::Problem { problem, .. } if problem.reason_code == "not_found" => {
            by_noun(&problem.detail)?
        }
        ClientError::Oauth { error, .. }
            if error.error == "invalid_client"
                && error.reason_code.as_deref().is_some_and(|reason| reason.starts_with("identity_")) =>
        {
            "whoever answers for it decides: `countersign identity show NAME` says who that is".to_owned()
        }
        _ => match code(error)? {
            "presence_too_old" | "token_expired" | "token_revoked" | "unauthenticated" => sign_in().to_owned(),
            code => by_code(code)?.to_owned(),
        },
    };
    Some(next)
}

/// Where the names are of what there is none of.
fn by_noun(detail: &str) -> Option<String> {
    if detail.starts_with("nothing is on record") {
        return Some("`countersign audit search` shows what is on record".to_owned());
    }
    let missing = detail.strip_prefix("there is no ")?;
    if missing.starts_with("credential") {
        return Some(
            "`countersign credential list IDENTITY` shows those of an identity".to_owned(),
        );
    }
    if missing.starts_with("token") {
        return Some(
            "`countersign audit search --kind token_issued` shows what was issued".to_owned(),
        );
    }
    if missing.starts_with("action")
        && (missing.contains(" in project ") || missing.ends_with("any more"))
    {
        return Some("`countersign pack show NAME` shows the actions of a pack".to_owned());
    }
    let noun = LISTED.iter().find(|noun| missing.starts_with(**noun))?;
    let noun = noun.replace(' ', "-");
    Some(format!(
        "`countersign {noun} list` shows those that you may see"
    ))
}

/// The nouns whose records are listed by themselves.
const LISTED: [&str; 16] = [
    "action",
    "approval",
    "audience",
    "environment",
    "execution",
    "identity",
    "issuer",
    "key",
    "linked account",
    "pack",
    "policy",
    "project",
    "rule",
    "scope",
    "team",
    "user",
];

/// What to do for who is not signed in, or no longer.
pub const SIGN_IN: &str = "sign in: `countersign login --server URL`, or the first time with `--code CODE` \
    (a code comes from `countersign admin enrol EMAIL --data DIR`)";

/// What to do for who was not let in: the variable stands over every sign-in, so that another one would not help.
fn sign_in() -> &'static str {
    let given = std::env::var_os(TOKEN_VARIABLE).is_some_and(|token| !token.is_empty());
    if given { OTHER_TOKEN } else { SIGN_IN }
}

/// The variable whose token stands over that of the sign-in.
pub const TOKEN_VARIABLE: &str = "COUNTERSIGN_TOKEN";

/// What to do for who was not let in with the variable's token.
const OTHER_TOKEN: &str = "COUNTERSIGN_TOKEN is set, and what it holds is not good at this server: unset it to use your sign-in, \
    or put there what `countersign auth token` prints";

fn by_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "authorization_pending" => {
            "somebody must decide: `countersign approval list`; then ask again"
        }
        "conflict" => "somebody changed it meanwhile; look at it and try again",
        "digest_mismatch" => {
            "read it again with `countersign approval show ID` and decide on what you read"
        }
        "forbidden" | "not_held" => {
            "`countersign auth whoami` says who you are; ask an owner of the project"
        }
        "last_one_leaving" => {
            "`countersign user update EMAIL --role owner`, `project update NAME --member USER=owner` or \
             `identity update NAME --manager USER` names somebody"
        }
        "name_taken" => "names are never given out again; choose another one",
        "invalid_client" => {
            "check the client id and the secret; `countersign credential list IDENTITY` shows what is live"
        }
        "run_not_trusted" => {
            "`countersign trust test FILE --identity NAME` explains it claim by claim"
        }
        "self_approval" => "somebody else must decide; `countersign approval show ID` says who may",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use countersign_api::{Problem, tokens::OauthError};

    use super::*;

    fn refused(code: &str, status: u16, detail: &str) -> Failure {
        ClientError::Problem {
            problem: Box::new(Problem::new(code, status, detail)),
            retry_after: None,
        }
        .into()
    }

    #[test]
    fn an_error_says_what_happened_and_what_to_do_next() {
        let failure = refused("self_approval", 403, "who asked for it cannot approve it");
        assert_eq!(
            failure.to_string(),
            "who asked for it cannot approve it\n  next: somebody else must decide; \
             `countersign approval show ID` says who may"
        );
        assert_eq!(failure.exit, Exit::Failed);
        let missing = |detail| refused("not_found", 404, detail).next;
        assert_eq!(
            missing("there is no linked account `x`").as_deref(),
            Some("`countersign linked-account list` shows those that you may see")
        );
        assert_eq!(
            missing("there is no action `ops.x` in project `ops`: apply its pack").as_deref(),
            Some("`countersign pack show NAME` shows the actions of a pack")
        );
        assert_eq!(
            missing("there is no execution 0199").as_deref(),
            Some("`countersign execution list` shows those that you may see")
        );
        assert_eq!(missing("there is no such page"), None);
    }

    #[test]
    fn exit_codes_follow_what_happened() {
        assert_eq!(
            refused("unauthenticated", 401, "no token").exit,
            Exit::NotSignedIn
        );
        assert_eq!(
            refused("not_found", 404, "no such identity").exit,
            Exit::NotFound
        );
        let needed = OauthError {
            error: "approval_required".into(),
            error_description: Some("a person must countersign deploy.release".into()),
            reason_code: Some("approval_required".into()),
            approval: None,
            interval: None,
        };
        let failure: Failure = ClientError::Oauth {
            status: 400,
            error: Box::new(needed),
        }
        .into();
        assert_eq!(failure.exit, Exit::ApprovalNeeded);
        assert_eq!(failure.what, "a person must countersign deploy.release");
        assert_eq!(Failure::from(ClientError::NotAServer).exit, Exit::Usage);
    }
}
