import assert from "node:assert/strict";
import { test } from "node:test";

import { GuardError } from "../src/index.js";
import { MOST, MOST_OF_ONE_KEY, Proofs } from "../src/proofs.js";
import { verifyProof } from "../src/sender.js";
import { vectors } from "./support.js";

const { now } = vectors;

/** Uses up so many proofs of a key, and says how the last of them ended. */
function use(proofs: Proofs, key: string, count: number, at = now): string {
  try {
    for (let number = 0; number < count; number += 1) proofs.useUp({ key, name: `${at} ${number}`, until: at + 120 }, at);
    return "ok";
  } catch (error) {
    assert.ok(error instanceof GuardError);
    return error.code;
  }
}

test("t24 one key fills its own share alone, and that for two minutes", () => {
  const proofs = new Proofs();
  assert.equal(use(proofs, "busy", MOST_OF_ONE_KEY), "ok");
  assert.equal(use(proofs, "busy", 1, now + 1), "too_many_proofs");
  assert.equal(use(proofs, "other", 10), "ok");
  assert.equal(use(proofs, "other", 1), "proof_invalid", "it was used before");
  assert.equal(use(proofs, "busy", 1, now + 119), "too_many_proofs");
  assert.equal(use(proofs, "busy", MOST_OF_ONE_KEY, now + 120), "ok");
});

test("t24 all keys together fill no more than the guard remembers", () => {
  const proofs = new Proofs();
  for (let key = 0; key < MOST / MOST_OF_ONE_KEY; key += 1) assert.equal(use(proofs, `key ${key}`, MOST_OF_ONE_KEY), "ok");
  assert.equal(use(proofs, "another", 1), "too_many_proofs");
  assert.equal(use(proofs, "another", 1, now + 120), "ok");
});

test("t24 a proof is remembered in as many bytes whatever its jti is", async () => {
  const { presented, token } = vectors.cases.find(({ name }) => name === "bound to a key, with a proof of it")!;
  const { name } = await verifyProof(token, presented!.dpop!, now);
  assert.equal(Buffer.from(name, "base64").length, 32);
});
