import { presented, refusal } from "./answer.js";
import type { AccessClaims } from "./claims.js";
import type { GuardRequest } from "./enforce.js";
import { GuardError } from "./errors.js";
import type { Guard } from "./guard.js";

/** What an HTTP adapter needs besides the guard. */
export interface HandlerOptions {
  /** Where RFC 9728 metadata of this resource server stands, named in challenges. */
  readonly resourceMetadata?: string;
  /** Under which URL callers reach this server, without path: DPoP proofs are made for it. Without it, none is taken. */
  readonly publicUrl?: string;
}

/** Wraps a fetch handler (`Request` to `Response`): it runs only when the guard lets the request through. */
export function guardFetch(
  guard: Guard,
  describe: (request: Request) => GuardRequest | Promise<GuardRequest>,
  handler: (request: Request, claims: AccessClaims) => Response | Promise<Response>,
  options: HandlerOptions = {},
): (request: Request) => Promise<Response> {
  return async (request) => {
    let action: string | undefined;
    let claims: AccessClaims;
    try {
      const { pathname: path } = new URL(request.url);
      const { headers, method } = request;
      const read = { authorization: headers.get("authorization"), dpop: headers.get("dpop"), method, path, certificate: undefined };
      const token = presented(read, options.publicUrl);
      const asked = await describe(request);
      action = asked.action;
      claims = await guard.authorize(token, asked);
    } catch (error) {
      if (!(error instanceof GuardError)) throw error;
      const { status, headers, body } = refusal(error, action, options.resourceMetadata);
      return new Response(body, { status, headers });
    }
    return handler(request, claims);
  };
}
