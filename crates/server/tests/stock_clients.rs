//! Clients that others wrote, and our guard in TypeScript, as programs of their own against a running server on the
//! machine's clock. `cargo xtask test` makes them ready; without an interpreter a test says so and ends.

use std::{path::PathBuf, process::Output, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_crypto::{SigningAlg, SigningKey};
use countersign_model::registry::TenantRole;
use countersign_server::{
    admin,
    clock::Clock,
    config::Config,
    serve::{ServeOptions, Server},
};
use countersign_testkit::{Caller, ClientSecret, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

const AUDIENCE: &str = "support-automation-api";
const NODE: &str = "COUNTERSIGN_TEST_NODE";
const PYTHON: &str = "COUNTERSIGN_TEST_PYTHON";
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on the machine's clock, with what the clients need.
struct World {
    server: Server,
    owner: Caller,
    /// The program: what it does, it does with a secret.
    client: ClientSecret,
    /// The resource server, which introspects and follows revocations.
    target: ClientSecret,
    directory: TempDir,
}

impl World {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.data.dir = Some(directory.path().join("data"));
        let clock = Clock::system();
        let server = Server::start(ServeOptions {
            config: config.clone(),
            clock: clock.clone(),
        })
        .await
        .unwrap();
        let email = "dana@example.com".parse().unwrap();
        let code = admin::enrol(&config, &clock, email, Some(TenantRole::Owner), None).unwrap();
        let anyone = Caller::new(reqwest::Client::new(), server.issuer());
        let session = anyone
            .post("/api/sessions", &json!({ "code": code.expose() }))
            .await
            .done();
        let owner = anyone.with_token(session["token"].as_str().unwrap());

        owner.project("support").await;
        let target = owner
            .identity("service_account", "support-api", "support", json!({}))
            .await;
        owner.audience(AUDIENCE, &[id(&target)]).await;
        let target = owner.secret(id(&target)).await;
        let client = owner.secret(id(&program(&owner, "triage").await)).await;
        Self {
            server,
            owner,
            client,
            target,
            directory,
        }
    }

    /// A program that proves itself with a key of its own: the file with the private half.
    async fn key_client(&self) -> PathBuf {
        let key = SigningKey::generate(SigningAlg::Es256).unwrap();
        let identity = program(&self.owner, "nightly").await;
        self.owner.public_key(id(&identity), &key).await;
        let path = self.directory.path().join("nightly.jwk");
        std::fs::write(&path, private_jwk(&key).to_string()).unwrap();
        path
    }

    /// What the scripts read from the environment.
    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ISSUER", self.server.issuer().to_owned()),
            ("AUDIENCE", AUDIENCE.to_owned()),
            ("CLIENT_ID", self.client.client_id.clone()),
            ("CLIENT_SECRET", self.client.client_secret.clone()),
        ]
    }
}

async fn program(owner: &Caller, name: &str) -> Value {
    let fields =
        json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read", "case.comment.write"] });
    owner
        .identity("oauth_client", name, "support", fields)
        .await
}

fn id(record: &Value) -> &str {
    record["id"].as_str().unwrap()
}

/// The private key as other programs read it (RFC 7518 §6.2.2).
fn private_jwk(key: &SigningKey) -> Value {
    let der = key.to_pkcs8().unwrap();
    // ECPrivateKey (RFC 5915 §3): version 1, then an octet string of 32 bytes.
    let start = der
        .expose()
        .windows(5)
        .position(|bytes| bytes == [0x02, 0x01, 0x01, 0x04, 0x20])
        .unwrap()
        + 5;
    let mut jwk = serde_json::to_value(key.public_jwk()).unwrap();
    jwk["d"] = json!(URL_SAFE_NO_PAD.encode(&der.expose()[start..start + 32]));
    jwk
}

fn interpreter(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        eprintln!("skipped: {variable} names no interpreter (`cargo xtask test` makes one ready)");
    }
    found
}

/// A file of the repository.
fn source(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

/// Runs a script to its end; what it printed.
async fn run(
    interpreter: PathBuf,
    script: PathBuf,
    variables: Vec<(&'static str, String)>,
) -> String {
    let mut program = Command::new(interpreter);
    program.arg(&script).envs(variables).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, program.output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = ended
        .unwrap_or_else(|_| panic!("{script:?} does not end"))
        .unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(
        status.success(),
        "{script:?}: {status}\n{said}\n{complained}"
    );
    said.into_owned()
}

/// Runs the checks of stock clients, each of which prints a line.
async fn drive(variable: &str, script: &str, library: &str, checks: &[&str]) {
    let Some(interpreter) = interpreter(variable) else {
        return;
    };
    let world = World::start().await;
    let key = world.key_client().await;
    let mut variables = world.variables();
    variables.extend([
        ("RS_CLIENT_ID", world.target.client_id.clone()),
        ("RS_CLIENT_SECRET", world.target.client_secret.clone()),
        ("KEY_CLIENT_ID", "nightly".to_owned()),
        ("PRIVATE_JWK_FILE", key.display().to_string()),
    ]);
    let said = run(interpreter, source(script), variables).await;
    let expected: Vec<String> = checks
        .iter()
        .map(|check| format!("ok {library}: {check}"))
        .collect();
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    world.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openid_client_and_jose_drive_the_server() {
    let checks = [
        "discovery, oauth2",
        "discovery, oidc",
        "client_credentials, client_secret_basic, verified with the published keys",
        "client_credentials, client_secret_post, verified with the published keys",
        "the resource server's own configuration",
        "the client's configuration",
        "introspection, then revocation, then introspection",
        "revocation of what is no token answers as if it were one",
        "a token of another audience does not verify",
        "client_credentials, DPoP, and a call with the bound token",
        "an unknown audience is invalid_target",
        "a wrong secret is invalid_client",
        "client_credentials, private_key_jwt",
    ];
    drive(
        NODE,
        "tests/clients/node/check.mjs",
        "openid-client",
        &checks,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_drives_the_server() {
    let checks = [
        "discovery",
        "client_credentials, client_secret_basic, verified with the published keys",
        "client_credentials, client_secret_post, verified with the published keys",
        "introspection, then revocation, then introspection",
        "a wrong secret is invalid_client",
        "client_credentials, private_key_jwt",
    ];
    drive(PYTHON, "tests/clients/python/check.py", "Authlib", &checks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scim2_client_keeps_people_and_groups_in_step() {
    let Some(python) = interpreter(PYTHON) else {
        return;
    };
    let world = World::start().await;
    let fields = json!({ "allowed_actions": ["registry.scim.write"] });
    let directory = world
        .owner
        .identity("service_account", "directory", "support", fields)
        .await;
    let secret = world.owner.secret(id(&directory)).await;
    let named = json!({ "provisioner": "directory" });
    world.owner.patch("/api/tenant", &named).await.done();
    let fields = [("resource", world.server.issuer())];
    let token = world.owner.client_token(&secret, &fields).await;
    let variables = vec![
        ("ISSUER", world.server.issuer().to_owned()),
        ("SCIM_TOKEN", token.access_token()),
    ];
    let said = run(python, source("tests/clients/python/scim.py"), variables).await;
    let checks = [
        "discovery",
        "a person is made, and not twice",
        "a person is found",
        "a person is replaced",
        "a group takes members",
        "a person leaves and comes back",
        "what is deleted is gone",
    ];
    let expected = checks.map(|check| format!("ok scim2-client: {check}"));
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    world.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_guard_follows_revocations_and_reports_results() {
    let Some(node) = interpreter(NODE) else {
        return;
    };
    let script = source("sdk/typescript/dist/test/e2e/following.js");
    if !script.is_file() {
        eprintln!("skipped: the guard is not built (`cargo xtask test typescript` does)");
        return;
    }
    let world = World::start().await;
    let mut variables = world.variables();
    variables.push(("GUARD_CLIENT_ID", world.target.client_id.clone()));
    variables.push(("GUARD_CLIENT_SECRET", world.target.client_secret.clone()));
    let said = run(node, script, variables).await;
    let jti = said
        .lines()
        .find_map(|line| line.strip_prefix("jti "))
        .unwrap_or_else(|| panic!("no jti: {said}"));
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("ok guard: "))
            .count(),
        6,
        "{said}"
    );

    // What it reported is evidence, searchable by what it was done on.
    let found = eventually("the results as evidence", async || {
        let found = world
            .owner
            .get("/api/evidence?kind=action&resource=case/42")
            .await
            .done();
        let items = found["items"].as_array()?;
        let outcomes = |outcome: &str| {
            items
                .iter()
                .filter(|item| item["outcome"] == outcome)
                .count()
        };
        (outcomes("done") == 2 && outcomes("refused") >= 1).then(|| found.clone())
    })
    .await;
    let about = |item: &Value| {
        item["refs"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|to| to["id"] == *jti)
    };
    let items = found["items"].as_array().unwrap();
    assert!(
        items
            .iter()
            .any(|item| item["outcome"] == "done" && about(item)),
        "{jti}: {found}"
    );
    let story = world
        .owner
        .get(&format!("/api/lineage?ref=token:{jti}"))
        .await
        .done();
    let sentence = story["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("triage")
            && sentence.contains("case.read")
            && sentence.contains("case/42"),
        "{sentence}"
    );
    world.server.stop().await.unwrap();
}
