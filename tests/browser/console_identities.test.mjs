// The inventory and one identity: begun with a question, filtered by what one sees, changed, offered to somebody.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look, person } from "./lib/browser.mjs";
import { enrol, signIn } from "./lib/people.mjs";
import { startScene } from "./lib/scene.mjs";

let scene, page, owner;
before(async () => {
  scene = await startScene();
  ({ owner } = scene);
  page = scene.dana.page;
  await owner.post("/api/environments", { name: "staging" }).catch(() => undefined);
  await signIn(scene.dana, scene.server, "/#/identities");
});
after(() => scene?.stop());

const main = () => page.getByRole("main");

test("a new identity begins with the question, and is told what its kind proves and where it is weak", async () => {
  await main().getByRole("link", { name: "New identity" }).click();
  await main().getByRole("link", { name: /Which installation acted/ }).click();
  await main().getByText("which installation acted on which event").waitFor();
  await main().getByText("friendly to look at, and often privileged").waitFor();
  await look(scene.dana, "new-identity");
  await page.getByLabel("Name", { exact: true }).fill("not a name");
  await page.getByLabel("What it is for").fill("Answers and labels support cases");
  await page.getByLabel("Project").selectOption("release");
  await main().getByRole("button", { name: "Create it" }).click();
  await main().getByRole("alert").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("triage");
  await main().getByRole("button", { name: "Create it" }).click();
  await main().getByRole("heading", { name: /triage/, level: 1 }).waitFor();
  await main().getByText("triage is a bot of project release").waitFor();
});

test("what one sees of an identity is the filter for all that are like it", async () => {
  await page.goto("/#/identities");
  const rows = main().getByRole("table", { name: "Identities" }).getByRole("row");
  await rows.filter({ hasText: "triage" }).waitFor();
  // The pipeline has a trust rule, and the bot nothing that it could prove itself with.
  assert.match(await rows.filter({ hasText: "release-promoter" }).innerText(), /ago|just now/);
  assert.match(await rows.filter({ hasText: "triage" }).innerText(), /none/);
  // The column of findings is that of each identity's own page.
  const { findings } = await owner.get("/api/identities/triage");
  assert.ok((await rows.filter({ hasText: "triage" }).getByText(String(findings.length), { exact: true }).count()) > 0);
  await look(scene.dana, "identities-inventory");
  await rows.filter({ hasText: "release-promoter" }).getByRole("link", { name: "production" }).click();
  await page.waitForURL("**environment=production*");
  await rows.filter({ hasText: "triage" }).waitFor({ state: "detached" });
  await page.goto("/#/identities");
  await page.getByLabel("Name").fill("tri");
  await page.getByLabel("Name").press("Enter");
  await page.waitForURL("**name=tri*");
  await rows.filter({ hasText: "release-promoter" }).waitFor({ state: "detached" });
  assert.equal(await rows.count(), 2);
});

test("a list that is looked through in parts is looked through until something fits", async () => {
  let parts = 0;
  await page.route("**/api/identities?*", async (route) => {
    parts += 1;
    if (parts < 4) await route.fulfill({ json: { items: [], next: `part-${parts}` } });
    else await route.continue({ url: route.request().url().replace(/after=[^&]*/, "limit=50") });
  });
  await page.goto("/#/identities?kind=bot");
  await main().getByRole("table", { name: "Identities" }).getByText("triage").waitFor();
  await page.unroute("**/api/identities?*");
});

test("a run that is not let in is explained claim by claim, before it is tried", async () => {
  const { issuer, server, identity } = scene;
  await page.goto(`/#/identities/${identity.id}?tab=credentials`);
  const field = page.getByLabel("The token of a run");
  const explain = async (claims) => {
    await field.fill(issuer.run(server.url, claims));
    await page.getByRole("button", { name: "Explain it" }).click();
    return page.getByRole("table", { name: /^Claims of rule/ }).getByRole("row");
  };
  const wrong = await explain({ ref: "refs/heads/other" });
  assert.match(await wrong.filter({ hasText: "refs/heads/other" }).innerText(), /no$/);
  assert.equal(await field.inputValue(), "");
  await look(scene.dana, "trust-rule-explained");
  const right = await explain({});
  await wrong.filter({ hasText: "refs/heads/other" }).waitFor({ state: "detached" });
  assert.equal(await right.filter({ hasText: /no$/ }).count(), 0);
});

test("a change is told as what is different", async () => {
  await owner.patch("/api/identities/triage", { allowed_actions: ["case.read", "case.comment.write"], reason: "it answers now" });
  await owner.patch("/api/identities/triage", { allowed_actions: ["case.read"], reason: "it does not" });
  const { id } = await owner.get("/api/identities/triage");
  await page.goto(`/#/identities/${id}?tab=history`);
  const last = main().getByRole("listitem").filter({ hasText: "it does not" });
  await last.locator("td.was", { hasText: "case.comment.write" }).waitFor();
  assert.equal(await last.locator("td.was", { hasText: "case.read" }).count(), 0);
  await main().getByRole("listitem").filter({ hasText: "it answers now" }).locator("td.is", { hasText: "case.comment.write" }).waitFor();
  await look(scene.dana, "identity-changes");
});

test("what somebody answers for is grouped as one asks", async () => {
  const { user } = await page.evaluate(async () => (await fetch("/api/console")).json());
  await page.goto(`/#/lineage?ref=user:${user.id}`);
  await main().getByRole("heading", { name: "release 2" }).waitFor();
  await page.getByLabel("Grouped by").selectOption("privilege");
  await main().getByRole("heading", { name: "deploy.release 1" }).waitFor();
  await page.getByLabel("Grouped by").selectOption("last use");
  await main().getByRole("heading", { name: "Never used" }).first().waitFor();
  await look(scene.dana, "answers-for-grouped");
});

test("who was asked to answer for something finds it, reads it and says yes", async () => {
  const lee = await person(scene.browser, scene.server);
  await enrol(lee, scene.server, "lee@example.com", "--role", "member");
  await owner.patch("/api/identities/triage", { sponsor: "lee@example.com" });
  await signIn(lee, scene.server, "/#/people");
  const offered = lee.page.getByRole("main").locator("section", { hasText: "Offered to you" });
  await offered.getByRole("link", { name: "triage" }).waitFor();
  await look(lee, "offered");
  await offered.getByRole("button", { name: "Accept: I answer for it" }).click();
  await offered.waitFor({ state: "detached" });
  assert.equal((await owner.get("/api/identities/triage")).sponsor.name, "lee@example.com");
  await lee.close();
  await scene.dana.close();
});
