//! Keeping a token fresh beside the program that uses it.

use std::{sync::Arc, time::Duration};

use countersign_crypto::random;
use countersign_model::Timestamp;
use tokio::sync::oneshot;

use crate::{Handover, SourceError, Token, TokenSource, backoff::Backoff, run::Say};

/// How long is slept at most before the clock is looked at again: a machine that slept has lost that time.
const GLANCE: Duration = Duration::from_secs(15);

/// Renews until it is told to stop, and answers the tokens that may still be alive.
pub(crate) async fn keep(
    source: Arc<TokenSource>,
    handover: Handover,
    first: Token,
    mut stop: oneshot::Receiver<()>,
    say: Say,
) -> Vec<Token> {
    let mut kept = Kept::new(first);
    while !until(&source, kept.next, &mut stop).await {
        if !source.renews() {
            say(&format!(
                "the token ends at {} and is not renewed: this platform gives a job one identity, which counts once",
                kept.ends()
            ));
            let _ = stop.await;
            break;
        }
        // An answer is waited for also when the program ended meanwhile: nobody else could revoke what it brings.
        match source.fetch().await {
            Ok(token) => {
                if let Err(error) = handover.write(&token.value) {
                    say(&format!("{error}; the program keeps the token before it"));
                    kept.unwritten(token, source.now());
                    continue;
                }
                if kept.failing {
                    say("the token is renewed again");
                }
                kept.renewed(token, source.now());
            }
            Err(error) => kept.failed(&error, source.now(), &say),
        }
    }
    kept.living(source.now()).cloned().collect()
}

/// Sleeps until then; true when it was told to stop before.
async fn until(source: &TokenSource, then: Timestamp, stop: &mut oneshot::Receiver<()>) -> bool {
    loop {
        let left = then.micros().saturating_sub(source.now().micros());
        let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
        tokio::select! {
            biased;
            _ = &mut *stop => return true,
            () = tokio::time::sleep(left.min(GLANCE)) => if left <= GLANCE { return false },
        }
    }
}

/// The tokens, and how renewing them goes.
pub(crate) struct Kept {
    tokens: Vec<Token>,
    next: Timestamp,
    backoff: Backoff,
    failing: bool,
    over: bool,
}

impl Kept {
    pub(crate) fn new(first: Token) -> Self {
        Self {
            next: first.due(),
            tokens: vec![first],
            backoff: Backoff::default(),
            failing: false,
            over: false,
        }
    }

    /// When the next one is due.
    pub(crate) const fn due(&self) -> Timestamp {
        self.next
    }

    /// The next one is due by then, unless asking for it just failed.
    pub(crate) fn due_by(&mut self, then: Timestamp) {
        if !self.failing {
            self.next = self.next.min(then);
        }
    }

    /// The newest.
    pub(crate) fn newest(&self) -> Option<String> {
        self.tokens.last().map(|token| token.value.expose().clone())
    }

    /// Those that have not ended.
    pub(crate) fn living(&self, now: Timestamp) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(move |token| token.ends() > now)
    }

    fn ends(&self) -> Timestamp {
        self.tokens.last().map_or(Timestamp::default(), Token::ends)
    }

    pub(crate) fn renewed(&mut self, token: Token, now: Timestamp) {
        self.tokens.retain(|older| older.ends() > now);
        *self = Self {
            tokens: std::mem::take(&mut self.tokens),
            ..Self::new(token.clone())
        };
        self.tokens.push(token);
    }

    /// Whatever the reason, it is tried again: a server comes back, and who was switched off may be switched on.
    pub(crate) fn failed(&mut self, error: &SourceError, now: Timestamp, say: &Say) {
        if !self.failing {
            let ends = self.ends();
            say(&format!(
                "the token is not renewed: {error}; it ends at {ends}; trying again"
            ));
        }
        if !self.over && now >= self.ends() {
            say("the token has ended, and the program goes on without one; trying again");
            self.over = true;
        }
        self.again(error.retry_after(), now);
    }

    /// One that the program cannot get at is no renewal: the one before it ends when it did, and this one dies with the rest.
    fn unwritten(&mut self, token: Token, now: Timestamp) {
        self.tokens.insert(0, token);
        self.again(None, now);
    }

    fn again(&mut self, asked: Option<Duration>, now: Timestamp) {
        self.failing = true;
        let [random] = random::bytes::<1>();
        let wait = self.backoff.next(asked, random);
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        self.next = Timestamp::from_micros(now.micros().saturating_add(micros));
    }
}
