import assert from "node:assert/strict";
import { test } from "node:test";

import { GuardError, createGuard, type GuardOptions } from "../src/index.js";
import { goodToken, vectors, type Case } from "./support.js";

/** A guard at the vectors' instant, whose feed holds exactly the case's entries. */
function guardFor({ revocations }: Pick<Case, "revocations">) {
  const { issuer, audience, subject_prefix: subjectPrefix, jwks } = vectors;
  const as_of = new Date(vectors.now * 1000).toISOString();
  const answers: Record<string, unknown> = {
    "/.well-known/openid-configuration": { issuer, jwks_uri: `${issuer}/jwks`, token_endpoint: `${issuer}/token` },
    "/token": { access_token: "t", token_type: "Bearer", expires_in: 600 },
    "/api/revocations": { entries: revocations, next: "1", as_of },
    "/api/revocations?after=1": { entries: [], next: "1", as_of },
    "/api/results": {},
  };
  const fetch: NonNullable<GuardOptions["fetch"]> = async (url) => Response.json(answers[url.slice(issuer.length)]);
  const credential = { clientId: "api", clientSecret: "secret" };
  return createGuard({ issuer, audience, subjectPrefix, jwks, credential, fetch, now: () => vectors.now * 1000 });
}

async function run({ token, presented, request, revocations, expect }: Case): Promise<void> {
  const { artifact_digest: artifactDigest, ...rest } = request;
  const guard = guardFor({ revocations });
  try {
    const outcome = guard.authorize(presented ? { token, ...presented } : token, { ...rest, artifactDigest });
    if ("ok" in expect) {
      await outcome;
      return;
    }
    await assert.rejects(outcome, (error) => {
      assert.ok(error instanceof GuardError, String(error));
      assert.equal(error.code, expect.error, error.message);
      if (expect.message !== undefined) assert.equal(error.message, expect.message);
      assert.ok(!error.message.includes(token), "the message holds the token");
      return true;
    });
  } finally {
    await guard.close();
  }
}

test("the shared vectors", async (context) => {
  assert.ok(vectors.cases.length >= 45);
  for (const vector of vectors.cases) {
    await context.test(vector.name, () => run(vector));
  }
});

test("no single letter of a token can be changed", async () => {
  const guard = guardFor({ revocations: [] });
  for (let at = 0; at < goodToken.length; at += 1) {
    const other = goodToken[at] === "A" ? "B" : "A";
    const changed = goodToken.slice(0, at) + other + goodToken.slice(at + 1);
    await assert.rejects(guard.authorize(changed, { action: "case.read" }), { code: "token_invalid" }, `letter ${at}`);
  }
  await guard.close();
});
