import { createLocalJWKSet, type CompactVerifyGetKey, type JSONWebKeySet } from "jose";

import { makeAssertBotCan, type BotToken } from "./bot.js";
import type { AccessClaims } from "./claims.js";
import { enforce, type GuardRequest } from "./enforce.js";
import { GuardError } from "./errors.js";
import { RevocationFeed } from "./feed.js";
import { checkIssuer, type Fetch } from "./http.js";
import { Issuer, type GuardCredential } from "./issuer.js";
import { Proofs } from "./proofs.js";
import { Results, type Outcome } from "./results.js";
import { checkSender, type Presented } from "./sender.js";
import { verifyAccessToken } from "./verify.js";

/** What a resource server states once. */
export interface GuardOptions {
  /** The issuer's URL, exactly as it stands in `iss`. */
  readonly issuer: string;
  /** The one audience whose tokens are accepted. */
  readonly audience: string;
  /** What the acting subject must begin with, `bot://support/` for one. */
  readonly subjectPrefix?: string;
  /** The resource server's own credential. Without it the guard only verifies. */
  readonly credential?: GuardCredential;
  /** The greatest age of the revocation feed; past it the guard refuses. Default 30 s. */
  readonly maxFeedAgeSeconds?: number;
  /** Actions that cannot be undone: for them the feed may be at most `maxFeedAgeSecondsIrreversible` old. */
  readonly irreversibleActions?: readonly string[];
  /** Default 5 s. */
  readonly maxFeedAgeSecondsIrreversible?: number;
  /** How long keys are used without asking again. Default 60 s with a credential, else 600 s. */
  readonly maxKeyAgeSeconds?: number;
  /** Called with what goes wrong in the background. It never holds a token or a secret. */
  readonly onError?: (error: unknown) => void;
  /** Keys given by hand instead of fetched: for tests, and for machines without a network. */
  readonly jwks?: JSONWebKeySet;
  /** For tests. */
  readonly fetch?: Fetch;
  /** For tests: milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Stands before a resource server. */
export interface Guard {
  /** `verify-only`: tokens live until they expire, and nothing is reported. `following`: revocations reach this guard. */
  readonly mode: "following" | "verify-only";
  /**
   * Verifies the token and whether it may do this; throws a `GuardError`. A token that is bound to a key or a certificate
   * is refused unless what its sender proved comes with it: `Presented`.
   */
  authorize(token: string | Presented, request: GuardRequest): Promise<AccessClaims>;
  /** Authorizes, does the work, and reports how it ended. */
  perform<T>(token: string | Presented, request: GuardRequest, work: (claims: AccessClaims) => Promise<T> | T): Promise<T>;
  /** Reports how it ended. Does nothing in the mode `verify-only`. */
  report(claims: AccessClaims, request: GuardRequest, outcome: Outcome, detail?: string): void;
  /** The check of a token that is already verified: audience, subject, action. */
  assertBotCan(token: BotToken, action: string): void;
  /** Sends what waits, and stops following. */
  close(): Promise<void>;
}

/** Makes a guard. It starts to follow the revocation feed at once, and fetches keys when the first token comes. */
export function createGuard(options: GuardOptions): Guard {
  return new IssuerGuard(options);
}

class IssuerGuard implements Guard {
  readonly mode: "following" | "verify-only";
  readonly assertBotCan: (token: BotToken, action: string) => void;
  readonly #options: GuardOptions;
  readonly #nowMs: () => number;
  readonly #keys: CompactVerifyGetKey;
  readonly #feed: RevocationFeed | undefined;
  readonly #results: Results | undefined;
  readonly #irreversible: ReadonlySet<string>;
  readonly #proofs = new Proofs();

  constructor(options: GuardOptions) {
    checkIssuer(options.issuer);
    if (!options.audience) throw new TypeError("audience is needed");
    this.#options = options;
    this.#nowMs = options.now ?? Date.now;
    this.#irreversible = new Set(options.irreversibleActions);
    const { credential } = options;
    const keyAge = options.maxKeyAgeSeconds ?? (credential ? KEY_AGE_FOLLOWING : KEY_AGE_VERIFY_ONLY);
    const issuer = new Issuer(options.issuer, credential, options.fetch ?? fetch, this.#nowMs, keyAge);
    this.#keys = options.jwks ? (createLocalJWKSet(options.jwks) as CompactVerifyGetKey) : issuer.keys;
    this.mode = credential ? "following" : "verify-only";
    this.assertBotCan = makeAssertBotCan({ audience: options.audience, subjectPrefix: options.subjectPrefix ?? "bot://" });
    if (credential) {
      const onError = options.onError ?? (() => undefined);
      this.#feed = new RevocationFeed(issuer, this.#shortestAge() * 1000 * POLL_AT, this.#nowMs, onError);
      this.#results = new Results(issuer, this.#nowMs, onError);
      this.#feed.start();
    }
  }

  async authorize(token: string | Presented, request: GuardRequest): Promise<AccessClaims> {
    const { issuer, audience, subjectPrefix } = this.#options;
    const now = Math.floor(this.#nowMs() / 1000);
    const presented = typeof token === "string" ? { token } : token;
    const claims = await verifyAccessToken(presented.token, { issuer, audience, keys: this.#keys, now });
    try {
      const proof = await checkSender(claims, presented, now);
      await this.#checkRevocations(claims, request);
      enforce(claims, subjectPrefix, request);
      if (proof) this.#proofs.useUp(proof, now);
    } catch (error) {
      if (error instanceof GuardError) this.#results?.add(claims, request, "refused", error.message);
      throw error;
    }
    return claims;
  }

  async perform<T>(token: string | Presented, request: GuardRequest, work: (claims: AccessClaims) => Promise<T> | T): Promise<T> {
    const claims = await this.authorize(token, request);
    let value: T;
    try {
      value = await work(claims);
    } catch (error) {
      this.report(claims, request, "failed", error instanceof Error ? error.name : "failed");
      throw error;
    }
    this.report(claims, request, "done");
    return value;
  }

  report(claims: AccessClaims, request: GuardRequest, outcome: Outcome, detail?: string): void {
    this.#results?.add(claims, request, outcome, detail);
  }

  async close(): Promise<void> {
    this.#feed?.stop();
    await this.#results?.close();
  }

  async #checkRevocations(claims: AccessClaims, { action }: GuardRequest): Promise<void> {
    if (!this.#feed) return;
    const maxAge = this.#irreversible.has(action) ? this.#irreversibleAge() : this.#age();
    if (!(await this.#feed.isFresh(maxAge))) {
      throw new GuardError("revocations_stale", `the revocation feed is older than ${maxAge} s`);
    }
    const grain = this.#feed.set.hit(claims);
    if (grain) throw new GuardError("token_revoked", `the token was revoked: ${grain.replace("_", " ")}`);
  }

  #age(): number {
    return this.#options.maxFeedAgeSeconds ?? MAX_FEED_AGE;
  }

  #irreversibleAge(): number {
    return Math.min(this.#age(), this.#options.maxFeedAgeSecondsIrreversible ?? MAX_FEED_AGE_IRREVERSIBLE);
  }

  #shortestAge(): number {
    return this.#irreversible.size > 0 ? this.#irreversibleAge() : this.#age();
  }
}

const MAX_FEED_AGE = 30;
const MAX_FEED_AGE_IRREVERSIBLE = 5;
const POLL_AT = 1 / 3;
const KEY_AGE_FOLLOWING = 60;
const KEY_AGE_VERIFY_ONLY = 600;
