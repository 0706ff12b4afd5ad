// Writes guard.json: what every guard must accept and refuse, whatever language it is written in.
//
//     node sdk/vectors/generate.mjs
//
// Needs Node alone. Each case changes one thing in a token that is otherwise good. A case whose header and claims did
// not change keeps its signature, so that the file changes only where a case did.

import { createHash, createHmac, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { acceptCases, refuseCases } from "./cases.mjs";
import { DIGEST, METHOD, NOW, URL_OF_CASES, base } from "./base.mjs";

const file = (name) => new URL(name, import.meta.url);
const { keys } = JSON.parse(readFileSync(file("test-keys.json"), "utf8"));
const previous = existsSync(file("guard.json")) ? JSON.parse(readFileSync(file("guard.json"), "utf8")).cases : [];
const given = [...acceptCases, ...refuseCases];

// Signatures of the last run, by the key that made them and what they cover. A case with `finish` breaks its own.
const kept = new Map();
for (const { name, token, presented } of previous) {
  const definition = given.find((one) => one.name === name);
  if (!definition) continue;
  const keep = (key, text) => kept.set(`${key} ${text.slice(0, text.lastIndexOf("."))}`, text);
  if (!definition.token?.finish) keep(definition.token?.key ?? "test-es256", token);
  if (presented?.dpop) keep(definition.presented.dpop.key ?? "test-holder", presented.dpop.proof);
}

const base64url = (text) => Buffer.from(text).toString("base64url");

/** The token of a case: `header` and `claims` are changed copies, or texts to be taken as they are. */
function token({ header = {}, claims = {}, rawHeader, rawClaims, key = "test-es256", finish }) {
  const fullHeader = without({ alg: keys[key].alg, typ: "at+jwt", kid: key, ...header });
  const fullClaims = without({ ...base, ...claims });
  const input = [rawHeader ?? JSON.stringify(fullHeader), rawClaims ?? JSON.stringify(fullClaims)].map(base64url).join(".");
  const signed = kept.get(`${key} ${input}`) ?? `${input}.${signature(input, keys[key])}`;
  kept.set(`${key} ${input}`, signed);
  return finish ? finish(signed, tools) : signed;
}

/** What came with the token of a case: a proof, or the digest of a certificate. */
function presented(token, { dpop, ...rest }) {
  if (!dpop) return rest;
  const { key = "test-holder", header = {}, claims = {}, method = METHOD, url = URL_OF_CASES } = dpop;
  const { d, kid, alg, use, ...jwk } = keys[key];
  const ath = createHash("sha256").update(token).digest("base64url");
  const fullHeader = without({ typ: "dpop+jwt", alg, jwk, ...header });
  const fullClaims = without({ jti: "proof-1", htm: METHOD, htu: URL_OF_CASES, iat: NOW, ath, ...claims });
  const input = [fullHeader, fullClaims].map((part) => base64url(JSON.stringify(part))).join(".");
  const proof = kept.get(`${key} ${input}`) ?? `${input}.${signature(input, keys[key])}`;
  return { ...rest, dpop: { proof, method, url } };
}

function signature(input, jwk) {
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  const digest = jwk.kty === "OKP" ? null : "sha256";
  return sign(digest, Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }).toString("base64url");
}

/** Members set to `undefined` are left out. */
function without(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** What the cases with a broken signature need. */
const tools = {
  /** Signs the input with HMAC, keyed by a published key in the form that verifiers hold it. */
  hmac: (input, form) => {
    const { d, p, q, dp, dq, qi, ...jwk } = keys["test-es256"];
    const pem = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" });
    return createHmac("sha256", form === "pem" ? pem : JSON.stringify(jwk)).update(input).digest("base64url");
  },
  base64url,
};

const publicKeys = Object.values(keys)
  .filter(({ kid }) => !["test-stranger", "test-holder", "test-holder-ed25519"].includes(kid))
  .map(({ d, p, q, dp, dq, qi, ...jwk }) => jwk);

const request = { action: "case.comment.write" };
const cases = given.map((one) => {
  const text = token(one.token ?? {});
  return {
    name: one.name,
    token: text,
    ...(one.presented && { presented: presented(text, one.presented) }),
    request: one.request ?? request,
    revocations: one.revocations ?? [],
    expect: one.expect ?? { ok: true },
  };
});

const names = new Set(cases.map(({ name }) => name));
if (names.size !== cases.length) throw new Error("two cases have the same name");

const vectors = {
  description:
    "Every guard runs these cases at the instant `now` (seconds since the epoch), with `jwks` as the issuer's key set, " +
    "the case's `revocations` as the only entries of a fresh feed, and a leeway of 60 s. `expect.error` is the code; " +
    "`expect.message`, where given, is the whole text. See README.md for the codes.",
  issuer: base.iss,
  audience: base.aud,
  subject_prefix: "bot://support/",
  now: NOW,
  artifact_digest: DIGEST,
  jwks: { keys: publicKeys },
  cases,
};
writeFileSync(file("guard.json"), `${JSON.stringify(vectors, null, 2)}\n`);
console.log(`${cases.length} cases`);
