// What somebody asks who has seen only the screen: each answered in at most five clicks, from the page that one begins with.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look, person, startBrowser } from "./lib/browser.mjs";
import { enrol, signIn } from "./lib/people.mjs";
import { ask, caller, JOB, pipeline, runToken, startIssuer } from "./lib/pipeline.mjs";
import { startServer } from "./lib/server.mjs";

const MOST_CLICKS = 5;

let server, browser, issuer, identity, dana, clicks;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
  issuer = await startIssuer();
  await server.signIn("dana", "dana@example.com");
  const owner = caller(server, await server.cli("dana", "auth", "token"));
  identity = await pipeline(server, issuer, owner, "dana@example.com");
  await server.signIn("lee", "lee@example.com", "--role", "owner");
  const lee = caller(server, await server.cli("lee", "auth", "token"));
  const { id, digest } = await ask(server, issuer, identity, "release 4.2");
  await lee.post(`/api/approvals/${id}/approve`, { digest });
  await runToken(server, issuer, identity, { approval_id: id });
  dana = await person(browser, server);
  await enrol(dana, server, "dana@example.com");
  await signIn(dana, server, "/#/lineage");
});
after(async () => {
  await browser?.close();
  issuer?.stop();
  await server?.stop();
});

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
  await assert.rejects(runToken(server, issuer, identity, {}, { run_id: "9876543299" }));
  await dana.close();
});
