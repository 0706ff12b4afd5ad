// What people do before they do anything else.

/** Makes a passkey with a one-time code. */
export async function enrol({ page }, server, email, ...more) {
  await page.goto("/passkeys");
  await page.getByLabel("One-time code").fill(await server.code(email, ...more));
  await page.getByRole("button", { name: "Use the code" }).click();
  await page.getByRole("button", { name: "Make a passkey" }).click();
  await page.waitForURL("**/login");
}

/** Signs in with it, and is back at a page of the server. */
export async function signIn({ page }, server, place) {
  await page.goto(`/login?return=${encodeURIComponent(place)}`);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await page.waitForURL(server.url + place);
}
