import { GuardError, KeyError } from "./errors.js";
import { PROOF_ALGORITHMS, type Presented } from "./sender.js";

/** How the guard says no over HTTP, in one form for every framework. */
export interface Refusal {
  readonly status: 401 | 403 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What an adapter reads of a request. */
export interface Read {
  readonly authorization: string | null | undefined;
  readonly dpop: string | null | undefined;
  readonly method: string;
  /** The path and query. */
  readonly path: string;
  readonly certificate: string | undefined;
}

/** The token of a request: from the `Authorization` header alone, never from the query or a cookie. */
export function presented({ authorization, dpop, method, path, certificate }: Read, publicUrl: string | undefined): Presented {
  const [, scheme, token] = /^(bearer|dpop) +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? "") ?? [];
  if (!scheme || !token) {
    throw new GuardError("token_missing", authorization ? "the Authorization header holds no access token" : "no token");
  }
  const shown = certificate === undefined ? {} : { certificate };
  if (scheme.toLowerCase() === "bearer") return { token, ...shown };
  if (publicUrl === undefined) throw new GuardError("token_missing", "this server takes no DPoP: it does not know its own `publicUrl`");
  if (!dpop) throw new KeyError("proof_invalid", "a token came as DPoP without a DPoP header beside it");
  return { token, ...shown, dpop: { proof: dpop, method, url: publicUrl.replace(/\/$/, "") + path } };
}

/** RFC 6750 §3 for the challenge, RFC 9457 for the body. */
export function refusal(error: GuardError, action: string | undefined, resourceMetadata?: string): Refusal {
  const { status, code, message } = error;
  const headers: Record<string, string> = { "content-type": "application/problem+json", "cache-control": "no-store" };
  if (status === 503) {
    headers["retry-after"] = "1";
  } else {
    const parameters = challenge(error, action);
    if (resourceMetadata) parameters.push(`resource_metadata="${quotable(resourceMetadata)}"`);
    const keyed = error instanceof KeyError;
    if (keyed) parameters.push(`algs="${PROOF_ALGORITHMS.join(" ")}"`);
    headers["www-authenticate"] = [keyed ? "DPoP" : "Bearer", parameters.join(", ")].join(" ").trim();
  }
  const body = JSON.stringify({ type: "about:blank", title: TITLES[status], status, reason_code: code, detail: message });
  return { status, headers, body };
}

/** Who sent no credentials at all is only told how to. */
function challenge({ status, code, message }: GuardError, action: string | undefined): string[] {
  if (code === "token_missing") return [];
  const description = `error_description="${quotable(message)}"`;
  if (code === "proof_invalid") return ['error="invalid_dpop_proof"', description];
  if (status === 401) return ['error="invalid_token"', description];
  return ['error="insufficient_scope"', description, ...(action ? [`scope="${quotable(action)}"`] : [])];
}

/** What RFC 6750 §3 allows in a quoted parameter; anything else becomes `?`. */
function quotable(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "?").slice(0, 500);
}

const TITLES = { 401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable" } as const;
