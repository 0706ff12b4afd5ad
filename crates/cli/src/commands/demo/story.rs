//! The story, step by step (each with what must be refused).

use std::time::Duration;

use countersign_api::{
    Client, ClientError,
    approvals::{Approval, Decide, OpenApproval},
    lineage::{Lineage, LineageQuery},
    tokens::{TokenRequest, TokenResponse},
};
use countersign_model::{Timestamp, token::ArtifactDigest};

use super::{
    script::Script,
    stage::{AUDIENCE, IDENTITY, Stage},
    target::DIGEST,
};
use crate::{app::App, clock, failure::Failure, log_folder::LogTrust};

/// The artifact of the story.
const ARTIFACT: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// How long the story waits for what takes a second: the log takes a record in, a sensor's time comes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How often it looks.
pub(super) const STEP: Duration = Duration::from_millis(100);

/// Where the story ends, for who wants to look further.
pub struct Ends {
    /// The record of the deploy.
    pub action: String,
    /// The approval.
    pub approval: String,
    /// The execution of the second act.
    pub execution: Option<String>,
}

/// Plays it.
pub async fn play(app: &App, script: &mut Script<'_>, stage: &Stage) -> Result<Ends, Failure> {
    script.step("A CI run on main shows its OIDC token, and gets a token of ten minutes");
    let base = ask(stage, &form(stage)?).await?;
    script.good("it carries rollout.status.read; deploy.release waits for a person");

    script.step("It asks for deploy.release all the same");
    let asked = TokenRequest {
        scope: Some("deploy.release".to_owned()),
        ..form(stage)?
    };
    refused(script, ask(stage, &asked).await, "approval_required")?;

    script.step("So it asks people: this action, this commit, this artifact");
    let run = stage.nobody.with_token(Some(base.access_token.clone()));
    let opened = open(&run).await?;
    script.good(&format!(
        "approval {} is open, digest {}..",
        opened.id,
        short(&opened.digest)
    ));
    let redeem = |form: TokenRequest| TokenRequest {
        approval_id: Some(opened.id.to_string()),
        ..form
    };
    refused(
        script,
        ask(stage, &redeem(form(stage)?)).await,
        "authorization_pending",
    )?;

    script.step("Dana triggered the run, so she cannot countersign it");
    let id = opened.id.to_string();
    let decide = Decide {
        digest: opened.digest.clone(),
        reason: None,
        passkey: None,
    };
    match stage.dana.approve(&id, &decide).await {
        Err(ClientError::Problem { problem, .. }) => {
            script.refused(&format!("{}: {}", problem.reason_code, problem.detail))
        }
        Ok(_) => return Err(Failure::failed("dana approved her own run")),
        Err(error) => return Err(error.into()),
    }

    script.step("Lee reads it, and countersigns");
    let read = stage.lee.approval(&id, &()).await?;
    script.note(&read.summary);
    let decide = Decide {
        digest: read.digest.clone(),
        reason: Some("release notes read".to_owned()),
        passkey: None,
    };
    stage.lee.approve(&id, &decide).await?;
    script.good("approved, on exactly the digest that Lee read");

    script.step("The run redeems the approval for a production token");
    let production = ask(stage, &redeem(form(stage)?)).await?;
    script.good(&format!(
        "deploy.release in production, for {} seconds, for this artifact alone",
        production.expires_in
    ));

    script.step("It deploys");
    let token = &production.access_token;
    script.good(&call(stage, "/deploy", token, true).await?.1);

    script.step("Two things that must fail");
    let (status, said) = call(stage, "/secrets", token, false).await?;
    if status != 403 {
        return Err(Failure::failed(format!(
            "the target answered {status} to secrets.read: {said}"
        )));
    }
    script.refused(&format!("secrets.read at the target: {said}"));
    refused(
        script,
        ask(stage, &redeem(form(stage)?)).await,
        "expired_token",
    )?;

    script.step("Who did it, and who answers? The lineage of the deploy");
    stage.target.report().await?;
    let lineage = settled(stage, &format!("approval:{id}"), "action").await?;
    script.note(&lineage.sentence);
    let ends = Ends {
        action: action_of(&lineage)?,
        approval: id,
        execution: None,
    };
    script.step("Each hop is checked offline, against the key that was pinned at sign-in");
    verify(app, script, stage, &lineage).await?;
    Ok(ends)
}

/// A token request of the run, with a fresh OIDC token: each counts once.
fn form(stage: &Stage) -> Result<TokenRequest, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let jti = format!("run-{}", clock::now().micros());
    let claims = stage.ci.github(now(), stage.issuer()).with("jti", jti);
    let assertion = stage.ci.mint(&claims).map_err(|error| failed(&error))?;
    Ok(TokenRequest {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
        client_id: Some(IDENTITY.to_owned()),
        assertion: Some(assertion),
        ..TokenRequest::default()
    })
}

fn now() -> Timestamp {
    Timestamp::from_seconds(clock::now().seconds())
}

async fn ask(stage: &Stage, form: &TokenRequest) -> Result<TokenResponse, ClientError> {
    stage.nobody.token(form).await
}

/// Tells a refusal, which must be this one.
fn refused(
    script: &Script<'_>,
    answer: Result<TokenResponse, ClientError>,
    wanted: &str,
) -> Result<(), Failure> {
    match answer {
        Err(ClientError::Oauth { error, .. }) if error.error == wanted => {
            script.refused(&format!(
                "{}: {}",
                error.error,
                error.error_description.unwrap_or_default()
            ));
            Ok(())
        }
        Err(error) => Err(Failure::failed(format!(
            "expected {wanted}, and was told: {error}"
        ))),
        Ok(_) => Err(Failure::failed(format!(
            "expected {wanted}, and got a token"
        ))),
    }
}

async fn open(run: &Client) -> Result<Approval, Failure> {
    let artifact: ArtifactDigest = ARTIFACT
        .parse()
        .map_err(|error| Failure::failed(format!("{error}")))?;
    let action = "deploy.release"
        .parse()
        .map_err(|error| Failure::failed(format!("{error}")))?;
    let request = OpenApproval {
        actions: [action].into_iter().collect(),
        environment: None,
        audience: Some(AUDIENCE.to_owned()),
        resource: Some("web".to_owned()),
        artifact_digest: Some(artifact),
        reason: Some("release 42 of the shop".to_owned()),
        expires_in: None,
    };
    Ok(run.open_approval(&request).await?)
}

/// Calls the target. Its status, and the first line of what it says.
async fn call(
    stage: &Stage,
    path: &str,
    token: &str,
    with_artifact: bool,
) -> Result<(u16, String), Failure> {
    let failed = |error: reqwest::Error| Failure::failed(format!("the deploy target: {error}"));
    let http = reqwest::Client::builder()
        .timeout(PATIENCE)
        .build()
        .map_err(failed)?;
    let mut request = http
        .post(format!("{}{path}", stage.target.url))
        .bearer_auth(token);
    if with_artifact {
        request = request.header(DIGEST, ARTIFACT);
    }
    let response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let body = response.text().await.map_err(failed)?;
    let detail = serde_json::from_str::<serde_json::Value>(&body).ok();
    let said = detail
        .as_ref()
        .and_then(|body| body.get("detail"))
        .and_then(|detail| detail.as_str());
    let said = said.unwrap_or_else(|| body.lines().next().unwrap_or_default());
    Ok((status, format!("{status} {said}")))
}

/// The lineage, once it ends with this and the log has taken all of it in.
pub(super) async fn settled(
    stage: &Stage,
    reference: &str,
    ends: &str,
) -> Result<Lineage, Failure> {
    let query = LineageQuery {
        reference: reference.to_owned(),
    };
    let mut waited = Duration::ZERO;
    loop {
        let lineage = stage.dana.lineage(&query).await?;
        let whole = lineage.nodes.iter().any(|node| node.node_type == ends);
        let placed = lineage
            .nodes
            .iter()
            .filter(|node| node.evidence_id.is_some())
            .all(|node| node.log.is_some());
        if whole && placed {
            return Ok(lineage);
        }
        if waited >= PATIENCE {
            return Err(Failure::failed("the log did not take it in"));
        }
        tokio::time::sleep(STEP).await;
        waited += STEP;
    }
}

fn action_of(lineage: &Lineage) -> Result<String, Failure> {
    let node = lineage.nodes.iter().find(|node| node.node_type == "action");
    let id = node.and_then(|node| node.evidence_id);
    id.map(|id| id.to_string())
        .ok_or_else(|| Failure::failed("the deploy is not in its lineage"))
}

/// Checks each hop against the pinned key, with nothing but the records and proofs.
pub(super) async fn verify(
    app: &App,
    script: &Script<'_>,
    stage: &Stage,
    lineage: &Lineage,
) -> Result<(), Failure> {
    let trust = LogTrust::of(app, Some(&stage.log_key.verifier_key), None)?;
    for node in lineage.nodes.iter() {
        let (Some(id), Some(place)) = (node.evidence_id, &node.log) else {
            continue;
        };
        let record = stage.dana.evidence(&id.to_string(), &()).await?;
        match trust.check_record(&record) {
            Ok(true) => script.good(&format!("#{:<3} {}", place.index, node.label)),
            Ok(false) => {
                return Err(Failure::failed(format!(
                    "record {id} has no place in the log yet"
                )));
            }
            Err(why) => {
                return Err(Failure::failed(format!(
                    "record {id} does not verify: {why}"
                )));
            }
        }
    }
    Ok(())
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// What to try while it serves.
pub fn what_next(script: &mut Script<'_>, stage: &Stage, ends: &Ends) -> Result<(), Failure> {
    let base = stage.base();
    script.step("It keeps serving until Ctrl-C. In a browser, as pictures:");
    script.verbatim(&format!(
        "{base}/passkeys
makes a passkey for Dana with this one-time code, good for 15 minutes:
{code}
then {base}/#/lineage?ref=action:{action}",
        code = stage.code()?.expose(),
        action = ends.action,
    ));
    script.step("In another terminal:");
    let execution = ends.execution.as_ref().map_or_else(String::new, |id| {
        format!("countersign lineage execution:{id}\n")
    });
    script.verbatim(&format!(
        "export COUNTERSIGN_HOME={home}
countersign lineage action:{action}
{execution}\
countersign lineage user:dana@example.com
countersign approval show {approval} -o json
countersign identity show release-promoter-prod
countersign audit search --identity release-promoter-prod
countersign log export ./log && countersign log verify ./log
curl {base}/.well-known/oauth-authorization-server
curl {base}/log/checkpoint
curl -H \"Authorization: Bearer $(countersign auth token)\" \\
  {base}/api/identities",
        home = stage.home.display(),
        action = ends.action,
        approval = ends.approval,
    ));
    Ok(())
}
