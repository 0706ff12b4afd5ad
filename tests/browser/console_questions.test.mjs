// What somebody asks who has seen only the screen: each answered in at most five clicks, from the page that one begins with.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look } from "./lib/browser.mjs";
import { JOB, runToken } from "./lib/pipeline.mjs";
import { startDeployed } from "./lib/scene.mjs";

const MOST_CLICKS = 5;

let scene, dana, clicks;
before(async () => {
  scene = await startDeployed();
  dana = scene.dana;
});
after(() => scene?.stop());

async function begin() {
  clicks = 0;
  await dana.page.goto("/#/lineage");
}

async function click(what) {
  clicks += 1;
  await what.click();
}

test("who must respond for this deploy: by its commit, in at most five clicks", async () => {
  await begin();
  const search = dana.page.getByRole("textbox", { name: /look up|search/i }).first();
  await click(search);
  await search.fill(JOB.sha);
  await search.press("Enter");
  await dana.page.getByText("must respond", { exact: false }).first().waitFor();
  const answer = await dana.page.getByRole("region", { name: "The answer" }).innerText();
  assert.match(answer, /dana@example\.com must respond/);
  assert.match(answer, /approved by\s+lee@example\.com/i);
  assert.ok(clicks <= MOST_CLICKS, `${clicks} clicks`);
});

test("what a person answers for, and so what breaks without them, in at most five clicks", async () => {
  await begin();
  await click(dana.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "People" }));
  await click(dana.page.getByRole("main").getByRole("link", { name: "dana@example.com" }).first());
  await dana.page.getByText("If they leave tomorrow").waitFor();
  await dana.page.getByText(/nobody answers for/).waitFor();
  await dana.page.getByRole("main").getByText("release-promoter").first().waitFor();
  assert.ok(clicks <= MOST_CLICKS, `${clicks} clicks`);
});

test("stop this credential: its tokens are refused from then on, in at most five clicks", async () => {
  await begin();
  await click(dana.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Identities" }));
  await click(dana.page.getByRole("main").getByRole("link", { name: "release-promoter" }).first());
  await click(dana.page.getByRole("main").getByRole("link", { name: /^Credentials/ }));
  await click(dana.page.getByRole("button", { name: "Stop this credential" }).first());
  await dana.page.getByLabel("Why").fill("<img src=x onerror=alert(1)>");
  await look(dana, "stop-credential");
  await click(dana.page.getByRole("button", { name: "Do it now" }));
  await dana.page.getByText("Every replica refuses it").waitFor();
  assert.ok(clicks <= MOST_CLICKS, `${clicks} clicks`);
  await assert.rejects(runToken(scene.server, scene.issuer, scene.identity, {}, { run_id: "9876543299" }));
});

test("what came of stopping something stays until it was read, although the page behind it knows already", async () => {
  const done = dana.page.getByText("Every replica refuses it");
  // The live list behind the dialog says by now that the credential is stopped.
  await dana.page.waitForResponse(async (answer) => answer.url().endsWith("/credentials") && !(await answer.text()).includes('"active"'));
  await done.waitFor();
  await dana.page.getByRole("button", { name: "Close" }).last().click();
  await done.waitFor({ state: "detached" });
  assert.equal(await dana.page.getByRole("button", { name: "Stop this credential" }).count(), 0);
});

test("several identities are disabled from their list, and it says of each what came of it", async () => {
  await scene.owner.post("/api/identities", { kind: "bot", name: "triage", project: "release", purpose: "Labels cases" });
  await begin();
  await click(dana.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Identities" }));
  await dana.page.getByLabel("Status").selectOption("active");
  await dana.page.waitForURL("**status=active*");
  await dana.page.getByRole("checkbox", { name: "Pick all on this page" }).check();
  await dana.page.getByRole("button", { name: "Disable 2 identities" }).click();
  const dialog = dana.page.getByRole("dialog");
  await dialog.getByLabel("Why").fill("nobody knows it");
  await look(dana, "disable-several");
  await dialog.getByRole("button", { name: "Disable now" }).click();
  await dana.page.getByText("None of them is like that").waitFor();
  assert.equal(await dialog.getByText("Disabled", { exact: true }).count(), 2);
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await dana.close();
});
