// Drives a running server with openid-client and jose. The variables stand in ../README.md.

import { readFile } from "node:fs/promises";

import { calculateJwkThumbprint, createRemoteJWKSet, decodeProtectedHeader, exportJWK, importJWK, jwtVerify } from "jose";
import * as client from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, AUDIENCE, KEY_CLIENT_ID, PRIVATE_JWK_FILE } = process.env;
const { RS_CLIENT_ID = CLIENT_ID, RS_CLIENT_SECRET = CLIENT_SECRET } = process.env;
for (const name of ["ISSUER", "CLIENT_ID", "CLIENT_SECRET", "AUDIENCE"]) {
  if (!process.env[name]) {
    console.error(`${name} is not set`);
    process.exit(2);
  }
}

let failed = 0;

async function check(name, work) {
  try {
    const value = await work();
    console.log(`ok openid-client: ${name}`);
    return value;
  } catch (error) {
    failed += 1;
    const detail = error?.cause?.error ?? error?.error ?? error?.cause?.message ?? "";
    console.log(`FAILED openid-client: ${name}: ${error?.message ?? error} ${detail}`.trimEnd());
    return undefined;
  }
}

function expect(holds, sentence) {
  if (!holds) throw new Error(sentence);
}

/** The stock discovery, over plain HTTP on loopback. */
function discover(clientId, authentication, algorithm) {
  const options = { execute: [client.allowInsecureRequests], ...(algorithm && { algorithm }) };
  return client.discovery(new URL(ISSUER), clientId, undefined, authentication, options);
}

const ask = (config) => client.clientCredentialsGrant(config, { resource: AUDIENCE });
const askByName = (config) => client.clientCredentialsGrant(config, { audience: AUDIENCE });
const isUri = AUDIENCE.includes("://");
const obtain = isUri ? ask : askByName;

async function verify(config, token) {
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const options = { issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt", algorithms: ["ES256", "RS256"], requiredClaims: ["jti", "iat", "client_id", "sub"] };
  const { payload } = await jwtVerify(token, keys, options);
  expect(typeof payload.aud === "string", "aud is not a string");
  expect(payload.exp - payload.iat <= 3600, "the token lives longer than an hour");
  expect(Array.isArray(payload.actions), "actions is not a list");
  return payload;
}

/** What the request was refused with. */
async function refusal(work) {
  try {
    await work();
  } catch (error) {
    return { status: error.status ?? error.cause?.status, error: error.error ?? error.cause?.error };
  }
  throw new Error("it was not refused");
}

for (const algorithm of ["oauth2", "oidc"]) {
  await check(`discovery, ${algorithm}`, async () => {
    const metadata = (await discover(CLIENT_ID, client.ClientSecretBasic(CLIENT_SECRET), algorithm)).serverMetadata();
    expect(metadata.issuer === ISSUER, `issuer is ${metadata.issuer}`);
    for (const name of ["token_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint"]) {
      expect(typeof metadata[name] === "string", `${name} is missing`);
    }
    expect(metadata.grant_types_supported?.includes("client_credentials"), "client_credentials is not advertised");
  });
}

const methods = [
  ["client_secret_basic", client.ClientSecretBasic(CLIENT_SECRET)],
  ["client_secret_post", client.ClientSecretPost(CLIENT_SECRET)],
];
for (const [name, authentication] of methods) {
  await check(`client_credentials, ${name}, verified with the published keys`, async () => {
    const config = await discover(CLIENT_ID, authentication, "oauth2");
    const answer = await obtain(config);
    expect(answer.token_type.toLowerCase() === "bearer", `token_type is ${answer.token_type}`);
    expect(answer.expires_in > 0 && answer.expires_in <= 3600, `expires_in is ${answer.expires_in}`);
    expect(answer.refresh_token === undefined && answer.id_token === undefined, "a refresh or id token came along");
    await verify(config, answer.access_token);
  });
}

const server = await check("the resource server's own configuration", () =>
  discover(RS_CLIENT_ID, client.ClientSecretBasic(RS_CLIENT_SECRET), "oauth2"),
);
const owner = await check("the client's configuration", () => discover(CLIENT_ID, client.ClientSecretBasic(CLIENT_SECRET), "oauth2"));

if (server && owner) {
  await check("introspection, then revocation, then introspection", async () => {
    const { access_token: token } = await obtain(owner);
    const before = await client.tokenIntrospection(server, token);
    expect(before.active === true, "a fresh token is not active");
    expect(before.aud === AUDIENCE && before.iss === ISSUER, "introspection names another audience or issuer");
    await client.tokenRevocation(owner, token);
    const after = await client.tokenIntrospection(server, token);
    expect(after.active === false, "the revoked token is still active");
    expect(Object.keys(after).length === 1, "an inactive answer says more than that");
  });

  await check("revocation of what is no token answers as if it were one", async () => {
    await client.tokenRevocation(owner, "not-a-token");
  });

  await check("a token of another audience does not verify", async () => {
    const { access_token: token } = await obtain(owner);
    const keys = createRemoteJWKSet(new URL(owner.serverMetadata().jwks_uri));
    const verified = jwtVerify(token, keys, { issuer: ISSUER, audience: `${AUDIENCE}x` });
    expect((await verified.catch((error) => error.code)) === "ERR_JWT_CLAIM_VALIDATION_FAILED", "it verified");
    expect(decodeProtectedHeader(token).typ === "at+jwt", "typ is not at+jwt");
  });

  await check("client_credentials, DPoP, and a call with the bound token", async () => {
    const keys = await client.randomDPoPKeyPair("ES256", { extractable: true });
    const DPoP = client.getDPoPHandle(owner, keys);
    const answer = await client.clientCredentialsGrant(owner, isUri ? { resource: AUDIENCE } : { audience: AUDIENCE }, { DPoP });
    expect(answer.token_type.toLowerCase() === "dpop", `token_type is ${answer.token_type}`);
    const { access_token: token } = answer;
    const jkt = await calculateJwkThumbprint(await exportJWK(keys.publicKey));
    expect((await verify(owner, token)).cnf?.jkt === jkt, "the token is not bound to the key");
    const told = await client.tokenIntrospection(server, token);
    expect(told.token_type === "DPoP" && told.cnf?.jkt === jkt, "introspection says nothing of the key");
    const url = new URL(`${ISSUER}/access/v1/evaluation`);
    const headers = new Headers({ "content-type": "application/json" });
    const body = JSON.stringify({ action: { name: "case.read" } });
    const good = await client.fetchProtectedResource(owner, token, url, "POST", body, headers, { DPoP });
    expect(good.status === 200, `a call with a proof is ${good.status}`);
    const stolen = await fetch(url, { method: "POST", body, headers: { "content-type": "application/json", authorization: `Bearer ${token}` } });
    expect(stolen.status === 401, `a call without a proof is ${stolen.status}`);
    expect(stolen.headers.get("www-authenticate")?.startsWith("DPoP "), "the challenge is not one for a proof");
  });

  await check("an unknown audience is invalid_target", async () => {
    const { error } = await refusal(() => client.clientCredentialsGrant(owner, { resource: "https://nowhere.invalid/api" }));
    expect(error === "invalid_target", `it is ${error}`);
  });
}

await check("a wrong secret is invalid_client", async () => {
  const config = await discover(CLIENT_ID, client.ClientSecretBasic(`${CLIENT_SECRET}x`), "oauth2");
  const { error, status } = await refusal(() => obtain(config));
  expect(error === "invalid_client" || status === 401, `it is ${status} ${error}`);
});

if (KEY_CLIENT_ID && PRIVATE_JWK_FILE) {
  await check("client_credentials, private_key_jwt", async () => {
    const jwk = JSON.parse(await readFile(PRIVATE_JWK_FILE, "utf8"));
    const key = await importJWK(jwk, jwk.alg ?? "ES256");
    const authentication = client.PrivateKeyJwt(jwk.kid ? { key, kid: jwk.kid } : key);
    const config = await discover(KEY_CLIENT_ID, authentication, "oauth2");
    const { access_token: token } = await obtain(config);
    await verify(config, token);
  });
} else {
  console.log("skipped openid-client: private_key_jwt, KEY_CLIENT_ID and PRIVATE_JWK_FILE are not set");
}

process.exit(failed === 0 ? 0 : 1);
