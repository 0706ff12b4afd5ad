// Every page of the console, by eye and under attack: pictures of each, nothing serious for axe, and no text that becomes markup.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look } from "./lib/browser.mjs";
import { signIn } from "./lib/people.mjs";
import { ask } from "./lib/pipeline.mjs";
import { startScene } from "./lib/scene.mjs";

const HOSTILE = "<img src=x onerror=alert(1)>\"'><svg onload=alert(1)>{{7*7}} \u202egnp.exe";

let scene, dana, identity;
before(async () => {
  scene = await startScene();
  ({ dana, identity } = scene);
  const { server, issuer, owner } = scene;
  await owner.post("/api/teams", { name: "release-team", members: ["dana@example.com"] });
  await owner.post("/api/identities", { kind: "bot", name: "triage", project: "release", purpose: "answers: <img src=x onerror=alert(1)>" });
  await owner.post("/api/imports", { format: "csv", system: "okta", file_name: "users.csv", text: `id,name,owner\n00u1,<img src=x onerror=alert(1)>,lee\n` });
  await ask(server, issuer, identity, HOSTILE);
  await signIn(dana, server, "/#/lineage");
});
after(() => scene?.stop());

test("the first page is under 250 kB as it is sent, and asked for once", async () => {
  await dana.page.goto("about:blank");
  await open("lineage");
  const sent = await dana.page.evaluate(() => {
    const files = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/assets/"));
    const [page] = performance.getEntriesByType("navigation");
    return { names: files.map(({ name }) => name), bytes: files.reduce((sum, file) => sum + file.encodedBodySize, page.encodedBodySize) };
  });
  assert.ok(sent.names.length > 1, "files were loaded");
  assert.equal(new Set(sent.names).size, sent.names.length, sent.names.join(" "));
  assert.ok(sent.bytes > 10_000 && sent.bytes < 250_000, `${sent.bytes} bytes`);
});

const PAGES = ["lineage", "approvals?show=all", "identities", "findings", "accounts", "people", "projects", "automation", "incident", "new-identity?kind=bot", "log", "settings"];

/** A page of the console, once nothing of it is being fetched. */
async function open(path) {
  await dana.page.goto(`/#/${path}`);
  await dana.page.locator("main h1").first().waitFor();
  await dana.page.getByRole("status", { name: "Loading" }).first().waitFor({ state: "detached" });
}

async function unharmed(where) {
  const found = await dana.page.locator("img[src=x], [onerror], [onload], main script").count();
  assert.equal(found, 0, where);
}

for (const page of PAGES) {
  test(`the page ${page} is readable at both widths and in both themes`, async () => {
    await open(page);
    await unharmed(page);
    await look(dana, `page-${page.replace(/\W+/g, "-")}`);
  });
}

test("the pages of one identity, person and project are readable too", async () => {
  const told = await dana.page.evaluate(async () => (await (await fetch("/api/console")).json()).user.id);
  for (const [name, path] of [["identity", `identities/${identity.id}`], ["person", `people/${told}`], ["project", `projects/${identity.project.id}`]]) {
    await open(path);
    await unharmed(path);
    await look(dana, `page-one-${name}`);
  }
});

test("t27 text that is typed into any field of any page stays text", async () => {
  for (const page of PAGES) {
    await open(page);
    const fields = dana.page.locator("input:is([type=text], [type=search], :not([type])), textarea").filter({ visible: true });
    const count = await fields.count();
    assert.ok(count > 0, `${page} has the search at least`);
    for (let number = 0; number < count; number += 1) {
      await open(page);
      const field = fields.nth(number);
      await field.fill(HOSTILE);
      await field.press("Enter");
      await dana.page.getByRole("status", { name: "Loading" }).first().waitFor({ state: "detached" });
      await unharmed(`field ${number} of ${page}`);
    }
  }
});

test("t27 text that stands in an address stays text", async () => {
  const text = encodeURIComponent(HOSTILE);
  for (const path of [`lineage?ref=${text}`, `lineage?ref=commit:${text}&names=${text}`, `identities?project=${text}`, `people/${text}`, `identities/${text}`, `approvals/${text}`, `evidence/${text}`, text]) {
    await dana.page.goto(`/#/${path}`);
    await dana.page.locator("main").waitFor();
    await dana.page.waitForLoadState("networkidle");
    await unharmed(path);
  }
  await dana.close();
});
