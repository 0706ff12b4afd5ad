// An account of another system that a program uses: found, answered for, and an identity of its own takes its place.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look } from "./lib/browser.mjs";
import { signIn } from "./lib/people.mjs";
import { startScene } from "./lib/scene.mjs";

let scene, page;
before(async () => {
  scene = await startScene();
  const hours = [1, 2, 3, 4].map((ago) => new Date(Date.now() - ago * 3_600_000).toISOString());
  const text = `account,time,user_agent\n${hours.map((at) => `kim@example.com,${at},curl/8.5.0`).join("\n")}\n`;
  await scene.owner.post("/api/imports", { format: "csv", system: "okta", file_name: "sign-ins.csv", text });
  await signIn(scene.dana, scene.server, "/#/accounts");
  page = scene.dana.page;
});
after(() => scene?.stop());

test("an account that a program uses becomes an identity of its own in four clicks", async () => {
  await page.getByRole("link", { name: "kim@example.com" }).click();
  await page.getByText("4 of 4 sign-ins are by programs (curl)").waitFor();
  await look(scene.dana, "page-one-account");
  await page.getByRole("link", { name: "Begin" }).click();
  const name = page.getByLabel("Name");
  assert.equal(await name.inputValue(), "kim-program");
  await page.getByText("It takes the place of").waitFor();
  await page.getByLabel("What it is for").fill("copies the nightly report");
  await page.getByRole("button", { name: "Create it" }).click();
  await page.getByRole("heading", { name: "kim-program" }).waitFor();
  await page.goto("/#/accounts");
  await page.getByRole("link", { name: "kim@example.com" }).click();
  await page.getByText("Made: kim-program").waitFor();
});

test("somebody is asked to answer for an account, and says yes", async () => {
  await page.getByLabel("Who could answer for it").fill("dana@example.com");
  await page.getByRole("button", { name: "Ask them" }).click();
  await page.getByRole("button", { name: "Yes, I answer for it" }).click();
  await page.getByText("was asked to answer for it").waitFor({ state: "detached" });
  const listed = await page.evaluate(async () => (await (await fetch("/api/observed-accounts")).json()).items);
  assert.deepEqual(listed.map((one) => [one.label, one.sponsor.name]), [["kim@example.com", "dana@example.com"]]);
});

test("an account is taken off the list, which is said to change nothing elsewhere", async () => {
  await page.getByRole("button", { name: "Take it off the list" }).click();
  await page.getByText("Nothing changes in okta").waitFor();
  await page.getByRole("button", { name: "Take it off", exact: true }).click();
  await page.getByText("No accounts like that").waitFor();
});
