// The good token that every case starts from.

export const NOW = 1_790_000_000;
export const DIGEST = `sha256:${"ab".repeat(32)}`;
export const OTHER_DIGEST = `sha256:${"cd".repeat(32)}`;

/** The request that proofs are made for. */
export const METHOD = "POST";
export const URL_OF_CASES = "https://api.example/cases/42/comments";

/** A UUIDv7 that differs from the others in its last part only. */
export const id = (number) => `0199d3a4-6f2e-7c41-9f00-${number.toString(16).padStart(12, "0")}`;

export const base = {
  iss: "https://countersign.example",
  sub: "bot://support/triage",
  aud: "support-automation-api",
  exp: NOW + 540,
  iat: NOW - 60,
  jti: id(1),
  client_id: "triage",
  scope: "support",
  txn: id(2),
  identity_id: id(3),
  identity_type: "service_account",
  identity_kind: "bot",
  tenant_id: id(4),
  project_id: id(5),
  actions: ["case.comment.write", "case.read"],
  environment: "production",
  gen: { tenant: 1, project: 2, identity: 3, credential: 4 },
  credential_id: id(6),
  issuer_id: id(7),
  chain_id: "chain-1",
  run: {
    key: "https://token.actions.githubusercontent.com|456789|9876543210|1",
    assurance: "verified",
    provider: "github",
    id: "9876543210",
    attempt: "1",
    commit: "9f3182061f1e2cca4702c368cbc039b7dc9d4485",
  },
};
