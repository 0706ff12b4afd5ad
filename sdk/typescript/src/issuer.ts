import { createRemoteJWKSet, customFetch, type CompactVerifyGetKey } from "jose";

import { GuardError } from "./errors.js";
import { boundedFetch, type Fetch } from "./http.js";

/** The resource server's own credential at the issuer. */
export interface GuardCredential {
  readonly clientId: string;
  readonly clientSecret: string;
}

interface Metadata {
  readonly jwksUri: string;
  readonly tokenEndpoint: string;
}

/** The issuer as the guard sees it: its keys, and a token of the guard's own to talk to it. */
export class Issuer {
  readonly #metadataFetch: Fetch;
  #metadata: Promise<Metadata> | undefined;
  #keys: { readonly uri: string; readonly find: CompactVerifyGetKey } | undefined;
  #token: { readonly value: string; readonly renewAtMs: number } | undefined;

  constructor(
    readonly url: string,
    readonly credential: GuardCredential | undefined,
    readonly fetch: Fetch,
    readonly nowMs: () => number,
    readonly maxKeyAgeSeconds: number,
  ) {
    this.#metadataFetch = boundedFetch(fetch, { bytes: METADATA_BYTES, timeoutMs: TIMEOUT_MS });
  }

  /** Finds the key that a header names; the set is fetched when it is needed and kept for a while. */
  readonly keys: CompactVerifyGetKey = async (header, token) => {
    const { jwksUri } = await this.#discover();
    if (this.#keys?.uri !== jwksUri) {
      const find = createRemoteJWKSet(new URL(jwksUri), {
        cacheMaxAge: this.maxKeyAgeSeconds * 1000,
        cooldownDuration: COOLDOWN_MS,
        timeoutDuration: TIMEOUT_MS,
        [customFetch]: (url, init) => this.#metadataFetch(url, init as RequestInit),
      });
      this.#keys = { uri: jwksUri, find };
    }
    return this.#keys.find(header, token);
  };

  /** Calls the issuer's API with the guard's own token, which is renewed once when the issuer no longer takes it. */
  async call(path: string, init: RequestInit, bytes: number): Promise<Response> {
    const fetch = boundedFetch(this.fetch, { bytes, timeoutMs: TIMEOUT_MS });
    const send = async () => {
      const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${await this.#accessToken()}` };
      return fetch(`${this.url}${path}`, { ...init, headers });
    };
    const response = await send();
    if (response.status !== 401) return response;
    this.#token = undefined;
    return send();
  }

  async #accessToken(): Promise<string> {
    if (this.#token && this.nowMs() < this.#token.renewAtMs) return this.#token.value;
    if (!this.credential) throw new TypeError("the guard has no credential");
    const { tokenEndpoint } = await this.#discover();
    const pair = [this.credential.clientId, this.credential.clientSecret].map(formEncode).join(":");
    const response = await this.#metadataFetch(tokenEndpoint, {
      method: "POST",
      headers: {
        authorization: `Basic ${Buffer.from(pair).toString("base64")}`,
        "content-type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams({ grant_type: "client_credentials", audience: this.url }).toString(),
    });
    const answer = (await response.json()) as { access_token?: unknown; expires_in?: unknown; error?: unknown };
    if (!response.ok || typeof answer.access_token !== "string" || typeof answer.expires_in !== "number") {
      throw new TypeError(`the issuer gave the guard no token: ${response.status} ${String(answer.error ?? "")}`);
    }
    this.#token = { value: answer.access_token, renewAtMs: this.nowMs() + answer.expires_in * 1000 * RENEW_AT };
    return answer.access_token;
  }

  /** A failure is not kept: the next call asks again. */
  #discover(): Promise<Metadata> {
    this.#metadata ??= this.#fetchMetadata().catch((error: unknown) => {
      this.#metadata = undefined;
      throw new GuardError("keys_unavailable", "the issuer's metadata cannot be had now", { cause: error });
    });
    return this.#metadata;
  }

  async #fetchMetadata(): Promise<Metadata> {
    const response = await this.#metadataFetch(`${this.url}/.well-known/openid-configuration`);
    if (!response.ok) throw new TypeError(`the metadata answers ${response.status}`);
    const { issuer, jwks_uri, token_endpoint } = (await response.json()) as Record<string, unknown>;
    if (issuer !== this.url) throw new TypeError("the metadata is of another issuer");
    const origin = new URL(this.url).origin;
    for (const endpoint of [jwks_uri, token_endpoint]) {
      if (typeof endpoint !== "string" || new URL(endpoint).origin !== origin) {
        throw new TypeError("the metadata points away from the issuer");
      }
    }
    return { jwksUri: String(jwks_uri), tokenEndpoint: String(token_endpoint) };
  }
}

/** RFC 6749 §2.3.1: both halves of a Basic credential are form-encoded before they are joined. */
function formEncode(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}

const METADATA_BYTES = 256 * 1024;
const TIMEOUT_MS = 5_000;
const COOLDOWN_MS = 30_000;
const RENEW_AT = 0.8;
