import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWTHeaderParameters } from "jose";

import { createGuard, guardExpress, guardFetch, type GuardError, type ExpressRequest, type ExpressResponse } from "../src/index.js";
import { goodToken, mint, vectors } from "./support.js";

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

/** A key of a client, and tokens that are bound to it. */
async function holder() {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwk = await exportJWK(publicKey);
  const token = await mint({ cnf: { jkt: await calculateJwkThumbprint(jwk) } });
  let count = 0;
  const prove = (method: string, url: string, of = token) =>
    new SignJWT({ jti: String((count += 1)), htm: method, htu: url, ath: createHash("sha256").update(of).digest("base64url") })
      .setProtectedHeader({ typ: "dpop+jwt", alg: "ES256", jwk })
      .setIssuedAt(vectors.now)
      .sign(privateKey);
  return { token, prove };
}

test("a token that is bound to a key reaches the handler with a proof of it, once", async () => {
  const { token, prove } = await holder();
  const bound = guardFetch(guard, () => ({ action: "case.read" }), () => new Response("hello"), { ...options, publicUrl: "https://api.example/" });
  const url = "https://api.example/cases/42";
  const call = (scheme: string, dpop?: string, at = bound) =>
    at(new Request(`${url}?full=1`, { headers: { authorization: `${scheme} ${token}`, ...(dpop && { dpop }) } }));
  const proof = await prove("GET", url);
  assert.equal((await call("DPoP", proof)).status, 200);
  const again = await call("DPoP", proof);
  assert.equal(again.status, 401);
  assert.match(again.headers.get("www-authenticate") ?? "", /^DPoP error="invalid_dpop_proof".*algs="ES256 /);
  const stolen = await call("Bearer");
  assert.equal(stolen.status, 401);
  assert.match(stolen.headers.get("www-authenticate") ?? "", /^DPoP error="invalid_token".*algs="ES256 /);
  for (const [scheme, dpop] of [
    ["Bearer", await prove("GET", url)],
    ["DPoP", undefined],
    ["DPoP", await prove("POST", url)],
    ["DPoP", await prove("GET", `${url}/other`)],
    ["DPoP", await prove("GET", url, goodToken)],
    ["DPoP", `${await prove("GET", url)}, ${await prove("GET", url)}`],
  ] as const) {
    assert.equal((await call(scheme, dpop)).status, 401, `${scheme} ${dpop}`);
  }
  const without = await call("DPoP");
  assert.match(without.headers.get("www-authenticate") ?? "", /^DPoP error="invalid_dpop_proof".*algs="ES256 /);
  assert.equal(((await without.json()) as { reason_code: string }).reason_code, "proof_invalid");
  // A server that does not know its own URL cannot tell which requests a proof is for.
  assert.equal((await call("DPoP", await prove("GET", url), guardFetch(guard, () => ({ action: "case.read" }), () => new Response("hello")))).status, 401);
});

test("the proof of what is refused is not kept", async () => {
  const { token, prove } = await holder();
  const [method, url] = ["GET", "https://api.example/cases/42"];
  const dpop = { proof: await prove(method, url), method, url };
  for (let times = 0; times < 2; times += 1) {
    await assert.rejects(guard.authorize({ token, dpop }, { action: "case.delete" }), { code: "action_not_allowed" });
  }
  await guard.authorize({ token, dpop }, { action: "case.read" });
  await assert.rejects(guard.authorize({ token, dpop }, { action: "case.read" }), { code: "proof_invalid" });
});

test("every check of a proof refuses", async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const [jwk, secret] = [await exportJWK(publicKey), await exportJWK(privateKey)];
  const token = await mint({ cnf: { jkt: await calculateJwkThumbprint(jwk) } });
  const [method, url, ath] = ["GET", "https://api.example/cases/42", createHash("sha256").update(token).digest("base64url")];
  const other = await generateKeyPair("ES256");
  const ask = async (header: Record<string, unknown>, claims: Record<string, unknown>, key = privateKey) => {
    const all = { jti: `proof-${(count += 1)}`, htm: method, htu: url, ath, iat: vectors.now, ...claims };
    const head = { typ: "dpop+jwt", alg: "ES256", jwk, ...header } as unknown as JWTHeaderParameters;
    const proof = await new SignJWT(all).setProtectedHeader(head).sign(key);
    return guard.authorize({ token, dpop: { proof, method, url } }, { action: "case.read" }).then(() => "ok", (error: GuardError) => error.code);
  };
  let count = 0;
  for (const claims of [{}, { iat: vectors.now - 60 }, { iat: vectors.now + 60 }, { htu: "HTTPS://API.example:443/cases/42?a=b#c" }]) {
    assert.equal(await ask({}, claims), "ok", JSON.stringify(claims));
  }
  for (const claims of [
    { iat: vectors.now - 61 }, { iat: vectors.now + 61 }, { iat: undefined }, { jti: undefined }, { jti: "" }, { htm: "POST" }, { htm: undefined },
    { htu: "https://api.example/cases/43" }, { htu: "https://api.example.evil/cases/42" }, { htu: "https://u@api.example/cases/42" }, { htu: "/cases/42" },
    { ath: undefined }, { ath: "x" },
  ]) {
    assert.equal(await ask({}, claims), "proof_invalid", JSON.stringify(claims));
  }
  for (const header of [{ typ: "JWT" }, { typ: undefined }, { jwk: undefined }, { jwk: secret }, { x5c: ["AAAA"] }, { jku: "https://evil.example" }]) {
    assert.equal(await ask(header, {}), "proof_invalid", JSON.stringify(header));
  }
  assert.equal(await ask({}, {}, other.privateKey), "proof_invalid", "signed with another key than it shows");
  assert.equal(await ask({ jwk: await exportJWK(other.publicKey) }, {}, other.privateKey), "token_invalid", "another key");
});

test("the Express middleware reads proof and certificate from the request and its socket", async () => {
  const { token, prove } = await holder();
  const certificate = Buffer.from("der");
  const certified = await mint({ cnf: { "x5t#S256": createHash("sha256").update(certificate).digest("base64url") } });
  const middleware = guardExpress(guard, () => ({ action: "case.read" }), { publicUrl: "https://api.example" });
  const run = async (more: Partial<ExpressRequest>, authorization: string, dpop?: string) => {
    let next = 0;
    const response: ExpressResponse = { statusCode: 200, setHeader: () => undefined, end: () => undefined };
    await middleware({ headers: { authorization, dpop }, method: "GET", originalUrl: "/cases/42?full=1", ...more }, response, () => (next += 1));
    return next;
  };
  const proof = () => prove("GET", "https://api.example/cases/42");
  assert.equal(await run({}, `DPoP ${token}`, await proof()), 1);
  assert.equal(await run({ originalUrl: "/cases/43" }, `DPoP ${token}`, await proof()), 0);
  assert.equal(await run({}, `Bearer ${token}`), 0);
  const socket = (raw?: Uint8Array) => ({ socket: { getPeerCertificate: () => (raw ? { raw } : {}) } });
  assert.equal(await run(socket(certificate), `Bearer ${certified}`), 1);
  assert.equal(await run(socket(Buffer.from("other")), `Bearer ${certified}`), 0);
  assert.equal(await run(socket(), `Bearer ${certified}`), 0);
  assert.equal(await run({}, `Bearer ${certified}`), 0);
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
