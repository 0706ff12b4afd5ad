import { GuardError } from "./errors.js";
import { asObject } from "./json.js";

/** The epochs that stood when a token was issued. */
export interface Generation {
  readonly tenant: number;
  readonly project: number;
  readonly identity: number;
  readonly credential: number;
  /** Of the person for whom the identity acts; absent while it never rose. */
  readonly principal?: number;
}

/** What was granted exactly (RFC 9396, type `action`). */
export interface ActionDetail {
  readonly type: "action";
  readonly actions: readonly string[];
  readonly environment?: string;
  readonly resource?: string;
  readonly artifact_digest?: string;
}

/** What a token is bound to: the key of DPoP proofs (RFC 9449), and the certificate of the connection (RFC 8705). */
export interface Confirmation {
  readonly jkt?: string;
  readonly "x5t#S256"?: string;
}

/** The claims of a Countersign access token. */
export interface AccessClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string;
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number;
  readonly jti: string;
  readonly client_id: string;
  readonly scope?: string;
  readonly txn: string;
  readonly identity_id: string;
  readonly identity_type: "user" | "service_account";
  readonly identity_kind?: string;
  readonly tenant_id: string;
  readonly project_id?: string;
  readonly principal_id?: string;
  readonly actions: readonly string[];
  readonly environment?: string;
  readonly gen: Generation;
  readonly credential_id?: string;
  readonly issuer_id?: string;
  readonly chain_id?: string;
  /** What its sender must prove to hold (RFC 7800). */
  readonly cnf?: Confirmation;
  readonly run?: { readonly key: string; readonly assurance: string; readonly provider: string; readonly [more: string]: unknown };
  readonly roles?: readonly string[];
  readonly approval_id?: string;
  readonly authorization_details?: readonly ActionDetail[];
  readonly act?: { readonly sub: string; readonly [more: string]: unknown };
  readonly [more: string]: unknown;
}

/** The subject that acts: the actor's where somebody delegated, else `sub`. */
export function actingSubject(claims: { sub: string; act?: { readonly sub: string } | undefined }): string {
  return claims.act?.sub ?? claims.sub;
}

/** The claims, when every one that a decision rests on is there and of its type. */
export function parseClaims(value: unknown): AccessClaims {
  const claims = asObject(value);
  if (!claims) throw new GuardError("token_invalid", "the claims are not an object");
  for (const [name, check] of Object.entries(REQUIRED)) {
    if (!Object.hasOwn(claims, name)) throw new GuardError("token_invalid", `the claim ${name} is missing`);
    if (!check(claims[name])) throw new GuardError("token_invalid", `the claim ${name} has another form than expected`);
  }
  for (const [name, check] of Object.entries(OPTIONAL)) {
    if (Object.hasOwn(claims, name) && !check(claims[name])) {
      throw new GuardError("token_invalid", `the claim ${name} has another form than expected`);
    }
  }
  return claims as unknown as AccessClaims;
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isInstant: Check = (value) => Number.isSafeInteger(value);
const isId: Check = (value) => typeof value === "string" && ID.test(value);
/** Whether a value is an action: dotted, canonical, without patterns. */
export const isAction: Check = (value) => typeof value === "string" && value.length <= NAME_LENGTH && ACTION.test(value);
/** Whether a value is the name of an environment. */
export const isEnvironment: Check = (value) => typeof value === "string" && value.length <= NAME_LENGTH && NAME.test(value);
/** Whether a value is the digest of an artifact. */
export const isDigest: Check = (value) => typeof value === "string" && DIGEST.test(value);
const listOf = (check: Check): Check => (value) => Array.isArray(value) && value.every(check);
const oneOf = (words: readonly string[]): Check => (value) => typeof value === "string" && words.includes(value);

const isGeneration: Check = (value) => {
  const epochs = asObject(value);
  return epochs !== undefined && ["tenant", "project", "identity", "credential"].every((name) => Number.isSafeInteger(epochs[name])) &&
    (epochs["principal"] === undefined || Number.isSafeInteger(epochs["principal"]));
};

const isRun: Check = (value) => {
  const run = asObject(value);
  return run !== undefined && isText(run["key"]) && isText(run["provider"]) && oneOf(["claimed", "verified"])(run["assurance"]);
};

const isActor: Check = (value) => isText(asObject(value)?.["sub"]);

/** Every member of a detail limits what it grants, so one that this guard does not know cannot be ignored. */
const isDetail: Check = (value) => {
  const detail = asObject(value);
  if (!detail || detail["type"] !== "action" || !listOf(isAction)(detail["actions"])) return false;
  return Object.entries(detail).every(([name, member]) => {
    switch (name) {
      case "type":
      case "actions":
        return true;
      case "environment":
        return isEnvironment(member);
      case "resource":
        return isText(member);
      case "artifact_digest":
        return isDigest(member);
      default:
        return false;
    }
  });
};

/** Each member must be proved, so one that this guard does not know cannot be ignored. */
const isConfirmation: Check = (value) => {
  const members = Object.entries(asObject(value) ?? {});
  return members.length > 0 && members.every(([name, member]) => ["jkt", "x5t#S256"].includes(name) && isThumbprint(member));
};

const isThumbprint: Check = (value) => typeof value === "string" && THUMBPRINT.test(value);

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NAME = /^[a-z0-9][a-z0-9._-]*$/;
const ACTION = /^[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)+$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** SHA-256 in base64url, whose last letter has two bits that are zero. */
const THUMBPRINT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const NAME_LENGTH = 128;
const KINDS = ["agent", "api_key", "bot", "oauth_client", "pipeline", "service_account", "workload"];

const REQUIRED: Record<string, Check> = {
  iss: isText,
  sub: isText,
  aud: isText,
  exp: isInstant,
  iat: isInstant,
  jti: isId,
  client_id: isText,
  txn: isId,
  identity_id: isId,
  identity_type: oneOf(["user", "service_account"]),
  tenant_id: isId,
  actions: listOf(isAction),
  gen: isGeneration,
};

const OPTIONAL: Record<string, Check> = {
  nbf: isInstant,
  scope: isText,
  identity_kind: oneOf(KINDS),
  project_id: isId,
  principal_id: isText,
  environment: isEnvironment,
  credential_id: isId,
  issuer_id: isId,
  chain_id: isText,
  run: isRun,
  roles: listOf(isText),
  approval_id: isId,
  authorization_details: listOf(isDetail),
  act: isActor,
  cnf: isConfirmation,
};
