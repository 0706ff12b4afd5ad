// The cases. `token` says how the good token is changed; what is not said stays as it is.

import { DIGEST, NOW, OTHER_DIGEST, base, id } from "./base.mjs";

const error = (code, message) => (message === undefined ? { error: code } : { error: code, message });
const invalid = error("token_invalid");
const revoked = error("token_revoked");
const until = new Date((base.exp + 60) * 1000).toISOString();
const entry = (grain, target, gen) => ({ grain, target, ...(gen !== undefined && { gen }), until });

const approved = (digest, more = {}) => ({
  approval_id: id(8),
  actions: ["deploy.release"],
  authorization_details: [
    { type: "action", actions: ["deploy.release"], environment: "production", ...(digest && { artifact_digest: digest }), ...more },
  ],
});
/** A detail of an identity that is for some resources alone. */
const detailOn = (resource) => ({ type: "action", actions: ["case.comment.write", "case.read"], environment: "production", resource });
const boundTo = (...resources) => ({ authorization_details: resources.map(detailOn) });
/** A person who acts as the identity. */
const acting = { sub: `user:${id(9)}`, act: { sub: base.sub }, principal_id: id(9) };
const deploy = (more = {}) => ({ action: "deploy.release", environment: "production", ...more });

/** Bound to the key `test-holder`, or to a certificate whose digest this is. */
const JKT = "GwbMZndlRtVYJwAZhfv2zadUmifKy8a3nhk98hY_r6A";
const JKT_ED25519 = "g3xFq8RiLQAGHbn7SlP_CNaMm4bdULD5fPuXTI58Q9A";
const CERTIFICATE = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
const keyed = (more = {}) => ({ claims: { cnf: { jkt: JKT, ...more } } });
const certified = { claims: { cnf: { "x5t#S256": CERTIFICATE } } };
const proof = (dpop = {}, more = {}) => ({ dpop, ...more });

/** Everything that must pass. */
export const acceptCases = [
  { name: "a good token, ES256" },
  { name: "a good token, RS256", token: { key: "test-rs256" } },
  { name: "the long form of typ", token: { header: { typ: "application/at+jwt" } } },
  { name: "typ in another case, as media types may be", token: { header: { typ: "AT+JWT" } } },
  { name: "another allowed action", request: { action: "case.read" } },
  { name: "the environment is named and equal", request: { action: "case.read", environment: "production" } },
  { name: "a resource is named and the token binds none", request: { action: "case.read", resource: "case/42" } },
  { name: "59 s after exp, within the leeway", token: { claims: { iat: NOW - 600, exp: NOW - 59 } } },
  { name: "iat 59 s in the future, within the leeway", token: { claims: { iat: NOW + 59, exp: NOW + 600 } } },
  { name: "nbf 59 s in the future, within the leeway", token: { claims: { nbf: NOW + 59 } } },
  { name: "exactly one hour long", token: { claims: { iat: NOW - 60, exp: NOW + 3540 } } },
  { name: "no optional claim", token: { claims: optional(undefined) } },
  { name: "an unknown claim is ignored", token: { claims: { department: "support" } } },
  { name: "the actor matches the prefix, the delegator does not", token: { claims: { sub: `user:${id(9)}`, act: { sub: "bot://support/triage" } } } },
  { name: "an approved action with its digest", token: { claims: approved(DIGEST) }, request: deploy({ artifact_digest: DIGEST }) },
  { name: "an approved action with its resource", token: { claims: approved(null, { resource: "cluster/eu1" }) }, request: deploy({ resource: "cluster/eu1" }) },
  { name: "bound to a resource that nobody approved", token: { claims: boundTo("case/42") }, request: { action: "case.read", resource: "case/42" } },
  { name: "the last of several details is met", token: { claims: boundTo("case/42", "case/43") }, request: { action: "case.read", resource: "case/43" } },
  { name: "a digest is shown and the token binds none", token: { claims: approved(null) }, request: deploy({ artifact_digest: DIGEST }) },
  { name: "an entry that does not say until when", revocations: [{ grain: "token", target: id(99) }] },
  { name: "bound to a key, with a proof of it", token: keyed(), presented: proof() },
  { name: "a proof for a URL in another spelling", token: keyed(), presented: proof({ claims: { htu: "HTTPS://API.example:443/cases/42/comments?a=b#c" } }) },
  { name: "a proof for a URL without a path", token: keyed(), presented: proof({ url: "https://api.example", claims: { htu: "https://API.example:443/" } }) },
  { name: "a proof of a part of a second", token: keyed(), presented: proof({ claims: { iat: NOW + 60.5 } }) },
  { name: "a proof that says Ed25519", token: { claims: { cnf: { jkt: JKT_ED25519 } } }, presented: proof({ key: "test-holder-ed25519" }) },
  { name: "a proof that says EdDSA", token: { claims: { cnf: { jkt: JKT_ED25519 } } }, presented: proof({ key: "test-holder-ed25519", header: { alg: "EdDSA" } }) },
  { name: "a proof of 60 s ago", token: keyed(), presented: proof({ claims: { iat: NOW - 60 } }) },
  { name: "a proof of 60 s ahead", token: keyed(), presented: proof({ claims: { iat: NOW + 60 } }) },
  { name: "bound to a certificate, over its connection", token: certified, presented: { certificate: CERTIFICATE } },
  { name: "bound to both, with both", token: keyed({ "x5t#S256": CERTIFICATE }), presented: proof({}, { certificate: CERTIFICATE }) },
  { name: "bound to nothing, over a connection with a certificate", presented: { certificate: CERTIFICATE } },
  { name: "another token is revoked", revocations: [entry("token", id(99))] },
  { name: "another run is revoked", revocations: [entry("run", `${base.run.key}0`)] },
  { name: "the identity's epoch rose before the token was issued", revocations: [entry("identity", base.identity_id, 3)] },
  { name: "another tenant's epoch rose", revocations: [entry("tenant", id(99), 9)] },
  { name: "the person for whom it acts was switched on again before", token: { claims: { ...acting, gen: { ...base.gen, principal: 2 } } }, revocations: [entry("identity", acting.principal_id, 2)] },
];

/** Everything that must not. */
export const refuseCases = [
  // Form.
  { name: "two parts", token: { finish: (token) => token.split(".").slice(0, 2).join(".") }, expect: invalid },
  { name: "an empty signature", token: { finish: (token) => `${token.split(".").slice(0, 2).join(".")}.` }, expect: invalid },
  { name: "padding after the signature", token: { finish: (token) => `${token}==` }, expect: invalid },
  { name: "a base64url text with stray bits at its end", token: { finish: strayBits }, expect: invalid },
  { name: "a header that is not an object", token: { rawHeader: "[]" }, expect: invalid },
  { name: "claims that are not JSON", token: { rawClaims: "actions=case.read" }, expect: invalid },
  { name: "a claim given twice", token: { rawClaims: JSON.stringify(base).replace('"aud":', '"aud":"other-api","aud":') }, expect: invalid },
  { name: "a claim given twice, once escaped", token: { rawClaims: JSON.stringify(base).replace('"aud":', '"\\u0061ud":"other-api","aud":') }, expect: invalid },
  { name: "a header member given twice", token: { rawHeader: '{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"test-es256"}' }, expect: invalid },

  // Header.
  { name: "alg none", token: { header: { alg: "none" }, finish: (token) => `${token.split(".").slice(0, 2).join(".")}.` }, expect: invalid },
  { name: "alg none with a signature", token: { header: { alg: "none" } }, expect: invalid },
  { name: "alg NONE", token: { header: { alg: "NONE" } }, expect: invalid },
  { name: "alg HS256 keyed by the public key as PEM", token: { header: { alg: "HS256" }, finish: hmac("pem") }, expect: invalid },
  { name: "alg HS256 keyed by the public key as JWK", token: { header: { alg: "HS256" }, finish: hmac("jwk") }, expect: invalid },
  { name: "alg of another key type", token: { header: { alg: "RS256" } }, expect: invalid },
  { name: "alg PS256 with the RS256 key", token: { header: { alg: "PS256" }, key: "test-rs256" }, expect: invalid },
  { name: "alg is missing", token: { header: { alg: undefined } }, expect: invalid },
  { name: "typ JWT", token: { header: { typ: "JWT" } }, expect: invalid },
  { name: "typ of a client assertion", token: { header: { typ: "client-authentication+jwt" } }, expect: invalid },
  { name: "typ is missing", token: { header: { typ: undefined } }, expect: invalid },
  { name: "typ extended by a letter", token: { header: { typ: "at+jwts" } }, expect: invalid },
  { name: "kid is missing", token: { header: { kid: undefined } }, expect: invalid },
  { name: "kid is unknown", token: { header: { kid: "test-es2566" } }, expect: invalid },
  { name: "kid of the other key", token: { header: { kid: "test-rs256" } }, expect: invalid },
  { name: "kid is a path", token: { header: { kid: "../../test-es256" } }, expect: invalid },
  { name: "crit", token: { header: { crit: ["b64"], b64: true } }, expect: invalid },
  { name: "crit with an unknown extension", token: { header: { crit: ["https://example.com/x"], "https://example.com/x": 1 } }, expect: invalid },
  { name: "jku", token: { header: { jku: "https://attacker.example/jwks.json" } }, expect: invalid },
  { name: "x5u", token: { header: { x5u: "https://attacker.example/chain.pem" } }, expect: invalid },
  { name: "x5c", token: { header: { x5c: ["MIIB"] } }, expect: invalid },
  { name: "jwk", token: { header: { jwk: { kty: "EC", crv: "P-256", x: "AA", y: "AA" } } }, expect: invalid },

  // Signature.
  { name: "signed by a stranger under our kid", token: { key: "test-stranger", header: { kid: "test-es256" } }, expect: invalid },
  { name: "signed by a stranger under its own kid", token: { key: "test-stranger" }, expect: invalid },
  { name: "claims exchanged after signing", token: { finish: otherClaims }, expect: invalid },
  { name: "a signature of zeros", token: { finish: (token) => `${token.split(".").slice(0, 2).join(".")}.${"A".repeat(86)}` }, expect: invalid },

  // Claims: dropped, retyped.
  ...["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "txn", "identity_id", "identity_type", "tenant_id", "actions", "gen"].map((claim) => ({
    name: `${claim} is missing`,
    token: { claims: { [claim]: undefined } },
    expect: invalid,
  })),
  { name: "iss is a list", token: { claims: { iss: [base.iss] } }, expect: invalid },
  { name: "sub is a number", token: { claims: { sub: 7 } }, expect: invalid },
  { name: "aud is a list of one", token: { claims: { aud: [base.aud] } }, expect: invalid },
  { name: "aud is a list of two", token: { claims: { aud: [base.aud, "other-api"] } }, expect: invalid },
  { name: "exp is a text", token: { claims: { exp: String(base.exp) } }, expect: invalid },
  { name: "exp is null", token: { claims: { exp: null } }, expect: invalid },
  { name: "exp is infinite", token: { rawClaims: JSON.stringify(base).replace(`"exp":${base.exp}`, '"exp":1e400') }, expect: invalid },
  { name: "exp is negative", token: { claims: { exp: -1 } }, expect: invalid },
  { name: "iat is a text", token: { claims: { iat: String(base.iat) } }, expect: invalid },
  { name: "jti is not an id", token: { claims: { jti: "1" } }, expect: invalid },
  { name: "actions is a text", token: { claims: { actions: "case.comment.write" } }, expect: invalid },
  { name: "actions holds a number", token: { claims: { actions: ["case.comment.write", 1] } }, expect: invalid },
  { name: "actions holds a pattern", token: { claims: { actions: ["case.*"] } }, expect: invalid },
  { name: "gen is a number", token: { claims: { gen: 1 } }, expect: invalid },
  { name: "gen lacks the credential", token: { claims: { gen: { tenant: 1, project: 2, identity: 3 } } }, expect: invalid },
  { name: "environment is a list", token: { claims: { environment: ["production"] } }, expect: invalid },
  { name: "act is a text", token: { claims: { act: "bot://support/triage" } }, expect: invalid },
  { name: "a detail of an unknown type", token: { claims: { authorization_details: [{ type: "payment", actions: ["case.read"] }] } }, expect: invalid },
  { name: "a detail with an unknown member", token: { claims: { authorization_details: [{ type: "action", actions: ["case.read"], amount: 1 }] } }, expect: invalid },
  { name: "a detail with a digest in upper case", token: { claims: approved(DIGEST.toUpperCase().replace("SHA256", "sha256")) }, request: deploy({ artifact_digest: DIGEST }), expect: invalid },
  { name: "bound to a key and sent as a bearer token", token: { claims: { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } } }, expect: invalid },
  { name: "bound to nothing that can be proved", token: { claims: { cnf: {} } }, expect: invalid },
  { name: "bound in a way that nobody here knows", token: { claims: { cnf: { kid: "a" } } }, expect: invalid },
  { name: "bound to a key, and in another way as well", token: keyed({ jwe: "a" }), presented: proof(), expect: invalid },
  { name: "cnf is null", token: { claims: { cnf: null } }, expect: invalid },
  { name: "cnf is a text", token: { claims: { cnf: JKT } }, expect: invalid },
  { name: "jkt is shorter than a digest", token: { claims: { cnf: { jkt: JKT.slice(1) } } }, presented: proof(), expect: invalid },

  // What the sender proves (RFC 9449 §4.3, RFC 8705 §3).
  { name: "bound to a key, and no proof", token: keyed(), expect: invalid },
  { name: "bound to a key, and a certificate instead", token: keyed(), presented: { certificate: CERTIFICATE }, expect: invalid },
  { name: "a proof of another key", token: keyed(), presented: proof({ key: "test-stranger" }), expect: invalid },
  { name: "a proof for a token that is bound to nothing", presented: proof(), expect: invalid },
  { name: "bound to a certificate, and none was shown", token: certified, expect: invalid },
  { name: "bound to a certificate, and another was shown", token: certified, presented: { certificate: JKT }, expect: invalid },
  { name: "bound to both, and the certificate is missing", token: keyed({ "x5t#S256": CERTIFICATE }), presented: proof(), expect: invalid },
  { name: "a proof for another method", token: keyed(), presented: proof({ claims: { htm: "GET" } }), expect: error("proof_invalid") },
  { name: "a proof for another path", token: keyed(), presented: proof({ claims: { htu: "https://api.example/cases/43/comments" } }), expect: error("proof_invalid") },
  { name: "a proof for another host", token: keyed(), presented: proof({ claims: { htu: "https://api.example.evil/cases/42/comments" } }), expect: error("proof_invalid") },
  { name: "a proof for the path in another case", token: keyed(), presented: proof({ claims: { htu: "https://api.example/Cases/42/comments" } }), expect: error("proof_invalid") },
  { name: "a proof for the path with dots", token: keyed(), presented: proof({ claims: { htu: "https://api.example/x/../cases/42/comments" } }), expect: error("proof_invalid") },
  { name: "a proof for the path with escapes", token: keyed(), presented: proof({ claims: { htu: "https://api.example/cases/4%32/comments" } }), expect: error("proof_invalid") },
  { name: "a proof for the path with backslashes", token: keyed(), presented: proof({ claims: { htu: "https://api.example\\cases\\42\\comments" } }), expect: error("proof_invalid") },
  { name: "a proof for the host with an escape", token: keyed(), presented: proof({ claims: { htu: "https://api%2Eexample/cases/42/comments" } }), expect: error("proof_invalid") },
  { name: "a proof for the URL with a line break", token: keyed(), presented: proof({ claims: { htu: "https://api.example/cases/42/comm\nents" } }), expect: error("proof_invalid") },
  { name: "a proof of part of a second too long ago", token: keyed(), presented: proof({ claims: { iat: NOW - 60.5 } }), expect: error("proof_invalid") },
  { name: "a proof whose iat is a text", token: keyed(), presented: proof({ claims: { iat: String(NOW) } }), expect: error("proof_invalid") },
  { name: "a proof that says Ed25519 and has a key of another kind", token: keyed(), presented: proof({ header: { alg: "Ed25519" } }), expect: error("proof_invalid") },
  { name: "a proof for another token", token: keyed(), presented: proof({ claims: { ath: JKT } }), expect: error("proof_invalid") },
  { name: "a proof without the digest of the token", token: keyed(), presented: proof({ claims: { ath: undefined } }), expect: error("proof_invalid") },
  { name: "a proof of 61 s ago", token: keyed(), presented: proof({ claims: { iat: NOW - 61 } }), expect: error("proof_invalid") },
  { name: "a proof of 61 s ahead", token: keyed(), presented: proof({ claims: { iat: NOW + 61 } }), expect: error("proof_invalid") },
  { name: "a proof without jti", token: keyed(), presented: proof({ claims: { jti: undefined } }), expect: error("proof_invalid") },
  { name: "a proof of another type", token: keyed(), presented: proof({ header: { typ: "JWT" } }), expect: error("proof_invalid") },
  { name: "a proof without its key", token: keyed(), presented: proof({ header: { jwk: undefined } }), expect: error("proof_invalid") },
  { name: "a proof with a private key", token: keyed(), presented: proof({ header: { jwk: { kty: "EC", crv: "P-256", x: "a", y: "a", d: "a" } } }), expect: error("proof_invalid") },
  { name: "a proof without an algorithm", token: keyed(), presented: proof({ header: { alg: "none" } }), expect: error("proof_invalid") },
  { name: "a proof with a symmetric algorithm", token: keyed(), presented: proof({ header: { alg: "HS256", jwk: { kty: "oct", k: "AAAA" } } }), expect: error("proof_invalid") },
  { name: "a proof with a critical extension", token: keyed(), presented: proof({ header: { crit: ["b64"], b64: false } }), expect: error("proof_invalid") },

  // Issuer and audience: extended, swapped.
  { name: "iss extended by a slash", token: { claims: { iss: `${base.iss}/` } }, expect: invalid },
  { name: "iss of another tenant", token: { claims: { iss: `${base.iss}/t/other` } }, expect: invalid },
  { name: "iss in upper case", token: { claims: { iss: "https://COUNTERSIGN.example" } }, expect: invalid },
  { name: "iss of a look-alike", token: { claims: { iss: `${base.iss}.evil.example` } }, expect: invalid },
  { name: "aud of another service", token: { claims: { aud: "billing-api" } }, expect: error("token_invalid", "invalid audience") },
  { name: "aud extended by a letter", token: { claims: { aud: `${base.aud}s` } }, expect: error("token_invalid", "invalid audience") },
  { name: "aud in another case", token: { claims: { aud: "Support-Automation-API" } }, expect: error("token_invalid", "invalid audience") },
  { name: "aud is empty", token: { claims: { aud: "" } }, expect: error("token_invalid", "invalid audience") },
  { name: "aud is the issuer", token: { claims: { aud: base.iss } }, expect: error("token_invalid", "invalid audience") },

  // Time.
  { name: "61 s after exp", token: { claims: { iat: NOW - 600, exp: NOW - 61 } }, expect: error("token_expired") },
  { name: "iat 61 s in the future", token: { claims: { iat: NOW + 61, exp: NOW + 600 } }, expect: invalid },
  { name: "nbf 61 s in the future", token: { claims: { nbf: NOW + 61 } }, expect: invalid },
  { name: "nbf is a text", token: { claims: { nbf: "soon" } }, expect: invalid },
  { name: "one second longer than an hour", token: { claims: { iat: NOW - 60, exp: NOW + 3541 } }, expect: invalid },
  { name: "ninety days long", token: { claims: { exp: NOW + 90 * 86_400 } }, expect: invalid },

  // Subject.
  { name: "sub of another project", token: { claims: { sub: "bot://billing/triage" } }, expect: error("unexpected_subject", "unexpected subject") },
  { name: "sub of another kind", token: { claims: { sub: "agent://support/triage", identity_kind: "agent" } }, expect: error("unexpected_subject", "unexpected subject") },
  { name: "sub of a project whose name begins alike", token: { claims: { sub: "bot://support-evil/triage" } }, expect: error("unexpected_subject", "unexpected subject") },
  { name: "sub in another case", token: { claims: { sub: "BOT://support/triage" } }, expect: error("unexpected_subject", "unexpected subject") },
  { name: "the delegator matches the prefix, the actor does not", token: { claims: { act: { sub: "agent://other/helper" } } }, expect: error("unexpected_subject", "unexpected subject") },

  // Action, environment, resource, artifact.
  { name: "an action that is not in the token", request: { action: "case.delete" }, expect: error("action_not_allowed", "bot is not allowed to perform case.delete") },
  { name: "an action that begins like an allowed one", request: { action: "case.read.all" }, expect: error("action_not_allowed", "bot is not allowed to perform case.read.all") },
  { name: "an action that an allowed one begins with", request: { action: "case.comment" }, expect: error("action_not_allowed", "bot is not allowed to perform case.comment") },
  { name: "no actions at all", token: { claims: { actions: [] } }, expect: error("action_not_allowed", "bot is not allowed to perform case.comment.write") },
  { name: "an action that stands in the scope only", token: { claims: { scope: "deploy.release", actions: ["case.read"] } }, request: { action: "deploy.release" }, expect: error("action_not_allowed", "bot is not allowed to perform deploy.release") },
  { name: "a pipeline is told its own kind", token: { claims: { identity_kind: "pipeline" } }, request: { action: "deploy.release" }, expect: error("action_not_allowed", "pipeline is not allowed to perform deploy.release") },
  { name: "another environment", request: { action: "case.read", environment: "staging" }, expect: error("environment_mismatch", "token is for environment production, not staging") },
  { name: "an environment is named and the token has none", token: { claims: { environment: undefined } }, request: { action: "case.read", environment: "production" }, expect: error("environment_mismatch", "token is for environment none, not production") },
  { name: "a staging token for production", token: { claims: { environment: "staging" } }, request: { action: "case.read", environment: "production" }, expect: error("environment_mismatch") },
  { name: "another artifact", token: { claims: approved(DIGEST) }, request: deploy({ artifact_digest: OTHER_DIGEST }), expect: error("digest_mismatch", "artifact digest does not match what was approved") },
  { name: "no artifact", token: { claims: approved(DIGEST) }, request: deploy(), expect: error("digest_mismatch", "artifact digest does not match what was approved") },
  { name: "another resource", token: { claims: approved(null, { resource: "cluster/eu1" }) }, request: deploy({ resource: "cluster/eu2" }), expect: error("resource_mismatch", "resource does not match what the token is bound to") },
  { name: "no resource", token: { claims: approved(null, { resource: "cluster/eu1" }) }, request: deploy(), expect: error("resource_mismatch", "resource does not match what the token is bound to") },
  { name: "another resource, and nothing was approved", token: { claims: boundTo("case/42") }, request: { action: "case.read", resource: "case/43" }, expect: error("resource_mismatch", "resource does not match what the token is bound to") },
  { name: "no resource, and nothing was approved", token: { claims: boundTo("case/42") }, request: { action: "case.read" }, expect: error("resource_mismatch") },
  { name: "a resource of none of several details", token: { claims: boundTo("case/42", "case/43") }, request: { action: "case.read", resource: "case/44" }, expect: error("resource_mismatch") },
  { name: "the first of several details is met but for its artifact", token: { claims: { authorization_details: [{ ...detailOn("case/42"), artifact_digest: DIGEST }, detailOn("case/43")] } }, request: { action: "case.read", resource: "case/42" }, expect: error("digest_mismatch") },

  // Revocations.
  { name: "the token is revoked", revocations: [entry("token", base.jti)], expect: revoked },
  { name: "the token is revoked, by an entry with neither epoch nor end", revocations: [{ grain: "token", target: base.jti }], expect: revoked },
  { name: "the run is revoked", revocations: [entry("run", base.run.key)], expect: revoked },
  { name: "the chain is revoked", revocations: [entry("chain", base.chain_id)], expect: revoked },
  { name: "the credential is revoked", revocations: [entry("credential", base.credential_id)], expect: revoked },
  { name: "the credential's epoch rose", revocations: [entry("credential", base.credential_id, 5)], expect: revoked },
  { name: "the trust rule is revoked", revocations: [entry("trust_rule", base.credential_id)], expect: revoked },
  { name: "the issuer is revoked", revocations: [entry("issuer", base.issuer_id)], expect: revoked },
  { name: "the identity is revoked", revocations: [entry("identity", base.identity_id)], expect: revoked },
  { name: "the identity's epoch rose", revocations: [entry("identity", base.identity_id, 4)], expect: revoked },
  { name: "the person for whom it acts was switched off", token: { claims: acting }, revocations: [entry("identity", acting.principal_id, 1)], expect: revoked },
  { name: "the person for whom it acts was switched off once more", token: { claims: { ...acting, gen: { ...base.gen, principal: 2 } } }, revocations: [entry("identity", acting.principal_id, 3)], expect: revoked },
  { name: "the project's epoch rose", revocations: [entry("project", base.project_id, 3)], expect: revoked },
  { name: "the tenant's epoch rose", revocations: [entry("tenant", base.tenant_id, 2)], expect: revoked },
  { name: "an older entry does not hide a newer one", revocations: [entry("tenant", base.tenant_id, 2), entry("tenant", base.tenant_id, 1)], expect: revoked },
  { name: "revoked, 59 s after exp", token: { claims: { iat: NOW - 600, exp: NOW - 59 } }, revocations: [entry("token", base.jti)].map((revocation) => ({ ...revocation, until: new Date((NOW - 59) * 1000).toISOString() })), expect: revoked },
];

/** The optional claims, each set to `value`. */
function optional(value) {
  const names = ["scope", "identity_kind", "project_id", "environment", "credential_id", "issuer_id", "chain_id", "run"];
  return Object.fromEntries(names.map((name) => [name, value]));
}

/** The last letter of the signature with a bit set that no byte holds. */
function strayBits(token) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)) + 1];
}

function hmac(form) {
  return (token, tools) => {
    const input = token.split(".").slice(0, 2).join(".");
    return `${input}.${tools.hmac(input, form)}`;
  };
}

function otherClaims(token, { base64url }) {
  const [header, , signature] = token.split(".");
  return `${header}.${base64url(JSON.stringify({ ...base, actions: ["case.comment.write", "case.delete"] }))}.${signature}`;
}
