//! The vectors that the guards of all languages share: `sdk/vectors/guard.json`.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_guard::{
    FeedEntry, Guard, GuardError, InvalidRequest, ManualClock, PeerCertificate, Presented, Request,
    Timestamp,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vectors {
    now: i64,
    issuer: String,
    audience: String,
    subject_prefix: String,
    jwks: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    token: String,
    #[serde(default)]
    presented: Came,
    request: Asked,
    revocations: Vec<FeedEntry>,
    expect: Expected,
}

/// What came with the token.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Came {
    dpop: Option<Proof>,
    certificate: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    proof: String,
    method: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    action: String,
    resource: Option<String>,
    environment: Option<String>,
    artifact_digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(default)]
    ok: bool,
    error: Option<String>,
    message: Option<String>,
}

impl Vectors {
    fn read() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/vectors/guard.json");
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{} cannot be read: {error}", file.display()));
        serde_json::from_str(&text).unwrap()
    }

    fn guard(&self, revocations: &[FeedEntry]) -> Guard {
        Guard::builder()
            .issuer(&self.issuer)
            .audience(&self.audience)
            .subject_prefix(&self.subject_prefix)
            .clock(ManualClock::at(Timestamp::from_seconds(self.now)))
            .offline(self.jwks.to_string().as_bytes(), revocations)
            .unwrap()
    }
}

impl Case {
    fn presented(&self) -> Presented<'_> {
        let presented = match &self.presented.dpop {
            Some(one) => Presented::dpop(&self.token, &one.proof, &one.method, &one.url),
            None => Presented::bearer(&self.token),
        };
        match &self.presented.certificate {
            Some(digest) => {
                let bytes = URL_SAFE_NO_PAD.decode(digest).unwrap();
                presented.with_certificate(PeerCertificate(bytes.try_into().unwrap()))
            }
            None => presented,
        }
    }
}

impl Asked {
    fn parse(&self) -> Result<Request, InvalidRequest> {
        let mut request = Request::parse(&self.action)?;
        request.resource.clone_from(&self.resource);
        if let Some(environment) = &self.environment {
            request = request.in_environment(environment)?;
        }
        if let Some(digest) = &self.artifact_digest {
            request = request.with_artifact(digest)?;
        }
        Ok(request)
    }
}

/// Says what is wrong with the answer, if something is.
fn judge(expect: &Expected, answer: &Result<(), GuardError>, token: &str) -> Option<String> {
    let (code, message) = match answer {
        Ok(()) => (None, None),
        Err(error) => (Some(error.code()), Some(error.to_string())),
    };
    if expect.ok != code.is_none() || expect.error.as_deref() != code {
        return Some(format!("answered {code:?} {message:?}"));
    }
    if expect.message.is_some() && expect.message != message {
        return Some(format!("said {message:?}, not {:?}", expect.message));
    }
    let shown = format!("{answer:?} {}", message.unwrap_or_default());
    let leaks = token.len() > 100
        && token
            .split('.')
            .any(|part| part.len() > 9 && shown.contains(part));
    leaks.then(|| format!("shows the token: {shown}"))
}

#[tokio::test]
async fn this_guard_answers_as_the_guards_of_all_languages_do() {
    let vectors = Vectors::read();
    assert!(vectors.cases.len() >= 45, "{} cases", vectors.cases.len());
    let mut wrong = Vec::new();
    for case in &vectors.cases {
        let mut guard = vectors.guard(&case.revocations);
        let request = case.request.parse().unwrap();
        // Twice: what is remembered of a token must not change the answer; but a proof counts once.
        for _ in 0..2 {
            if case.presented.dpop.is_some() {
                guard = vectors.guard(&case.revocations);
            }
            let answer = guard
                .authorize(case.presented(), request.clone())
                .await
                .map(drop);
            if let Some(fault) = judge(&case.expect, &answer, &case.token) {
                wrong.push(format!("{}: {fault}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_single_letter_of_a_token_can_be_changed() {
    let vectors = Vectors::read();
    let guard = vectors.guard(&[]);
    let token = &vectors.cases[0].token;
    let request = Request::parse("case.read").unwrap();
    guard.authorize(token, request.clone()).await.unwrap();
    for at in 0..token.len() {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        let error = guard
            .authorize(&changed, request.clone())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "token_invalid", "letter {at}: {error}");
    }
}
