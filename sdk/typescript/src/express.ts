import { createHash } from "node:crypto";

import { presented, refusal } from "./answer.js";
import type { AccessClaims } from "./claims.js";
import type { GuardRequest } from "./enforce.js";
import { GuardError } from "./errors.js";
import type { HandlerOptions } from "./fetch-handler.js";
import type { Guard } from "./guard.js";

/** What the middleware reads and sets on a request, in Express 4 and 5 and everything that resembles them. */
export interface ExpressRequest {
  readonly headers: { readonly authorization?: string | undefined; readonly [name: string]: unknown };
  readonly method?: string | undefined;
  /** The whole path, also where a router took a part of it off `url`. */
  readonly originalUrl?: string | undefined;
  /** A TLS socket, whose certificate a token may be bound to. */
  readonly socket?: { readonly getPeerCertificate?: () => { readonly raw?: Uint8Array } } | undefined;
  countersign?: AccessClaims;
}

/** What the middleware uses of a response. */
export interface ExpressResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}

/** Express middleware: `next()` when the guard lets the request through, with the claims at `request.countersign`. */
export function guardExpress<R extends ExpressRequest>(
  guard: Guard,
  describe: (request: R) => GuardRequest | Promise<GuardRequest>,
  options: HandlerOptions = {},
): (request: R, response: ExpressResponse, next: (error?: unknown) => void) => Promise<void> {
  return async (request, response, next) => {
    let action: string | undefined;
    try {
      const { dpop, authorization } = request.headers;
      const read = {
        authorization,
        // Node joins repeated headers with a comma, which no proof has.
        dpop: typeof dpop === "string" ? dpop : undefined,
        method: request.method ?? "",
        path: request.originalUrl ?? "",
        certificate: peerCertificate(request),
      };
      const token = presented(read, options.publicUrl);
      const asked = await describe(request);
      action = asked.action;
      request.countersign = await guard.authorize(token, asked);
    } catch (error) {
      if (!(error instanceof GuardError)) return next(error);
      const { status, headers, body } = refusal(error, action, options.resourceMetadata);
      response.statusCode = status;
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      response.end(body);
      return;
    }
    next();
  };
}

/** The certificate of the connection itself: no header is asked. */
function peerCertificate({ socket }: ExpressRequest): string | undefined {
  const raw = socket?.getPeerCertificate?.().raw;
  return raw && createHash("sha256").update(raw).digest("base64url");
}
