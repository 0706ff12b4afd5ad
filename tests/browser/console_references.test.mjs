// Whatever somebody has in hand leads on from the one box: each kind of reference, and the names of then and now.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";

import { look } from "./lib/browser.mjs";
import { JOB } from "./lib/pipeline.mjs";
import { startDeployed } from "./lib/scene.mjs";

let scene, page;
before(async () => {
  scene = await startDeployed();
  page = scene.dana.page;
  await scene.owner.post("/api/teams", { name: "release-team", members: ["dana@example.com"] });
});
after(() => scene?.stop());

/** What stands on the page that one is led to. */
async function paste(text) {
  await page.goto("/#/log");
  await page.goto("/#/lineage");
  const box = page.getByRole("textbox", { name: "What to look up" });
  await box.fill(text);
  await box.press("Enter");
  await box.waitFor({ state: "detached" });
  await page.getByRole("status", { name: "Loading" }).first().waitFor({ state: "detached" });
  return page.getByRole("main").innerText();
}

test("a token, its id, a run, its page, a commit, a digest, an approval and a program lead to who must respond", async () => {
  const { jti } = JSON.parse(Buffer.from(scene.token.split(".")[1], "base64url"));
  const digest = `sha256:${createHash("sha256").update("release 4.2").digest("hex")}`;
  const things = [scene.token, jti, JOB.run_id, `https://github.com/${JOB.repository}/actions/runs/${JOB.run_id}`, JOB.sha, digest, scene.approval, "release-promoter", `pipeline://release/release-promoter`];
  for (const thing of things) {
    const told = await paste(thing);
    assert.match(told, /dana@example\.com must respond/, thing);
    assert.match(told, /approved by lee@example\.com/, thing);
  }
});

test("a person and a team lead to what they answer for, and a credential to how its program proves itself", async () => {
  assert.match(await paste("dana@example.com"), /answers for 1 identity/);
  assert.match(await paste("team:release-team"), /answers for nothing/);
  const { items } = await scene.owner.get(`/api/identities/${scene.identity.id}/credentials`);
  for (const thing of [items[0].name, `credential:${items[0].id}`]) {
    assert.match(await paste(thing), /Who is trusted/, thing);
    assert.match(page.url(), /tab=credentials/);
  }
});

test("the chain has who answered then and who answers now", async () => {
  await scene.owner.patch(`/api/identities/${scene.identity.id}`, { sponsor: "lee@example.com" });
  await scene.lee.post(`/api/identities/${scene.identity.id}/accept-sponsorship`, {});
  await page.goto(`/#/lineage?ref=commit:${JOB.sha}&view=list`);
  await page.reload();
  await page.getByText("lee@example.com must respond now (dana@example.com answered for it then)").waitFor();
  const sponsor = page.getByRole("main").getByRole("listitem").filter({ hasText: "Must respond" });
  const was = await sponsor.innerText();
  await page.getByText("As it is", { exact: true }).click();
  await page.waitForURL("**names=now*");
  const is = await sponsor.innerText();
  assert.match(was, /dana@example\.com/);
  assert.match(is, /lee@example\.com/);
  // Who answers now did not do what the one of then did.
  assert.match(await page.getByRole("main").getByRole("listitem").filter({ hasText: "triggered by" }).innerText(), /^Person.*\n+dana@example\.com/);
  await look(scene.dana, "lineage-as-it-is");
  await page.getByRole("region", { name: "The answer" }).getByRole("link", { name: "lee@example.com" }).click();
  await page.getByRole("heading", { name: /lee@example\.com/, level: 1 }).waitFor();
});

test("the chain is saved as JSON and as pixels, and printed as a list", async () => {
  const saved = async (item) => {
    await page.getByRole("button", { name: "Export" }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("menuitem", { name: item, exact: true }).click();
    return Buffer.concat(await (await (await download).createReadStream()).toArray());
  };
  await page.goto(`/#/lineage?ref=commit:${JOB.sha}&view=list`);
  assert.match(JSON.parse(await saved("JSON")).sentence, /must respond/);
  const png = await saved("Picture as PNG");
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  assert.ok(png.readUInt32BE(16) > 1000, "as wide as it can be read");
  await page.goto(`/#/lineage?ref=commit:${JOB.sha}&view=picture`);
  await page.locator(".react-flow__node").first().waitFor();
  await page.emulateMedia({ media: "print" });
  assert.ok(await page.locator(".only-print .chain").isVisible());
  assert.ok(!(await page.getByRole("navigation", { name: "Main" }).isVisible()));
  await page.emulateMedia({ media: "screen" });
  await scene.dana.close();
});
