import { bearer, refusal } from "./answer.js";
import type { AccessClaims } from "./claims.js";
import type { GuardRequest } from "./enforce.js";
import { GuardError } from "./errors.js";
import type { HandlerOptions } from "./fetch-handler.js";
import type { Guard } from "./guard.js";

/** What the middleware reads and sets on a request, in Express 4 and 5 and everything that resembles them. */
export interface ExpressRequest {
  readonly headers: { readonly authorization?: string | undefined };
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
      const token = bearer(request.headers.authorization);
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
