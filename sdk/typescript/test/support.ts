import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { SignJWT, importJWK, type JWK, type JSONWebKeySet } from "jose";

import type { Presented, Revocation } from "../src/index.js";

export interface Case {
  readonly name: string;
  readonly token: string;
  readonly presented?: Omit<Presented, "token">;
  readonly request: { action: string; resource?: string; environment?: string; artifact_digest?: string };
  readonly revocations: Revocation[];
  readonly expect: { ok: true } | { error: string; message?: string };
}

export interface Vectors {
  readonly issuer: string;
  readonly audience: string;
  readonly subject_prefix: string;
  readonly now: number;
  readonly jwks: JSONWebKeySet;
  readonly cases: Case[];
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../../vectors/${name}`, import.meta.url), "utf8"));

export const vectors = read("guard.json") as Vectors;
const { keys: testKeys } = read("test-keys.json") as { keys: Record<string, JWK> };

/** The claims of the good token. */
export const goodToken = vectors.cases[0]?.token ?? "";
export const goodClaims = JSON.parse(Buffer.from(goodToken.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;

/** A token signed now by the test key. */
export async function mint(claims: Record<string, unknown>): Promise<string> {
  const key = await importJWK(testKeys["test-es256"] ?? {}, "ES256");
  return new SignJWT({ ...goodClaims, ...claims }).setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "test-es256" }).sign(key);
}

/** A small issuer on loopback, with what a guard needs of one. */
export class FakeIssuer {
  revocations: Revocation[] = [];
  readonly results: Record<string, unknown>[] = [];
  readonly batchKeys: string[] = [];
  readonly seen: string[] = [];
  failing = new Set<string>();
  tokensIssued = 0;
  #forgetTokens = false;
  #server: Server | undefined;
  url = "";

  async start(): Promise<this> {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", this.url);
      this.seen.push(`${request.method} ${url.pathname}${url.search}`);
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks).toString();
        const [status, answer] = this.#answer(url, body, request.headers.authorization ?? "", String(request.headers["idempotency-key"]));
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  /** All tokens given out so far are refused from now on. */
  forgetTokens(): void {
    this.#forgetTokens = true;
  }

  #answer(url: URL, body: string, authorization: string, batchKey: string): [number, unknown] {
    if (this.failing.has(url.pathname)) return [503, {}];
    switch (url.pathname) {
      case "/.well-known/openid-configuration":
        return [200, { issuer: this.url, jwks_uri: `${this.url}/.well-known/jwks.json`, token_endpoint: `${this.url}/oauth2/token` }];
      case "/.well-known/jwks.json":
        return [200, vectors.jwks];
      case "/oauth2/token": {
        const form = new URLSearchParams(body);
        const basic = Buffer.from(authorization.replace("Basic ", ""), "base64").toString();
        const right = basic === "support-api:s%3Acr%25t" && form.get("grant_type") === "client_credentials" && form.get("audience") === this.url;
        this.tokensIssued += 1;
        this.#forgetTokens = false;
        return right ? [200, { access_token: `guard-${this.tokensIssued}`, token_type: "Bearer", expires_in: 600 }] : [401, { error: "invalid_client" }];
      }
      case "/api/revocations": {
        if (!this.#authenticated(authorization)) return [401, {}];
        const after = Number(url.searchParams.get("after") ?? 0);
        if (after > this.revocations.length) return [410, {}];
        const entries = this.revocations.slice(after, after + 2);
        return [200, { entries, next: String(after + entries.length), as_of: new Date().toISOString() }];
      }
      case "/api/results":
        if (!this.#authenticated(authorization)) return [401, {}];
        this.batchKeys.push(batchKey);
        this.results.push(...(JSON.parse(body) as { results: Record<string, unknown>[] }).results);
        return [202, {}];
      default:
        return [404, {}];
    }
  }

  #authenticated(authorization: string): boolean {
    return !this.#forgetTokens && authorization === `Bearer guard-${this.tokensIssued}`;
  }
}

export const credential = { clientId: "support-api", clientSecret: "s:cr%t" };
