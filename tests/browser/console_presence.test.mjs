// Live updates are for somebody who looks: a page that is hidden or was left alone asks the server for nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { signIn } from "./lib/people.mjs";
import { startScene } from "./lib/scene.mjs";

let scene, page, asked;
before(async () => {
  scene = await startScene();
  page = scene.dana.page;
  await signIn(scene.dana, scene.server, "/#/approvals");
  await page.clock.install();
  await page.reload();
  await page.getByText("Nothing waits for you").waitFor();
  page.on("request", (request) => {
    if (request.url().includes("/api/")) asked += 1;
  });
});
after(() => scene?.stop());

/** How often the server is asked while so many seconds pass. */
async function during(seconds) {
  asked = 0;
  for (let passed = 0; passed < seconds; passed += 5) {
    await page.clock.runFor(5000);
    await page.waitForLoadState("networkidle");
  }
  return asked;
}

/** The server is asked again, without anybody waiting for it. */
const anew = () => page.waitForRequest((request) => request.url().includes("/api/"));

const show = (state) =>
  page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);

test("a page that somebody looks at is kept new", async () => {
  await page.mouse.move(200, 200);
  assert.ok((await during(30)) >= 3);
});

test("a hidden page asks for nothing, and is made new when it is shown again", async () => {
  await show("hidden");
  await during(5);
  assert.equal(await during(60), 0);
  const made = anew();
  await show("visible");
  await made;
});

test("a page that nobody touches for five minutes keeps no session alive, until somebody is back", async () => {
  await during(5 * 60 + 20);
  assert.equal(await during(60), 0);
  const made = anew();
  await page.mouse.move(300, 300);
  await made;
  await scene.dana.close();
});
