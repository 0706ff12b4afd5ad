import { actingSubject } from "./claims.js";

/** What `assertBotCan` reads of a token that is already verified. */
export interface BotToken {
  readonly sub: string;
  readonly aud: string;
  readonly actions: readonly string[];
  readonly act?: { readonly sub: string } | undefined;
}

/** Who may come, and for whom. */
export interface BotExpectation {
  readonly audience: string;
  readonly subjectPrefix: string;
}

/**
 * Throws unless the token is for this audience, from a bot below the prefix, and names the action. It looks at claims
 * only: verify the token first (`createGuard`), or take them from a gateway that did.
 */
export function assertBotCan(token: BotToken, action: string, { audience, subjectPrefix }: BotExpectation): void {
  if (typeof token.aud !== "string" || token.aud !== audience) {
    throw new Error("invalid audience");
  }
  if (typeof token.sub !== "string" || !actingSubject(token).startsWith(subjectPrefix)) {
    throw new Error("unexpected subject");
  }
  if (!Array.isArray(token.actions) || !token.actions.includes(action)) {
    throw new Error(`bot is not allowed to perform ${action}`);
  }
}

/** `assertBotCan(token, action)` for one resource server. */
export function makeAssertBotCan(expectation: BotExpectation): (token: BotToken, action: string) => void {
  if (!expectation.audience || !expectation.subjectPrefix) throw new TypeError("audience and subjectPrefix are needed");
  return (token, action) => assertBotCan(token, action, expectation);
}
