// What a test of the console begins with: Dana's pipeline and its CI, and Dana at a browser with a passkey of hers.

import { person, startBrowser } from "./browser.mjs";
import { enrol, signIn } from "./people.mjs";
import { ask, caller, pipeline, runToken, startIssuer } from "./pipeline.mjs";
import { startServer } from "./server.mjs";

export async function startScene() {
  const server = await startServer();
  const browser = await startBrowser();
  const issuer = await startIssuer();
  await server.signIn("dana", "dana@example.com");
  const owner = caller(server, await server.cli("dana", "auth", "token"));
  const identity = await pipeline(server, issuer, owner, "dana@example.com");
  const dana = await person(browser, server);
  await enrol(dana, server, "dana@example.com");
  const stop = async () => {
    await browser.close();
    issuer.stop();
    await server.stop();
  };
  return { server, browser, issuer, owner, identity, dana, stop };
}

/** The same, with a deploy that Lee approved and the run redeemed; and Dana is signed in. */
export async function startDeployed() {
  const scene = await startScene();
  const { server, issuer, identity, dana } = scene;
  await server.signIn("lee", "lee@example.com", "--role", "owner");
  const lee = caller(server, await server.cli("lee", "auth", "token"));
  const { id, digest } = await ask(server, issuer, identity, "release 4.2");
  await lee.post(`/api/approvals/${id}/approve`, { digest });
  const token = await runToken(server, issuer, identity, { approval_id: id });
  await signIn(dana, server, "/#/lineage");
  return { ...scene, lee, approval: id, token };
}
