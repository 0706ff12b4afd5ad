// The chain of a deploy as a picture, each of its records proven in the browser; and what is seen when a server lies.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look } from "./lib/browser.mjs";
import { JOB } from "./lib/pipeline.mjs";
import { startDeployed } from "./lib/scene.mjs";

let scene, dana;
before(async () => {
  scene = await startDeployed();
  dana = scene.dana;
});
after(() => scene?.stop());

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

test("a chain that is wide is still read at 1280 pixels, and one that is wider still leads to its end", async () => {
  const columns = (number) => ({
    ref: "execution:1", direction: "backward", sentence: "a wide chain; dana@example.com must respond.", gaps: [], others: [], truncated: false, as_of: new Date().toISOString(),
    nodes: Array.from({ length: number }, (_, at) => ({ id: `${at === number - 1 ? "sponsor" : "event"}:${at}`, type: at === number - 1 ? "sponsor" : "event", label: `step ${at} with a name`, gap: false })),
    edges: Array.from({ length: number - 1 }, (_, at) => ({ from: `event:${at}`, to: `${at === number - 2 ? "sponsor" : "event"}:${at + 1}`, relation: "caused_by" })),
  });
  /** How high the letters of the smallest name are on the screen, and whether the last hop is on it. */
  const seen = async (number) => {
    await dana.page.route("**/api/lineage?*", (route) => route.fulfill({ json: columns(number) }));
    await dana.page.goto("/#/log");
    await dana.page.goto(`/#/lineage?ref=execution:${number}`);
    await dana.page.locator(".react-flow__node").nth(number - 1).waitFor();
    await dana.page.waitForFunction(() => new DOMMatrix(getComputedStyle(document.querySelector(".react-flow__viewport")).transform).a !== 1);
    await look(dana, `lineage-wide-${number}`);
    await dana.page.locator(".react-flow__node").nth(number - 1).waitFor();
    await dana.page.unroute("**/api/lineage?*");
    return dana.page.locator(".hop").evaluateAll((all) => ({
      letters: Math.min(...all.map((hop) => (parseFloat(getComputedStyle(hop.querySelector(".hop-name")).fontSize) * hop.getBoundingClientRect().width) / hop.offsetWidth)),
      end: all.at(-1).getBoundingClientRect().right,
    }));
  };
  const wide = await seen(6);
  assert.ok(wide.letters >= 10 && wide.end <= 1280, JSON.stringify(wide));
  const wider = await seen(10);
  assert.ok(wider.letters >= 10 && wider.end > 1280, JSON.stringify(wider));
  await dana.page.getByRole("button", { name: "Go to who must respond" }).click();
  await dana.page.waitForFunction(() => document.querySelector(".hop.sponsor").getBoundingClientRect().right <= 1280);
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
