import { actingSubject, type AccessClaims } from "./claims.js";
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
 * Whether the verified token may do this; throws what refuses. An artifact or a resource that was approved must be met
 * exactly: another one, or none, is refused.
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
  for (const detail of claims.authorization_details ?? []) {
    if (!detail.actions.includes(request.action)) continue;
    if (detail.artifact_digest !== undefined && detail.artifact_digest !== request.artifactDigest) {
      throw new GuardError("digest_mismatch", "artifact digest does not match what was approved");
    }
    if (detail.resource !== undefined && detail.resource !== request.resource) {
      throw new GuardError("resource_mismatch", "resource does not match what was approved");
    }
  }
}
