import { createHash } from "node:crypto";

import { EmbeddedJWK, calculateJwkThumbprint, compactVerify, decodeProtectedHeader, type JWK } from "jose";

import type { AccessClaims } from "./claims.js";
import { GuardError, KeyError } from "./errors.js";
import { asObject, parseStrict } from "./json.js";
import type { Checked } from "./proofs.js";

/** A token as it came, with what its sender proves to hold. A text alone is a bearer token. */
export interface Presented {
  readonly token: string;
  /** The proof of the `DPoP` header, for a token that came as `Authorization: DPoP` (RFC 9449). */
  readonly dpop?: Proof;
  /**
   * SHA-256 of the certificate (DER) that the TLS connection was made with, in base64url (RFC 8705). Never take it from a
   * header, unless that can come from your own proxy alone (RFC 9440).
   */
  readonly certificate?: string;
}

/** A proof, and the request that it must be for. */
export interface Proof {
  readonly proof: string;
  readonly method: string;
  /** The URL that the caller called, with scheme and host; query and fragment do not count. */
  readonly url: string;
}

/** Whether the sender holds all that the token is bound to: the proof that it came with, which is not used up yet. */
export async function checkSender(claims: AccessClaims, { token, dpop, certificate }: Presented, now: number): Promise<Checked | undefined> {
  const { cnf } = claims;
  if (!cnf && !dpop) return undefined;
  const proof = dpop && (await verifyProof(token, dpop, now));
  if (cnf?.jkt !== undefined && proof?.key !== cnf.jkt) {
    const which = proof ? "another key than that of the DPoP proof" : "a key: send it as `Authorization: DPoP`, with a proof of that key";
    throw new KeyError("token_invalid", `the token is bound to ${which}`);
  }
  const bound = cnf?.["x5t#S256"];
  if (bound !== undefined && bound !== certificate) {
    throw new GuardError("token_invalid", "the token is bound to a certificate that this connection has not shown");
  }
  if (proof && cnf?.jkt === undefined) {
    throw new KeyError("token_invalid", "the token is bound to no key: it is sent as `Authorization: Bearer`");
  }
  return proof;
}

/** The checks of RFC 9449 §4.3, but that it was not used before. */
export async function verifyProof(token: string, { proof, method, url }: Proof, now: number): Promise<Checked> {
  if (proof.length > MAX_PROOF) throw invalid("is too long");
  const { claims, key } = await readProof(proof);
  if (claims["htm"] !== method) throw invalid("has `htm` of another method");
  const found = typeof claims["htu"] === "string" ? normal(claims["htu"]) : undefined;
  if (found === undefined || found !== normal(url)) throw invalid("has `htu` of another URL");
  const { jti } = claims;
  // A NumericDate may have a fraction (RFC 7519 §2): it counts in whole seconds.
  const iat = typeof claims["iat"] === "number" ? Math.floor(claims["iat"]) : Number.NaN;
  if (!(Math.abs(iat - now) <= WINDOW)) throw invalid("has an `iat` that is not within a minute of the clock");
  if (typeof jti !== "string" || jti === "") throw invalid("has no `jti`");
  if (claims["ath"] !== createHash("sha256").update(token).digest("base64url")) throw invalid("has `ath` of another token");
  return { key, name: createHash("sha256").update(jti).digest("base64"), until: iat + 2 * WINDOW };
}

async function readProof(proof: string): Promise<{ claims: Record<string, unknown>; key: string }> {
  try {
    const [head = "", ...rest] = proof.split(".");
    if (rest.length !== 2 || ![head, ...rest].every(isCanonical)) throw new TypeError("not a compact JWS");
    const header = asObject(parseStrict(Buffer.from(head, "base64url")));
    const { typ, jwk } = decodeProtectedHeader(proof);
    if (!header || typeof typ !== "string" || !DPOP.test(typ)) throw new TypeError("not a proof");
    if (!jwk || Object.keys(header).some((name) => !HEADER.includes(name))) throw new TypeError("no key, or too much in the header");
    if (PRIVATE.some((member) => Object.hasOwn(jwk, member))) throw new TypeError("a private key");
    const { payload } = await compactVerify(proof, EmbeddedJWK, { algorithms: TAKEN });
    const claims = asObject(parseStrict(payload));
    if (!claims) throw new TypeError("the claims are not an object");
    return { claims, key: await calculateJwkThumbprint(jwk as JWK, "sha256") };
  } catch (error) {
    throw new KeyError("proof_invalid", "the DPoP proof does not verify", { cause: error });
  }
}

/**
 * A URL without query and fragment, its scheme and host in lower case, without the scheme's own port and with a path
 * (RFC 3986 §6.2.2.1, §6.2.3). Escapes and dots in the path stand as they were written: who makes a proof and who checks it
 * read the same request.
 */
function normal(url: string): string | undefined {
  const [, scheme = "", authority = "", path = ""] = /^(https?):\/\/([^/?#@]+)(\/[^?#]*)?(?:[?#]|$)/is.exec(url) ?? [];
  if (!scheme) return undefined;
  const lower = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const port = scheme.length === "https".length ? ":443" : ":80";
  const host = lower(authority);
  return `${lower(scheme)}://${host.endsWith(port) ? host.slice(0, -port.length) : host}${path || "/"}`;
}

const isCanonical = (part: string): boolean =>
  /^[A-Za-z0-9_-]+$/.test(part) && Buffer.from(part, "base64url").toString("base64url") === part;
const invalid = (what: string): GuardError => new KeyError("proof_invalid", `the DPoP proof ${what}`);

/** The algorithms that proofs may be signed with, as metadata list them. */
export const PROOF_ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "EdDSA"];
/** `EdDSA` has a second name (RFC 9864 §2.2). */
const TAKEN = [...PROOF_ALGORITHMS, "Ed25519"];
const DPOP = /^(application\/)?dpop\+jwt$/i;
const HEADER = ["alg", "jwk", "kid", "typ"];
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const MAX_PROOF = 4 * 1024;
const WINDOW = 60;
