import { compactVerify, errors, type CompactVerifyGetKey } from "jose";

import { parseClaims, type AccessClaims } from "./claims.js";
import { GuardError } from "./errors.js";
import { asObject, parseStrict } from "./json.js";

/** Whose tokens, for whom, by which keys, and when. */
export interface Verification {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: CompactVerifyGetKey;
  /** Seconds since the epoch. */
  readonly now: number;
}

/**
 * Verifies a token and returns its claims, parsed from the very bytes that the signature covers. A strict gate stands
 * before the JOSE library: it decides what may reach it at all.
 */
export async function verifyAccessToken(token: string, { issuer, audience, keys, now }: Verification): Promise<AccessClaims> {
  checkForm(token);
  const payload = await verifySignature(token, keys);
  const claims = parseClaims(parse(payload, "the claims are not strict JSON"));
  if (claims.iss !== issuer) throw new GuardError("token_invalid", "invalid issuer");
  if (claims.aud !== audience) throw new GuardError("token_invalid", "invalid audience");
  checkTime(claims, now);
  return claims;
}

/** Seconds that clocks may differ. The revocations of a token are kept as much longer. */
export const LEEWAY = 60;

function checkForm(token: string): void {
  if (token.length > MAX_LENGTH) throw new GuardError("token_invalid", "the token is too long");
  const parts = token.split(".");
  if (parts.length !== 3 || !parts.every(isCanonical)) throw new GuardError("token_invalid", "not a compact JWS");
  const header = asObject(parse(Buffer.from(parts[0] ?? "", "base64url"), "the header is not strict JSON"));
  if (!header) throw new GuardError("token_invalid", "the header is not an object");
  if (typeof header["alg"] !== "string" || !ALGORITHMS.includes(header["alg"])) {
    throw new GuardError("token_invalid", `the algorithm is not one of ${ALGORITHMS.join(", ")}`);
  }
  if (typeof header["typ"] !== "string" || !ACCESS_TOKEN.test(header["typ"])) {
    throw new GuardError("token_invalid", "not an access token: typ is not at+jwt");
  }
  if (typeof header["kid"] !== "string") throw new GuardError("token_invalid", "the header names no key");
  const refused = REFUSED_MEMBERS.find((name) => Object.hasOwn(header, name));
  if (refused) throw new GuardError("token_invalid", `the header has the member ${refused}`);
}

async function verifySignature(token: string, keys: CompactVerifyGetKey): Promise<Uint8Array> {
  try {
    const { payload } = await compactVerify(token, keys, { algorithms: ALGORITHMS });
    return payload;
  } catch (error) {
    if (error instanceof GuardError) throw error;
    if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
      throw new GuardError("token_invalid", "no key of the issuer fits the header");
    }
    if (error instanceof errors.JWSSignatureVerificationFailed) {
      throw new GuardError("token_invalid", "the signature does not verify");
    }
    if (error instanceof errors.JWKSTimeout || error instanceof TypeError || isUnreachable(error)) {
      throw new GuardError("keys_unavailable", "the issuer's keys cannot be had now", { cause: error });
    }
    throw new GuardError("token_invalid", "the token does not verify", { cause: error });
  }
}

function checkTime({ exp, iat, nbf }: AccessClaims, now: number): void {
  if (exp <= iat) throw new GuardError("token_invalid", "the token expires before it was issued");
  if (now >= exp + LEEWAY) throw new GuardError("token_expired", "the token is expired");
  if (iat > now + LEEWAY) throw new GuardError("token_invalid", "the token was issued in the future");
  if (nbf !== undefined && nbf > now + LEEWAY) throw new GuardError("token_invalid", "the token is not valid yet");
  if (exp - iat > MAX_LIFETIME) {
    throw new GuardError("token_invalid", "the token lives longer than an hour: exchange it for a short one");
  }
}

function parse(bytes: Uint8Array, otherwise: string): unknown {
  try {
    return parseStrict(bytes);
  } catch (error) {
    throw new GuardError("token_invalid", otherwise, { cause: error });
  }
}

/** One spelling for every sequence of bytes: no padding, no stray bits, no other alphabet. */
function isCanonical(part: string): boolean {
  return /^[A-Za-z0-9_-]+$/.test(part) && Buffer.from(part, "base64url").toString("base64url") === part;
}

/** The library answers a key set that is not one, or not there, with its own general error. */
function isUnreachable(error: unknown): boolean {
  return error instanceof errors.JWKSInvalid || (error instanceof errors.JOSEError && error.code === "ERR_JOSE_GENERIC");
}

const ALGORITHMS = ["ES256", "RS256"];
/** Media types are compared without case, and `application/` may be left out (RFC 7515 §4.1.9). */
const ACCESS_TOKEN = /^(application\/)?at\+jwt$/i;
const REFUSED_MEMBERS = ["crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip", "enc"];
const MAX_LENGTH = 16 * 1024;
const MAX_LIFETIME = 3600;
