// The chain of a deploy as a picture, each of its records proven in the browser; and what is seen when a server lies.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look, person, startBrowser } from "./lib/browser.mjs";
import { enrol, signIn } from "./lib/people.mjs";
import { ask, caller, JOB, pipeline, runToken, startIssuer } from "./lib/pipeline.mjs";
import { startServer } from "./lib/server.mjs";

let server, browser, issuer, dana;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
  issuer = await startIssuer();
  await server.signIn("dana", "dana@example.com");
  const owner = caller(server, await server.cli("dana", "auth", "token"));
  const identity = await pipeline(server, issuer, owner, "dana@example.com");
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

const chain = `/#/lineage?ref=commit%3A${JOB.sha}`;

test("the chain is drawn from the result to who must respond, and every record in it is proven in the browser", async () => {
  await dana.page.goto(chain);
  const verified = dana.page.getByText(/(\d+) of \1 records verified here/);
  await verified.waitFor();
  const hops = dana.page.locator(".react-flow__node");
  await hops.filter({ hasText: "Must respond" }).waitFor();
  const places = await hops.evaluateAll((all) => all.map((one) => [one.innerText, one.getBoundingClientRect().x]));
  const rightmost = places.reduce((a, b) => (b[1] > a[1] ? b : a));
  const sponsor = places.find(([text]) => text.includes("Must respond"));
  assert.equal(sponsor[1], rightmost[1]);
  await look(dana, "lineage-picture");
});

test("a hop opens its record, read from the bytes that were hashed, and Escape closes it", async () => {
  await dana.page.goto(chain);
  await dana.page.getByRole("button", { name: /^Decision/ }).click();
  const drawer = dana.page.getByRole("dialog");
  await drawer.getByText("In the log, under a checkpoint that the pinned key signed.").waitFor();
  await drawer.getByText("read from the bytes that were hashed").waitFor();
  await dana.page.keyboard.press("Escape");
  await drawer.waitFor({ state: "detached" });
});

test("the picture is saved as a file that names who must respond", async () => {
  await dana.page.goto(chain);
  await dana.page.getByRole("button", { name: "Export" }).click();
  const download = dana.page.waitForEvent("download");
  await dana.page.getByRole("menuitem", { name: "Picture as SVG" }).click();
  const chunks = await (await (await download).createReadStream()).toArray();
  const svg = Buffer.concat(chunks).toString();
  assert.match(svg, /^<svg [^>]*xmlns/);
  assert.match(svg, /MUST RESPOND/);
});

test("a record that the server changed afterwards is marked red, whatever the server says of it", async () => {
  await dana.page.route("**/api/evidence/*", async (route) => {
    const answer = await route.fetch();
    const record = await answer.json();
    record.body = record.body.replace("production", "staging");
    await route.fulfill({ response: answer, json: record });
  });
  await dana.page.goto("/#/log");
  await dana.page.goto(chain);
  await dana.page.reload();
  await dana.page.getByText("A record is not what was logged").waitFor();
  await dana.close();
});
