// A pipeline and its CI: an issuer on this machine signs what a job of GitHub's would be given, and the job asks for a deploy.

import assert from "node:assert/strict";
import { createHash, createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";

/** A CI whose runs a server on this machine can be made to trust. */
export async function startIssuer() {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "one", use: "sig", alg: "RS256" };
  const server = createServer((request, response) => {
    const url = `http://127.0.0.1:${server.address().port}`;
    const found = { "/.well-known/openid-configuration": { issuer: url, jwks_uri: `${url}/keys` }, "/keys": { keys: [jwk] } }[request.url];
    response.writeHead(found ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(found ?? {}));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return {
    url,
    stop: () => server.close(),
    /** What a job is given for this audience. */
    run(audience, more = {}) {
      const at = Math.floor(Date.now() / 1000);
      const claims = { ...JOB, jti: randomUUID(), iss: url, aud: audience, iat: at, nbf: at - 60, exp: at + 300, ...more };
      const signed = `${part({ alg: "RS256", typ: "JWT", kid: "one" })}.${part(claims)}`;
      return `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}`;
    },
  };
}

/** Somebody who calls the API with a token. */
export function caller(server, token) {
  const call = async (method, path, body) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(server.url + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
  };
  return { get: (path) => call("GET", path), post: (path, body) => call("POST", path, body), patch: (path, body) => call("PATCH", path, body) };
}

/** A project whose pipeline may deploy to production once a person countersigned, and whose CI triggers runs as `owner`. */
export async function pipeline(server, issuer, owner, email, name = "release-promoter") {
  await owner.post("/api/projects", { name: "release" });
  await owner.post("/api/audiences", { name: "deploy-api", served_by: [] });
  await owner.post("/api/issuers", { url: issuer.url, profile: "github" });
  await owner.post("/api/linked-accounts", { issuer: issuer.url, subject: JOB.actor_id, user: email });
  const identity = await owner.post("/api/identities", {
    kind: "pipeline", name, project: "release", purpose: "Promotes releases to production", audiences: ["deploy-api"],
    environments: ["production"], allowed_actions: ["deploy.release", "rollout.status.read"], denied_actions: ["secrets.read"],
    token_ttl_seconds: 600, requires_approval: true, trust_model: "oidc-run-identity",
  });
  const match = { repository_id: JOB.repository_id, repository_owner_id: JOB.repository_owner_id, ref: JOB.ref, environment: "production", event_name: "push" };
  await owner.post(`/api/identities/${identity.id}/credentials`, { type: "trust-rule", trust: { issuer: issuer.url, environments: ["production"], match } });
  return identity;
}

/** A token for a run: of what needs nobody, or of what this approval grants. */
export async function runToken(server, issuer, identity, fields = {}, claims = {}) {
  const form = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", client_id: identity.id, assertion: issuer.run(server.url, claims), ...fields };
  const answer = await fetch(`${server.url}/oauth2/token`, { method: "POST", body: new URLSearchParams(form) });
  const told = await answer.json();
  assert.ok(answer.ok, JSON.stringify(told));
  return told.access_token;
}

/** A run asks people for the deploy of an artifact. */
export async function ask(server, issuer, identity, reason, claims = {}) {
  const run = caller(server, await runToken(server, issuer, identity, {}, claims));
  const digest = `sha256:${createHash("sha256").update(reason).digest("hex")}`;
  return run.post("/api/approvals", { actions: ["deploy.release"], environment: "production", artifact_digest: digest, reason });
}

/** A production job of `octo-org/octo-repo` on main. */
export const JOB = {
  sub: "repo:octo-org@123456/octo-repo@456789:environment:production",
  repository: "octo-org/octo-repo", repository_id: "456789", repository_owner: "octo-org", repository_owner_id: "123456", repository_visibility: "private",
  actor: "octocat", actor_id: "12", workflow: "release", workflow_ref: "octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main",
  workflow_sha: "9f3182061f1e2cca4702c368cbc039b7dc9d4485", job_workflow_ref: "octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main",
  job_workflow_sha: "9f3182061f1e2cca4702c368cbc039b7dc9d4485", event_name: "push", ref: "refs/heads/main", ref_type: "branch", ref_protected: "true",
  base_ref: "", head_ref: "", sha: "9f3182061f1e2cca4702c368cbc039b7dc9d4485", environment: "production", run_id: "9876543210", run_number: "42",
  run_attempt: "1", check_run_id: "5550001", runner_environment: "github-hosted",
};
