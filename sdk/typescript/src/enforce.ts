import { actingSubject, type AccessClaims, type ActionDetail } from "./claims.js";
import { GuardError } from "./errors.js";

/** What is about to be done. */
export interface GuardRequest {
  /** The dotted verb, `deploy.release` for one. */
  readonly action: string;
  /** On what. */
  readonly resource?: string | undefined;
  /** Where. */
  readonly environment?: string | undefined;
  /** With which artifact: `sha256:` and 64 hexadecimal digits. */
  readonly artifactDigest?: string | undefined;
}

/**
 * Whether the verified token may do this; throws what refuses. An artifact or a resource that a detail binds the action to
 * must be met exactly: another one, or none, is refused. Where several details name the action, one of them must be met.
 */
export function enforce(claims: AccessClaims, subjectPrefix: string | undefined, request: GuardRequest): void {
  if (subjectPrefix !== undefined && !actingSubject(claims).startsWith(subjectPrefix)) {
    throw new GuardError("unexpected_subject", "unexpected subject");
  }
  if (!claims.actions.includes(request.action)) {
    const who = claims.identity_kind ?? "user";
    throw new GuardError("action_not_allowed", `${who} is not allowed to perform ${request.action}`);
  }
  if (request.environment !== undefined && claims.environment !== request.environment) {
    const message = `token is for environment ${claims.environment ?? "none"}, not ${request.environment}`;
    throw new GuardError("environment_mismatch", message);
  }
  const denials = (claims.authorization_details ?? [])
    .filter((detail) => detail.actions.includes(request.action))
    .map((detail) => unmet(detail, request));
  if (denials[0] && !denials.includes(undefined)) throw denials[0];
}

/** What of a detail the request does not meet. */
function unmet(detail: ActionDetail, request: GuardRequest): GuardError | undefined {
  if (detail.artifact_digest !== undefined && detail.artifact_digest !== request.artifactDigest) {
    return new GuardError("digest_mismatch", "artifact digest does not match what was approved");
  }
  if (detail.resource !== undefined && detail.resource !== request.resource) {
    return new GuardError("resource_mismatch", "resource does not match what the token is bound to");
  }
  return undefined;
}
