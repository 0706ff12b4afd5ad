// The plain pages: a code or a link makes a passkey, the passkey signs in, a command line is confirmed, and who attacks gets nothing.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { look, person, startBrowser } from "./lib/browser.mjs";
import { enrol, signIn } from "./lib/people.mjs";
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

test("who holds a one-time code makes a passkey, signs in with it and out again, and needs no command line", async () => {
  const dana = await person(browser, server);
  await dana.page.goto("/login");
  await look(dana, "login");
  await dana.page.getByRole("link", { name: "make one here" }).click();
  await look(dana, "passkeys-code");
  await dana.page.getByLabel("One-time code").fill("csenrol_nonsense");
  await dana.page.getByRole("button", { name: "Use the code" }).click();
  await dana.page.getByRole("status").filter({ hasText: /code/ }).waitFor();
  await look(dana, "passkeys-code-refused");
  await dana.page.getByLabel("One-time code").fill(await server.code("dana@example.com"));
  await dana.page.getByRole("button", { name: "Use the code" }).click();
  await dana.page.getByLabel("What you call it").fill("laptop");
  await look(dana, "passkeys-link");
  await dana.page.getByRole("button", { name: "Make a passkey" }).click();
  await dana.page.waitForURL("**/login");
  await signIn(dana, server, "/device");
  const [cookie] = await dana.context.cookies();
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Strict");
  // No script of a page can reach it, and there is nothing else to reach.
  assert.equal(await dana.page.evaluate(() => document.cookie), "");
  assert.equal(await dana.page.evaluate(() => localStorage.length + sessionStorage.length), 0);
  await dana.page.getByRole("button", { name: "Sign out" }).click();
  await dana.page.waitForURL("**/login");
  await dana.page.goto("/device");
  assert.equal(await dana.page.getByText("dana@example.com").count(), 0);
  await look(dana, "device-signed-out");
  await dana.close();
});

test("a person sees who asks before a command line is signed in, and nothing happens by opening an address", async () => {
  const lee = await person(browser, server);
  await enrol(lee, server, "lee@example.com");
  await server.signIn("lee", "lee@example.com");
  const waiting = server.wait("laptop", "login", "--server", server.url);
  const code = await waiting.code;
  await lee.page.goto(`/device?user_code=${code}`);
  await lee.page.getByRole("link", { name: "Sign in with a passkey" }).click();
  await lee.page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await lee.page.waitForURL("**/device?user_code=*");
  assert.equal(await lee.page.getByLabel("Code").inputValue(), code);
  await look(lee, "device");
  assert.equal(waiting.over, false);
  await lee.page.getByLabel("Code").fill("BCDF-GHJK");
  await lee.page.getByRole("button", { name: "Look" }).click();
  await lee.page.getByRole("alert").waitFor();
  await look(lee, "device-unknown");
  await lee.page.getByLabel("Code").fill(code);
  await lee.page.getByRole("button", { name: "Look" }).click();
  await lee.page.getByText("Confirm only what you began yourself").waitFor();
  await look(lee, "device-asked");
  assert.equal(waiting.over, false);
  await lee.page.getByRole("button", { name: "Confirm: it is me" }).click();
  await lee.page.getByText("Confirmed.").waitFor();
  await look(lee, "device-confirmed");
  await waiting.done;
  assert.match(await server.cli("laptop", "auth", "sessions"), /yes/);
  await lee.close();
});

test("a passkey that did not verify its person signs nobody in, and the page says so", async () => {
  const kim = await person(browser, server);
  await enrol(kim, server, "kim@example.com");
  await kim.verified(false);
  await kim.page.goto("/login");
  await kim.page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await kim.page.getByRole("status").filter({ hasText: /\S/ }).waitFor();
  await look(kim, "login-refused");
  assert.deepEqual(await kim.context.cookies(), []);
  await kim.verified(true);
  await signIn(kim, server, "/device");
  await kim.close();
});

test("t28 signing in leads back to a page of this server and nowhere else", async () => {
  const ann = await person(browser, server);
  await enrol(ann, server, "ann@example.com");
  for (const place of ["//evil.example/", "/\\evil.example/", "https://evil.example/", "/\t/evil.example/", "javascript:alert(1)", "@evil.example"]) {
    await ann.context.clearCookies();
    await ann.page.goto(`/login?return=${encodeURIComponent(place)}`);
    await ann.page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await ann.page.waitForURL((url) => url.pathname === "/" && url.origin === server.url);
  }
  await signIn(ann, server, "/device?x=1");
  await ann.close();
});

test("t27 another site cannot post, read, or frame anything with the session of a person who is signed in", async () => {
  const sam = await person(browser, server);
  await enrol(sam, server, "sam@example.com");
  await signIn(sam, server, "/device");
  // Another port of the same machine: the same site to a browser, and so with the cookie.
  const evil = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><title>evil</title>
<iframe src="${server.url}/device"></iframe>
<form method="post" action="${server.url}/logout"><input name="token" value="x"><button>win</button></form>`);
  });
  await new Promise((resolve) => evil.listen(0, "127.0.0.1", resolve));
  try {
    await sam.page.goto(`http://localhost:${evil.address().port}/`);
    const framed = sam.page.frames()[1];
    assert.equal(await framed.evaluate(() => document.body.innerText.includes("sam@example.com")), false);
    const asked = async (path, options) => sam.page.evaluate(
      async ([url, given]) => {
        try {
          const answer = await fetch(url, { credentials: "include", ...given });
          return { type: answer.type, status: answer.status, text: await answer.text() };
        } catch (error) {
          return { type: "error" };
        }
      },
      [server.url + path, options],
    );
    assert.equal((await asked("/api/console", {})).type, "error");
    assert.equal((await asked("/api/console", { mode: "no-cors" })).text ?? "", "");
    const json = { method: "POST", headers: { "content-type": "application/json", "x-csrf-token": "x" }, body: '{"name":"stolen"}' };
    assert.equal((await asked("/api/projects", json)).type, "error");
    await asked("/api/projects", { ...json, mode: "no-cors", headers: { "content-type": "text/plain" } });
    await asked("/logout", { method: "POST", mode: "no-cors", body: new URLSearchParams({ token: "x" }).toString(), headers: { "content-type": "application/x-www-form-urlencoded" } });
    await sam.page.getByRole("button", { name: "win" }).click();
    await sam.page.getByText("this did not come from a page of this server").waitFor();
  } finally {
    evil.close();
  }
  await sam.page.goto("/device");
  await sam.page.getByText("sam@example.com").waitFor();
  const projects = await sam.page.evaluate(async () => (await fetch("/api/projects")).text());
  assert.ok(!projects.includes("stolen"), projects);
  // What the browser kept from loading is what the attacker's page tried.
  sam.wrong.length = 0;
  await sam.close();
});

test("t27 what stands in an address does not come back as markup", async () => {
  const max = await person(browser, server);
  await enrol(max, server, "max@example.com");
  await signIn(max, server, "/device");
  for (const payload of HOSTILE) {
    for (const path of ["/login?return=", "/login?user_code=", "/device?user_code=", "/passkeys?error=", "/device?error="]) {
      await max.page.goto(path + encodeURIComponent(payload));
      assert.equal(await max.page.locator("main img, main svg, main iframe, body > script").count(), 0, payload);
    }
    await max.page.goto("/device");
    await max.page.getByLabel("Code").fill(payload);
    await max.page.getByRole("button", { name: "Look" }).click();
    await max.page.getByRole("alert").waitFor();
    await max.page.goto("/passkeys");
    await max.page.getByLabel("One-time code").fill(payload);
    await max.page.getByRole("button", { name: "Use the code" }).click();
    await max.page.getByRole("status").filter({ hasText: /\S/ }).waitFor();
    assert.equal(await max.page.locator("main img, main svg, main iframe").count(), 0, payload);
  }
  await max.close();
});

const HOSTILE = ["<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "javascript:alert(1)", "{{7*7}}${7*7}", "'; DROP TABLE record; --", "\u202egnp.exe\u2066"];
