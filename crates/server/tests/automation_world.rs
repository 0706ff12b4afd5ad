//! What the tests of the automation start from: a pack, a worker, a sensor.

use countersign_testkit::{Answer, Caller, ClientSecret, TestServer};
use serde_json::{Value, json};

use crate::long_lived_tokens::{holder, made, text};

/// A pack with an action that is run once, one that is run again, one that starts another, and rules on them.
pub const BILLING: &str = r#"
pack:
  name: billing
  project: ops
  description: Charges and tells
  triggers:
    - {name: invoice, description: an invoice is due}
  actions:
    - name: charge
      description: Charges a customer
      command: [sh]
      script: |
        echo charged "$COUNTERSIGN_PARAM_CUSTOMER"
      timeout_seconds: 600
      keys: [billing.api_key]
      parameters:
        customer: {description: who pays, required: true}
        amount: {default: 10}
    - name: report
      command: ["true"]
      timeout_seconds: 5
      retry_if_lost: true
      starts: [billing.charge]
  rules:
    - name: on_invoice
      trigger: billing.invoice
      when:
        - {field: payload.state, is: [due]}
      action: billing.charge
      parameters: {customer: "{{ event.payload.customer }}"}
    - name: nightly
      trigger: core.timer
      with: {every: day, at: "03:00"}
      action: billing.report
    - {name: off, trigger: billing.invoice, action: billing.report, enabled: false}
    - name: on_deploy
      trigger: core.webhook
      with: {path: deploy}
      action: billing.report
  webhooks:
    - {path: deploy}
    - {path: billing/paid}
"#;

/// A project `ops` with the pack, and a worker of it.
pub struct Automation {
    pub owner: Caller,
    pub worker: Caller,
    worker_secret: ClientSecret,
}

/// Dana, her project `ops`, its pack `billing` and its worker.
pub async fn automation(server: &TestServer) -> Automation {
    let owner = server.owner().await;
    owner.project("ops").await;
    apply(&owner, BILLING).await.done();
    let fields = json!({ "allowed_actions": ["execution.claim"] });
    let identity = owner
        .identity("service_account", "worker:ops", "ops", fields)
        .await;
    let worker_secret = owner.secret(text(&identity, "id")).await;
    let worker = worker(server, &worker_secret).await;
    Automation {
        owner,
        worker,
        worker_secret,
    }
}

impl Automation {
    /// The worker with a fresh token.
    pub async fn fresh_worker(&self, server: &TestServer) -> Caller {
        worker(server, &self.worker_secret).await
    }

    /// An execution of an action, started by Dana.
    pub async fn start(&self, action: &str, parameters: Value) -> Value {
        let body = json!({ "action_ref": action, "parameters": parameters });
        self.owner.post("/api/executions", &body).await.done()
    }

    /// What the worker gets when it asks.
    pub async fn claim(&self) -> Vec<Value> {
        claim(&self.worker).await
    }

    /// The execution as Dana sees it.
    pub async fn shown(&self, id: &str) -> Value {
        self.owner
            .get(&format!("/api/executions/{id}"))
            .await
            .done()
    }
}

/// What a worker gets when it asks.
pub async fn claim(worker: &Caller) -> Vec<Value> {
    let answer = worker
        .post("/api/executions/claim", &json!({ "max": 8 }))
        .await;
    answer.done()["executions"].as_array().unwrap().clone()
}

/// A worker with a fresh token for Countersign's own API.
pub async fn worker(server: &TestServer, secret: &ClientSecret) -> Caller {
    let fields = [("resource", server.issuer())];
    let token = server
        .anyone()
        .client_token(secret, &fields)
        .await
        .access_token();
    server.anyone().with_token(token)
}

/// Applies a manifest.
pub async fn apply(caller: &Caller, manifest: &str) -> Answer {
    let body = json!({ "documents": [{ "file": "pack.yaml", "text": manifest }] });
    caller.post("/api/manifests/apply", &body).await
}

/// A sensor of project `ops` for these trigger types.
pub async fn sensor(server: &TestServer, owner: &Caller, types: &[&str]) -> Caller {
    let body = json!({
        "name": format!("sensor:{}", types.join("+").replace('+', "-")), "scope": "sensor", "project": "ops",
        "metadata": { "trigger_types": types },
    });
    holder(server, &made(owner, &body).await)
}

/// How an attempt ended, as its worker says.
pub async fn finish(worker: &Caller, claimed: &Value, outcome: &str) -> Answer {
    let body = json!({ "attempt": claimed["attempt"], "outcome": outcome, "exit_code": 0, "stdout": "charged acme\n" });
    let path = format!("/api/executions/{}/finish", text(claimed, "id"));
    worker.post(&path, &body).await
}

/// The token of an execution of `core.echo`, as a worker gets it, and the execution's id.
pub async fn execution_token(
    server: &TestServer,
    owner: &Caller,
    seconds: i64,
) -> (String, String) {
    owner.project("jobs").await;
    let pack = format!(
        "pack: {{name: core, project: jobs, actions: [{{name: echo, command: [echo], timeout_seconds: {seconds}, keys: [core.key]}}]}}"
    );
    apply(owner, &pack).await.done();
    let fields = json!({ "allowed_actions": ["execution.claim"] });
    let identity = owner
        .identity("service_account", "worker:jobs", "jobs", fields)
        .await;
    let secret = owner.secret(text(&identity, "id")).await;
    let body = json!({ "action_ref": "core.echo" });
    owner.post("/api/executions", &body).await.done();
    let claimed = claim(&worker(server, &secret).await).await.remove(0);
    (
        text(&claimed, "token").to_owned(),
        text(&claimed, "id").to_owned(),
    )
}
