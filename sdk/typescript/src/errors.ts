/** Why a guard refused: the codes are stable and shared by the guards of all languages (sdk/vectors/README.md). */
export type GuardErrorCode =
  | "action_not_allowed"
  | "digest_mismatch"
  | "environment_mismatch"
  | "keys_unavailable"
  | "proof_invalid"
  | "resource_mismatch"
  | "results_backlog"
  | "revocations_stale"
  | "token_expired"
  | "token_invalid"
  | "token_missing"
  | "token_revoked"
  | "too_many_proofs"
  | "unexpected_subject";

/** A refusal. The message is for the developer of the resource server and of the caller; it never holds the token. */
export class GuardError extends Error {
  override readonly name = "GuardError";

  constructor(
    readonly code: GuardErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The HTTP status that fits: 401, 403, or 503 where the guard itself cannot tell. */
  get status(): 401 | 403 | 503 {
    return STATUS[this.code];
  }
}

/** A refusal that a proof of a key would change, so that the challenge asks for one (RFC 9449 §7.1). */
export class KeyError extends GuardError {}

const STATUS: Record<GuardErrorCode, 401 | 403 | 503> = {
  action_not_allowed: 403,
  digest_mismatch: 403,
  environment_mismatch: 403,
  keys_unavailable: 503,
  proof_invalid: 401,
  resource_mismatch: 403,
  results_backlog: 503,
  revocations_stale: 503,
  token_expired: 401,
  token_invalid: 401,
  token_missing: 401,
  token_revoked: 401,
  too_many_proofs: 503,
  unexpected_subject: 403,
};
