// Chromium without a window: people with passkeys of their own, screenshots, and what axe finds.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const pictures = process.env.COUNTERSIGN_PICTURES ?? fileURLToPath(new URL("../../../target/browser", import.meta.url));
const axe = await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

/** The browser. Its sandbox is off only for root, for whom Chromium has none. */
export function startBrowser() {
  const args = ["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  return chromium.launch({ executablePath: process.env.COUNTERSIGN_TEST_CHROMIUM ?? "/usr/bin/chromium", args });
}

/** A browser of one person, with an authenticator that verifies them. What goes wrong on a page fails the test. */
export async function person(browser, server) {
  const context = await browser.newContext({ baseURL: server.url, viewport: WIDE, colorScheme: "light", reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`an error on ${page.url()}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !EXPECTED.some((part) => message.text().includes(part))) wrong.push(`${page.url()} says: ${message.text()}`);
  });
  // A page that was attacked would open one of these.
  page.on("dialog", (dialog) => {
    wrong.push(`a dialog opened: ${dialog.message()}`);
    dialog.dismiss();
  });
  // One session for all: when another one ends, Chromium takes the authenticator away.
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable", { enableUI: false });
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", { options });
  const verified = (isUserVerified) => session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
  const close = async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  };
  return { context, page, session, verified, wrong, close };
}

/** Looks at a page at both widths and in both themes: keeps pictures, and takes no serious finding of axe. */
export async function look({ page, session }, name) {
  await mkdir(pictures, { recursive: true });
  const own = page.viewportSize();
  for (const [width, viewport] of [[1280, WIDE], [390, NARROW]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.evaluate(() => window.scrollTo(0, 0));
      // A colour that is on its way from one theme to the other is nobody's.
      await page.evaluate(async () => {
        for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
        await Promise.allSettled(document.getAnimations().map((one) => one.finished));
      });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${name} at ${width} is ${over} pixels wider than the screen`);
      await page.screenshot({ path: join(pictures, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      assert.deepEqual(await findings(session), [], `${name} at ${width}, ${colorScheme}`);
    }
  }
  await page.setViewportSize(own);
  await page.emulateMedia({ colorScheme: "light" });
}

/** The serious findings of axe. It runs in a world of its own beside the page's, so that no policy has to make way. */
async function findings(session) {
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
  await session.send("Runtime.evaluate", { contextId, expression: axe });
  const expression = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => id + ": " + nodes.map(({ target }) => target.join(" ")).join(", ")))`;
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", { contextId, expression, awaitPromise: true, returnByValue: true });
  assert.ok(!exceptionDetails, JSON.stringify(exceptionDetails));
  return result.value;
}

/** The longest that a page takes on a machine that does much else. */
const WAIT_MS = 15_000;
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 390, height: 844 };

/** The browser itself reports answers that say no, and a script asked for them. */
const EXPECTED = ["the server responded with a status of 4"];
