// Letting people in at the console: a link is shown once, whoever opens it is here, and one that was taken back lets nobody in.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look, person } from "./lib/browser.mjs";
import { signIn } from "./lib/people.mjs";
import { startScene } from "./lib/scene.mjs";

let scene, dana, server;
before(async () => {
  scene = await startScene();
  ({ dana, server } = scene);
  await signIn(dana, server, "/#/people");
});
after(() => scene?.stop());

/** Invites somebody in the dialog, and answers the link that it shows. */
async function invite(email, project, role) {
  const { page } = dana;
  await page.getByRole("button", { name: "Invite…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("E-mail address").fill(email);
  await dialog.getByLabel("Project", { exact: true }).selectOption(project);
  await dialog.getByLabel("Role in the project").selectOption(role);
  await look(dana, "people-invite");
  await dialog.getByRole("button", { name: "Invite", exact: true }).click();
  const link = await dialog.locator("code").filter({ hasText: "/passkeys#" }).textContent();
  await look(dana, "people-invited");
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await dialog.waitFor({ state: "detached" });
  return link;
}

const open = () => dana.page.getByRole("table", { name: "Invitations" });

test("who is invited in the console opens the link, makes a passkey, and stands among the people", async () => {
  const link = await invite("kim@example.com", "release", "editor");
  await open().getByRole("cell", { name: "kim@example.com", exact: true }).waitFor();
  assert.ok(!(await dana.page.content()).includes(link.split("#")[1]), "the link is shown once");
  await look(dana, "people-invitations");
  const kim = await person(scene.browser, server);
  await kim.page.goto(link);
  await kim.page.getByRole("button", { name: "Make a passkey" }).click();
  await kim.page.waitForURL("**/login");
  await signIn(kim, server, "/#/people");
  await kim.page.getByRole("link", { name: "kim@example.com" }).waitFor();
  await dana.page.reload();
  await dana.page.getByRole("link", { name: "kim@example.com" }).waitFor();
  assert.equal(await open().count(), 0);
  await kim.close();
});

test("an invitation that was taken back in the console lets nobody in", async () => {
  const link = await invite("mo@example.com", "release", "viewer");
  await dana.page.getByRole("button", { name: "Take back the invitation of mo@example.com" }).click();
  await open().waitFor({ state: "detached" });
  const mo = await person(scene.browser, server);
  await mo.page.goto(link);
  await mo.page.getByRole("button", { name: "Make a passkey" }).click();
  await mo.page.getByRole("status").filter({ hasText: "not good here" }).waitFor();
  await mo.close();
  await dana.close();
});
