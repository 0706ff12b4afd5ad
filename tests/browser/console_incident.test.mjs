// An incident: from a credential to what it did, where that came from, what stops it, and all of it in one file.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look } from "./lib/browser.mjs";
import { startDeployed } from "./lib/scene.mjs";

let scene, page;
before(async () => {
  scene = await startDeployed();
  page = scene.dana.page;
});
after(() => scene?.stop());

test("a credential leads to what it did in the last day, and where nothing had come from before is marked", async () => {
  await page.goto(`/#/identities/${scene.identity.id}?tab=credentials`);
  await page.getByRole("button", { name: "What it reaches" }).click();
  const reaches = page.getByRole("region", { name: "What it reaches" });
  await reaches.getByText("deploy.release").waitFor();
  await reaches.getByText(/2 tokens of the last hour/).waitFor();
  await look(scene.dana, "credential-reaches");
  await page.getByRole("link", { name: "What it did in the last 24 hours" }).first().click();
  await page.getByRole("heading", { name: "Where it came from" }).waitFor();
  const happened = page.getByRole("table", { name: "What it did" });
  await happened.getByText("got a token for").first().waitFor();
  await happened.getByText("first time").first().waitFor();
  await page.getByText("for the first time").waitFor();
  await look(scene.dana, "incident");
});

test("it is exported with the proof of each record", async () => {
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export with proofs" }).click();
  const chunks = await (await (await download).createReadStream()).toArray();
  const bundle = JSON.parse(Buffer.concat(chunks).toString());
  assert.equal(bundle.records.length, bundle.items.length);
  assert.ok(bundle.records.length >= 2);
  assert.ok(bundle.records.every(({ body, salt }) => body && salt));
  assert.ok(bundle.records.some(({ log }) => log?.proof?.length || log?.tree_size));
  assert.match(bundle.log_key.verifier_key, /\+/);
});

test("what somebody pastes is looked at between two times, and a token stays in the browser", async () => {
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto("/#/incident");
  await page.getByLabel("What", { exact: true }).fill(scene.token);
  await page.getByLabel("When").selectOption("from … to …");
  await page.getByLabel("From (UTC)").fill("no time");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("That is no time.").waitFor();
  await page.getByLabel("From (UTC)").fill(new Date(Date.now() - 3_600_000).toISOString().slice(0, 16));
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByRole("table", { name: "What it did" }).getByText("got a token for").first().waitFor();
  assert.ok(!asked.join(" ").includes(scene.token.split(".")[2]));
  assert.ok(!page.url().includes(scene.token.split(".")[2]));
});

test("it is stopped from there: first what dies, then the narrowest thing that stops it", async () => {
  await page.getByRole("button", { name: "Stop this token" }).click();
  await page.getByRole("dialog").getByText(/With it dies|Nothing that is on record dies/).waitFor();
  await page.getByRole("button", { name: "Do it now" }).click();
  await page.getByText("Every replica refuses it").waitFor();
  await page.getByRole("button", { name: "Close" }).last().click();
  await page.getByRole("table", { name: "What it did" }).waitFor();
  await scene.dana.close();
});
