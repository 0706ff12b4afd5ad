import assert from "node:assert/strict";
import { test } from "node:test";

import { assertBotCan, createGuard, makeAssertBotCan, type BotToken } from "../src/index.js";
import { goodClaims, vectors } from "./support.js";

const token = goodClaims as unknown as BotToken;
const mutations: [string, BotToken, string][] = [
  ["audience", { ...token, aud: "billing-api" }, "invalid audience"],
  ["subject", { ...token, sub: "bot://billing/triage" }, "unexpected subject"],
  ["action", { ...token, actions: ["case.read"] }, "bot is not allowed to perform case.comment.write"],
];

/** The published guard of seed 001, as it stands there. */
function seedAssertBotCan(token: { sub: string; aud: string; actions: readonly string[] }, action: string) {
  if (token.aud !== "support-automation-api") {
    throw new Error("invalid audience");
  }

  if (!token.sub.startsWith("bot://support/")) {
    throw new Error("unexpected subject");
  }

  if (!token.actions.includes(action)) {
    throw new Error(`bot is not allowed to perform ${action}`);
  }
}

test("the published assertBotCan takes our claims unmodified and throws for each mutation", () => {
  seedAssertBotCan(token, "case.comment.write");
  for (const [name, mutated, message] of mutations) {
    assert.throws(() => seedAssertBotCan(mutated, "case.comment.write"), { message }, name);
  }
});

test("assertBotCan says what the published one says", () => {
  const expectation = { audience: "support-automation-api", subjectPrefix: "bot://support/" };
  const check = makeAssertBotCan(expectation);
  check(token, "case.comment.write");
  assertBotCan(token, "case.comment.write", expectation);
  for (const [name, mutated, message] of mutations) {
    assert.throws(() => check(mutated, "case.comment.write"), { message }, name);
  }
});

test("assertBotCan is not fooled by types", () => {
  const check = makeAssertBotCan({ audience: "support-automation-api", subjectPrefix: "bot://support/" });
  const retyped = [
    { ...token, aud: ["support-automation-api"] },
    { ...token, sub: ["bot://support/triage"] },
    { ...token, actions: "case.comment.write" },
    { ...token, actions: undefined },
  ];
  for (const claims of retyped) assert.throws(() => check(claims as unknown as BotToken, "case.comment.write"));
  assert.throws(() => makeAssertBotCan({ audience: "", subjectPrefix: "" }), TypeError);
});

test("assertBotCan matches the prefix on the actor", () => {
  const check = makeAssertBotCan({ audience: "support-automation-api", subjectPrefix: "bot://support/" });
  check({ ...token, sub: "user:dana", act: { sub: "bot://support/triage" } }, "case.read");
  assert.throws(() => check({ ...token, act: { sub: "agent://x/y" } }, "case.read"), { message: "unexpected subject" });
});

test("a guard has assertBotCan for its own audience and prefix", () => {
  const { issuer, audience, subject_prefix: subjectPrefix, jwks } = vectors;
  const guard = createGuard({ issuer, audience, subjectPrefix, jwks });
  guard.assertBotCan(token, "case.comment.write");
  assert.throws(() => guard.assertBotCan(token, "deploy.release"), { message: "bot is not allowed to perform deploy.release" });
});
