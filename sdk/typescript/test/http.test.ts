import assert from "node:assert/strict";
import { test } from "node:test";

import { createGuard, guardExpress, guardFetch, type ExpressRequest, type ExpressResponse } from "../src/index.js";
import { goodToken, vectors } from "./support.js";

const { issuer, audience, subject_prefix: subjectPrefix, jwks } = vectors;
const guard = createGuard({ issuer, audience, subjectPrefix, jwks, now: () => vectors.now * 1000 });
const options = { resourceMetadata: "https://api.example/.well-known/oauth-protected-resource" };
const handler = guardFetch(
  guard,
  (request) => ({ action: new URL(request.url).pathname.slice(1) }),
  (_request, claims) => new Response(`hello ${claims.sub}`),
  options,
);

const get = (path: string, authorization?: string) =>
  handler(new Request(`https://api.example${path}`, authorization === undefined ? {} : { headers: { authorization } }));

test("a request with the right token reaches the handler with its claims", async () => {
  const response = await get("/case.read", `Bearer ${goodToken}`);
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "hello bot://support/triage");
  assert.equal((await get("/case.read", `bearer ${goodToken}`)).status, 200);
});

test("a request without a token is challenged without an error", async () => {
  const response = await get(`/case.read?access_token=${goodToken}`);
  assert.equal(response.status, 401);
  assert.equal(response.headers.get("www-authenticate"), `Bearer resource_metadata="${options.resourceMetadata}"`);
});

test("a bad token is 401 invalid_token, and the token is not echoed", async () => {
  const bad = `${goodToken.slice(0, -4)}AAAA`;
  const response = await get("/case.read", `Bearer ${bad}`);
  assert.equal(response.status, 401);
  assert.match(response.headers.get("www-authenticate") ?? "", /^Bearer error="invalid_token", error_description="/);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const body = await response.text();
  assert.ok(!body.includes(bad));
  assert.equal((JSON.parse(body) as { reason_code: string }).reason_code, "token_invalid");
});

test("an action that is not allowed is 403 insufficient_scope and names it", async () => {
  const response = await get("/case.delete", `Bearer ${goodToken}`);
  assert.equal(response.status, 403);
  const challenge = response.headers.get("www-authenticate") ?? "";
  assert.match(challenge, /error="insufficient_scope", error_description="bot is not allowed to perform case.delete", scope="case.delete"/);
});

test("nothing that a caller writes breaks out of the challenge", async () => {
  const response = await get('/x%22,evil="1', `Bearer ${goodToken}`);
  assert.equal(response.status, 403);
  assert.ok(!(response.headers.get("www-authenticate") ?? "").includes('evil="1"'));
});

test("malformed Authorization headers are 401", async () => {
  for (const header of ["Bearer", "Bearer a b", "Basic abc", `Bearer ${goodToken}, Bearer ${goodToken}`, "bearer \"x\"", "DPoP x"]) {
    assert.equal((await get("/case.read", header)).status, 401, header);
  }
});

test("the Express middleware calls next, or answers", async () => {
  const middleware = guardExpress(guard, () => ({ action: "case.read" }), options);
  const run = async (authorization?: string) => {
    const sent = { headers: {} as Record<string, string>, body: "", next: 0 };
    const response: ExpressResponse = {
      statusCode: 200,
      setHeader: (name, value) => (sent.headers[name] = value),
      end: (body) => (sent.body = body),
    };
    const request: ExpressRequest = { headers: { authorization } };
    await middleware(request, response, (error) => {
      assert.equal(error, undefined);
      sent.next += 1;
    });
    return { ...sent, status: response.statusCode, claims: request.countersign };
  };
  const good = await run(`Bearer ${goodToken}`);
  assert.deepEqual([good.next, good.status, good.claims?.sub], [1, 200, "bot://support/triage"]);
  const none = await run();
  assert.deepEqual([none.next, none.status], [0, 401]);
  assert.ok(none.headers["www-authenticate"]?.startsWith("Bearer"));
});

test("an error that is not the guard's goes to the framework", async () => {
  const middleware = guardExpress(guard, () => {
    throw new RangeError("mine");
  });
  let passed: unknown;
  const response: ExpressResponse = { statusCode: 200, setHeader: () => undefined, end: () => undefined };
  await middleware({ headers: { authorization: `Bearer ${goodToken}` } }, response, (error) => (passed = error));
  assert.ok(passed instanceof RangeError);
});
