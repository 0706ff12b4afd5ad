import { createHash } from "node:crypto";

import { EmbeddedJWK, calculateJwkThumbprint, compactVerify, decodeProtectedHeader, type JWK } from "jose";

import type { AccessClaims } from "./claims.js";
import { GuardError, KeyError } from "./errors.js";
import { asObject, parseStrict } from "./json.js";

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

/** Whether the sender holds all that the token is bound to; each proof counts once. */
export class Senders {
  readonly #seen = new Map<string, number>();

  async check(claims: AccessClaims, { token, dpop, certificate }: Presented, now: number): Promise<void> {
    const { cnf } = claims;
    if (!cnf && !dpop) return;
    const proof = dpop && (await verifyProof(token, dpop, now));
    if (cnf?.jkt !== undefined && proof?.key !== cnf.jkt) {
      const which = proof ? "another key than that of the DPoP proof" : "a key: send it as `Authorization: DPoP`, with a proof of that key";
      throw new KeyError("token_invalid", `the token is bound to ${which}`);
    }
    const bound = cnf?.["x5t#S256"];
    if (bound !== undefined && bound !== certificate) {
      throw new GuardError("token_invalid", "the token is bound to a certificate that this connection has not shown");
    }
    if (!proof) return;
    if (cnf?.jkt === undefined) {
      throw new KeyError("token_invalid", "the token is bound to no key: it is sent as `Authorization: Bearer`");
    }
    this.#useUp(proof, now);
  }

  /** Called only for who holds a good token that is bound to the proof's key: nobody else can fill this. */
  #useUp({ name, until }: Checked, now: number): void {
    if (this.#seen.has(name)) throw new KeyError("proof_invalid", "this DPoP proof was used before: make a new one for each request");
    if (this.#seen.size >= MOST_PROOFS) {
      for (const [seen, end] of this.#seen) if (end <= now) this.#seen.delete(seen);
      // To forget one would be to take it again.
      if (this.#seen.size >= MOST_PROOFS) throw new GuardError("too_many_proofs", "more DPoP proofs come than this guard can remember");
    }
    this.#seen.set(name, until);
  }
}

interface Checked {
  readonly key: string;
  readonly name: string;
  readonly until: number;
}

/** The checks of RFC 9449 §4.3, but that it was not used before. */
async function verifyProof(token: string, { proof, method, url }: Proof, now: number): Promise<Checked> {
  if (proof.length > MAX_PROOF) throw invalid("is too long");
  const { claims, key } = await readProof(proof);
  if (claims["htm"] !== method) throw invalid("has `htm` of another method");
  const found = typeof claims["htu"] === "string" ? normal(claims["htu"]) : undefined;
  if (found === undefined || found !== normal(url)) throw invalid("has `htu` of another URL");
  const { iat, jti } = claims;
  if (!Number.isSafeInteger(iat) || Math.abs((iat as number) - now) > WINDOW) throw invalid("has an `iat` that is not within a minute of the clock");
  if (typeof jti !== "string" || jti === "") throw invalid("has no `jti`");
  if (claims["ath"] !== createHash("sha256").update(token).digest("base64url")) throw invalid("has `ath` of another token");
  return { key, name: `${key} ${jti}`, until: (iat as number) + 2 * WINDOW };
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
    const { payload } = await compactVerify(proof, EmbeddedJWK, { algorithms: PROOF_ALGORITHMS });
    const claims = asObject(parseStrict(payload));
    if (!claims) throw new TypeError("the claims are not an object");
    return { claims, key: await calculateJwkThumbprint(jwk as JWK, "sha256") };
  } catch (error) {
    throw new KeyError("proof_invalid", "the DPoP proof does not verify", { cause: error });
  }
}

/** Without query and fragment, as RFC 3986 §6.2.2 and §6.2.3 normalise it. */
function normal(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!["http:", "https:"].includes(url.protocol) || url.username || url.password) return undefined;
  return `${url.protocol}//${url.host}${url.pathname}`;
}

const isCanonical = (part: string): boolean =>
  /^[A-Za-z0-9_-]+$/.test(part) && Buffer.from(part, "base64url").toString("base64url") === part;
const invalid = (what: string): GuardError => new KeyError("proof_invalid", `the DPoP proof ${what}`);

/** The algorithms that proofs may be signed with. */
export const PROOF_ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "EdDSA"];
const DPOP = /^(application\/)?dpop\+jwt$/i;
const HEADER = ["alg", "jwk", "kid", "typ"];
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const MAX_PROOF = 4 * 1024;
const WINDOW = 60;
const MOST_PROOFS = 100_000;
