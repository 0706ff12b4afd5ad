import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { createGuard, type Guard, type GuardOptions, type Revocation } from "../src/index.js";
import { FakeIssuer, credential, goodClaims, mint, vectors } from "./support.js";

let issuer: FakeIssuer;
let guards: Guard[];
let clockMs: number;
const request = { action: "case.read" };

beforeEach(async () => {
  issuer = await new FakeIssuer().start();
  guards = [];
  clockMs = Date.now();
});

afterEach(async () => {
  for (const guard of guards) await guard.close();
  issuer.stop();
});

function make(more: Partial<GuardOptions> = {}): Guard {
  const { audience, subject_prefix: subjectPrefix } = vectors;
  const guard = createGuard({ issuer: issuer.url, audience, subjectPrefix, credential, now: () => clockMs, ...more });
  guards.push(guard);
  return guard;
}

/** A token of the fake issuer that is good now. */
function token(more: Record<string, unknown> = {}): Promise<string> {
  const now = Math.floor(clockMs / 1000);
  return mint({ iss: issuer.url, iat: now, exp: now + 600, ...more });
}

function entry(grain: Revocation["grain"], target: unknown, gen?: number): Revocation {
  return { grain, target: String(target), ...(gen !== undefined && { gen }), until: new Date(clockMs + 600_000).toISOString() };
}

test("keys are found through the metadata and kept", async () => {
  const guard = make();
  for (let round = 0; round < 3; round += 1) await guard.authorize(await token(), request);
  assert.equal(issuer.seen.filter((line) => line.includes("jwks")).length, 1);
  assert.equal(guard.mode, "following");
});

test("without a credential the guard only verifies, and says so", async () => {
  const { audience } = vectors;
  const guard = createGuard({ issuer: issuer.url, audience });
  issuer.revocations.push(entry("token", goodClaims["jti"]));
  await guard.authorize(await token(), request);
  assert.equal(guard.mode, "verify-only");
  assert.ok(!issuer.seen.some((line) => line.includes("/api/")));
});

test("the feed is read to its end, and a revocation that comes later acts", async () => {
  for (let number = 0; number < 5; number += 1) issuer.revocations.push(entry("token", `other-${number}`));
  const guard = make();
  await guard.authorize(await token(), request);
  issuer.revocations.push(entry("identity", goodClaims["identity_id"], 4));
  clockMs += 31_000;
  await assert.rejects(guard.authorize(await token(), request), { code: "token_revoked" });
});

test("past the greatest age of the feed the guard refuses, and recovers", async () => {
  const errors: unknown[] = [];
  const guard = make({ onError: (error) => errors.push(error) });
  await guard.authorize(await token(), request);
  issuer.failing.add("/api/revocations");
  clockMs += 29_000;
  await guard.authorize(await token(), request);
  clockMs += 2_000;
  await assert.rejects(guard.authorize(await token(), request), { code: "revocations_stale", status: 503 });
  assert.ok(errors.length > 0);
  issuer.failing.clear();
  await guard.authorize(await token(), request);
});

test("an irreversible action needs a younger feed", async () => {
  const guard = make({ irreversibleActions: ["case.comment.write"] });
  await guard.authorize(await token(), request);
  issuer.failing.add("/api/revocations");
  clockMs += 6_000;
  await guard.authorize(await token(), request);
  await assert.rejects(guard.authorize(await token(), { action: "case.comment.write" }), { code: "revocations_stale" });
});

test("a feed that was never read refuses", async () => {
  issuer.failing.add("/api/revocations");
  await assert.rejects(make().authorize(await token(), request), { code: "revocations_stale" });
});

test("an entry that the guard cannot read makes the feed stale", async () => {
  issuer.revocations.push(entry("galaxy" as Revocation["grain"], "milky-way"));
  await assert.rejects(make().authorize(await token(), request), { code: "revocations_stale" });
});

test("an answer that says it is old counts as old", async () => {
  const guard = make();
  clockMs += 120_000; // our clock runs two minutes ahead of the answers
  await assert.rejects(guard.authorize(await token(), request), { code: "revocations_stale" });
});

test("a cursor that the issuer no longer knows starts again from the beginning", async () => {
  issuer.revocations.push(entry("token", "a"), entry("token", "b"));
  const guard = make();
  await guard.authorize(await token(), request);
  issuer.revocations = [entry("token", goodClaims["jti"])];
  clockMs += 31_000;
  await assert.rejects(guard.authorize(await token(), request), { code: "token_revoked" });
});

test("an expired token stays revoked through the leeway", async () => {
  const now = Math.floor(clockMs / 1000);
  issuer.revocations.push({ ...entry("token", goodClaims["jti"]), until: new Date(clockMs).toISOString() });
  const guard = make();
  const expiring = await token({ iat: now - 600, exp: now });
  await assert.rejects(guard.authorize(expiring, request), { code: "token_revoked" });
  for (clockMs += 31_000; clockMs < (now + 60) * 1000; clockMs += 10_000) {
    await assert.rejects(guard.authorize(expiring, request), { code: "token_revoked" });
  }
  clockMs = (now + 61) * 1000;
  await assert.rejects(guard.authorize(expiring, request), { code: "token_expired" });
});

test("the guard renews its own token when the issuer no longer takes it", async () => {
  const guard = make();
  await guard.authorize(await token(), request);
  issuer.forgetTokens();
  clockMs += 31_000;
  await guard.authorize(await token(), request);
  assert.equal(issuer.tokensIssued, 2);
});

test("what was done, what failed and what was refused is reported", async () => {
  const guard = make();
  assert.equal(await guard.perform(await token(), { ...request, resource: "case/42" }, (claims) => claims.sub), "bot://support/triage");
  await assert.rejects(guard.perform(await token(), request, () => Promise.reject(new RangeError("secret text"))), RangeError);
  await assert.rejects(guard.authorize(await token(), { action: "case.delete" }), { code: "action_not_allowed" });
  await guard.close();
  assert.deepEqual(
    issuer.results.map(({ outcome, action, resource, environment, detail }) => [outcome, action, resource, environment, detail]),
    [
      ["done", "case.read", "case/42", "production", null],
      ["failed", "case.read", null, "production", "RangeError"],
      ["refused", "case.delete", null, "production", "bot is not allowed to perform case.delete"],
    ],
  );
  for (const result of issuer.results) {
    assert.equal(result["jti"], goodClaims["jti"]);
    assert.equal(result["txn"], goodClaims["txn"]);
    assert.ok(!Number.isNaN(Date.parse(String(result["occurred_at"]))));
  }
  assert.equal(new Set(issuer.batchKeys).size, issuer.batchKeys.length);
});

test("a result that would spoil its batch is left out", async () => {
  const errors: unknown[] = [];
  const guard = make({ onError: (error) => errors.push(error) });
  const good = await token();
  await assert.rejects(guard.authorize(good, { action: "../etc/passwd" }), { code: "action_not_allowed" });
  await assert.rejects(guard.authorize(good, { ...request, environment: "No Such" }), { code: "environment_mismatch" });
  await guard.close();
  assert.deepEqual(issuer.results.map(({ action, environment }) => [action, environment]), [["case.read", null]]);
  assert.equal(errors.length, 1);
});

test("results that the issuer cannot take now are kept", async () => {
  const guard = make();
  const claims = await guard.authorize(await token(), request);
  issuer.failing.add("/api/results");
  guard.report(claims, request, "done");
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(issuer.results.length, 0);
  issuer.failing.clear();
  await guard.close();
  assert.equal(issuer.results.length, 1);
});

test("a queue of results that is full refuses", async () => {
  const guard = make();
  const claims = await guard.authorize(await token(), request);
  issuer.failing.add("/api/results");
  assert.throws(() => {
    for (let number = 0; number < 10_101; number += 1) guard.report(claims, request, "done");
  }, { code: "results_backlog" });
});

test("an issuer that cannot be reached is told apart from a bad token", async () => {
  const { audience } = vectors;
  const guard = createGuard({ issuer: issuer.url, audience });
  const good = await token();
  issuer.failing.add("/.well-known/openid-configuration");
  await assert.rejects(guard.authorize(good, request), { code: "keys_unavailable", status: 503 });
  issuer.failing.clear();
  issuer.failing.add("/.well-known/jwks.json");
  await assert.rejects(guard.authorize(good, request), { code: "keys_unavailable" });
  issuer.failing.clear();
  await guard.authorize(good, request);
});

test("metadata of another issuer is refused", async () => {
  const { audience } = vectors;
  const guard = createGuard({ issuer: issuer.url.replace("127.0.0.1", "localhost"), audience });
  await assert.rejects(guard.authorize(await token(), request), { code: "keys_unavailable" });
});

test("an issuer that is not an https URL is refused", () => {
  for (const url of ["http://issuer.example", "https://issuer.example/", "https://issuer.example?a", "ftp://127.0.0.1", "issuer", "https://a@issuer.example"]) {
    assert.throws(() => createGuard({ issuer: url, audience: "a" }), TypeError, url);
  }
});
