// A guard with a credential, at a running server: it lets a token in, refuses it within the stated age after its
// revocation, and reports both. The server's test run starts it; the variables stand in `settings`.
import { createGuard, GuardError, type GuardRequest } from "../../src/index.js";

const settings = {
  issuer: required("ISSUER"),
  audience: required("AUDIENCE"),
  client: { id: required("CLIENT_ID"), secret: required("CLIENT_SECRET") },
  guard: { clientId: required("GUARD_CLIENT_ID"), clientSecret: required("GUARD_CLIENT_SECRET") },
};
const MAX_FEED_AGE_SECONDS = 3;
const request: GuardRequest = { action: "case.read", resource: "case/42" };

const background: unknown[] = [];
const { issuer, audience } = settings;
const guard = createGuard({
  issuer,
  audience,
  credential: settings.guard,
  maxFeedAgeSeconds: MAX_FEED_AGE_SECONDS,
  onError: (error) => background.push(error),
});

const token = await obtain();
const claims = await guard.perform(token, request, (verified) => verified);
say(`let in ${claims.sub}`);
expect((await refusal(token, { action: "deploy.release" })).code === "action_not_allowed", "another action is let in");
say("another action is refused");

await form("/oauth2/revoke", { token });
const revokedAt = Date.now();
const refused = await untilRefused();
const seconds = (Date.now() - revokedAt) / 1000;
expect(refused.code === "token_revoked", `refused as ${refused.code}: ${refused.message}`);
expect(seconds <= MAX_FEED_AGE_SECONDS, `the revoked token was let in for ${seconds} s`);
say(`refused within ${MAX_FEED_AGE_SECONDS} s of its revocation: ${refused.message}`);
await guard.perform(await obtain(), request, () => undefined);
say("let in a token that came after it");

const verifyOnly = createGuard({ issuer, audience });
await verifyOnly.authorize(token, request);
await verifyOnly.close();
say("a guard without a credential sees no revocation, as it says");

await guard.close();
expect(background.length === 0, `in the background: ${background.map(String).join("; ")}`);
say("reported what was done and what was refused");
console.log(`jti ${claims.jti}`);

async function untilRefused(): Promise<GuardError> {
  for (;;) {
    try {
      await guard.authorize(token, request);
    } catch (error) {
      if (error instanceof GuardError) return error;
      throw error;
    }
    expect(Date.now() - revokedAt < 5 * MAX_FEED_AGE_SECONDS * 1000, "the revoked token is let in for ever");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function refusal(of: string, what: GuardRequest): Promise<GuardError> {
  try {
    await guard.authorize(of, what);
  } catch (error) {
    if (error instanceof GuardError) return error;
    throw error;
  }
  throw new Error(`${what.action} is let in`);
}

async function obtain(): Promise<string> {
  const answer = (await form("/oauth2/token", { grant_type: "client_credentials", audience })) as { access_token: string };
  return answer.access_token;
}

async function form(path: string, fields: Record<string, string>): Promise<unknown> {
  const { id, secret } = settings.client;
  const response = await fetch(`${issuer}${path}`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` },
    body: new URLSearchParams(fields),
  });
  const text = await response.text();
  expect(response.ok, `${path} answers ${response.status}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

function expect(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(sentence);
}

function say(what: string): void {
  console.log(`ok guard: ${what}`);
}
