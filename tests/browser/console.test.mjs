// The console: a pipeline asks, a person reads and countersigns, and the chain is followed and verified; by keyboard and by eye.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { look, person } from "./lib/browser.mjs";
import { enrol, signIn } from "./lib/people.mjs";
import { ask, runToken } from "./lib/pipeline.mjs";
import { startScene } from "./lib/scene.mjs";

let scene, server, issuer, dana, lee, identity;
before(async () => {
  scene = await startScene();
  ({ server, issuer, dana, identity } = scene);
  lee = await person(scene.browser, server);
  await enrol(lee, server, "lee@example.com", "--role", "owner");
});
after(() => scene?.stop());

test("whoever is not signed in is sent to sign in, and comes back to the same place", async () => {
  await lee.page.goto("/#/approvals");
  await lee.page.waitForURL("**/login?return=*");
  await lee.page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await lee.page.waitForURL(`${server.url}/#/approvals`);
  await lee.page.getByRole("heading", { name: "Approvals", level: 1 }).waitFor();
  await lee.page.getByText("Nothing waits for you").waitFor();
  await look(lee, "console-approvals-none");
});

test("a person reads what a run asks for, countersigns exactly that, and follows the chain to who answers", async () => {
  const approval = await ask(server, issuer, identity, "release 4.2 <img src=x onerror=alert(1)> \u202egnp.exe");
  await lee.page.goto("/#/approvals");
  await lee.page.getByRole("button", { name: "Approve…" }).waitFor();
  await look(lee, "console-approvals-asked");
  await lee.page.getByRole("button", { name: "Approve…" }).click();
  await lee.page.getByLabel("Why").fill("read the diff <img src=x onerror=alert(1)>");
  await look(lee, "console-approve");
  const sign = lee.page.getByRole("dialog").getByRole("button", { name: "Approve with your passkey" });
  // A person who was not verified decides on nothing.
  await lee.verified(false);
  await sign.click();
  await lee.page.getByText("No passkey was shown").waitFor();
  await look(lee, "console-approve-unsigned");
  await lee.verified(true);
  await sign.click();
  await lee.page.getByText("Nothing waits for you").waitFor();
  assert.match(await server.cli("dana", "approval", "show", approval.id), /signed with passkey/);
  const token = await runToken(server, issuer, identity, { approval_id: approval.id });
  const { jti } = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  await lee.page.goto(`/#/lineage?ref=token:${jti}`);
  const sentence = lee.page.getByRole("heading", { level: 1 });
  await sentence.filter({ hasText: "lee@example.com" }).waitFor();
  assert.match(await sentence.innerText(), /dana@example\.com/);
  // The picture is drawn, and every record of it proven in this browser.
  await lee.page.locator(".react-flow__node").first().waitFor();
  const proven = lee.page.getByText(/\d+ of \d+ records verified here/);
  // A record has its place in the log within a second: a page that was opened before that is opened again.
  for (const end = Date.now() + 15_000; Date.now() < end; await lee.page.reload()) {
    const [good, all] = (await proven.innerText()).match(/\d+/g);
    if (good === all) break;
  }
  await lee.page.getByText(/(\d+) of \1 records verified here/).waitFor();
  await lee.page.locator(".react-flow__node").first().waitFor();
  await look(lee, "console-lineage");
  await lee.page.goto(`/#/approvals/${approval.id}`);
  await lee.page.getByText("read the diff").waitFor();
  assert.equal(await lee.page.locator("main img[src=x]").count(), 0);
  await look(lee, "console-approval");
});

test("what a passkey signed is verified from an exported log, without the server", async () => {
  const folder = join(server.data, "..", "exported");
  let report;
  // A record is in the log within a second; the export is asked for until it is.
  for (const end = Date.now() + 15_000; report?.countersignatures !== 1 && Date.now() < end; ) {
    await server.cli("dana", "log", "export", folder);
    report = JSON.parse(await server.cli("dana", "log", "verify", folder, "-o", "json"));
  }
  assert.equal(report.countersignatures, 1);
  assert.deepEqual(report.findings, []);
});

test("whoever triggered a run does not find its request among their own to decide", async () => {
  await signIn(dana, server, "/#/approvals");
  await ask(server, issuer, identity, "release 4.3", { run_id: "9876543211" });
  await dana.page.goto("/#/approvals?show=others");
  await dana.page.getByRole("link", { name: /deploy\.release/ }).first().waitFor();
  await look(dana, "console-approvals-others");
  await dana.close();
});

test("signing out of the console ends its session at the server", async () => {
  const token = await lee.page.evaluate(async () => (await (await fetch("/api/console")).json()).csrf_token);
  assert.ok(token.length >= 32);
  await lee.page.goto("/#/approvals");
  await lee.page.getByRole("button", { name: "Sign out" }).click();
  await lee.page.waitForURL("**/login");
  assert.equal(await lee.page.evaluate(async () => (await fetch("/api/console")).status), 401);
  await lee.close();
});
