// Another tenant of the same server: its pages and its console are below its issuer, and no session reaches across.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look, person, startBrowser } from "./lib/browser.mjs";
import { startServer } from "./lib/server.mjs";

let server, browser;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("t30 a code for another tenant leads to its own pages and console, and a session of one tenant is none in the other", async () => {
  const ann = await person(browser, server);
  const code = await server.cli("admin", "admin", "tenant", "create", "acme", "--owner", "ann@acme.example", "--data", server.data);
  await ann.page.goto("/passkeys");
  await ann.page.getByLabel("One-time code").fill(code);
  await ann.page.getByRole("button", { name: "Use the code" }).click();
  await ann.page.waitForURL("**/t/acme/passkeys#*");
  await ann.page.getByRole("button", { name: "Make a passkey" }).click();
  await ann.page.waitForURL("**/t/acme/login");
  // Its issuer is the address of its console.
  await ann.page.goto("/t/acme");
  await ann.page.waitForURL("**/t/acme/login?return=*");
  await ann.page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await ann.page.waitForURL(`${server.url}/t/acme/#/**`);
  await ann.page.getByText("ann@acme.example").first().waitFor();
  await ann.page.getByText("acme", { exact: true }).first().waitFor();
  await look(ann, "console-other-tenant");
  const status = (path) => ann.page.evaluate(async (path) => (await fetch(path)).status, path);
  assert.equal(await status("/t/acme/api/console"), 200);
  assert.equal(await status("/api/console"), 401);
  assert.equal(await status("/api/identities"), 401);
  await ann.close();
});
