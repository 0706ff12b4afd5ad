import { randomUUID } from "node:crypto";

import { isAction, isDigest, isEnvironment, type AccessClaims } from "./claims.js";
import type { GuardRequest } from "./enforce.js";
import { GuardError } from "./errors.js";
import type { Issuer } from "./issuer.js";

/** How it ended. */
export type Outcome = "done" | "failed" | "refused";

interface Result {
  readonly jti: string;
  readonly txn: string;
  readonly action: string;
  readonly resource: string | null;
  readonly environment: string | null;
  readonly artifact_digest: string | null;
  readonly outcome: Outcome;
  readonly occurred_at: string;
  readonly detail: string | null;
}

/** Results on their way back to the issuer, where they become evidence. Bounded, batched, and tried again. */
export class Results {
  readonly #queue: Result[] = [];
  /** The batch on its way: tried again under the same key, so that the issuer records it once. */
  #batch: { readonly key: string; readonly length: number } | undefined;
  #backingOff = false;
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    readonly issuer: Issuer,
    readonly nowMs: () => number,
    readonly onError: (error: unknown) => void,
  ) {}

  /** Queues one result. A queue that is full refuses what was done, and drops what was refused. */
  add(claims: AccessClaims, request: GuardRequest, outcome: Outcome, detail?: string): void {
    if (this.#queue.length >= (outcome === "refused" ? MAX_REFUSED : MAX_QUEUED)) {
      if (outcome === "refused") return;
      throw new GuardError("results_backlog", "the issuer takes no results and the queue is full");
    }
    // The issuer takes a batch whole: one value of another form would cost all the others.
    if (!isAction(request.action)) return this.onError(new TypeError("an action that is not in the dotted form was not reported"));
    const environment = request.environment ?? claims.environment;
    this.#queue.push({
      jti: claims.jti,
      txn: claims.txn,
      action: request.action,
      resource: request.resource ?? null,
      environment: environment !== undefined && isEnvironment(environment) ? environment : null,
      artifact_digest: request.artifactDigest !== undefined && isDigest(request.artifactDigest) ? request.artifactDigest : null,
      outcome,
      occurred_at: new Date(this.nowMs()).toISOString(),
      detail: detail?.slice(0, MAX_DETAIL) ?? null,
    });
    if (this.#queue.length >= BATCH && !this.#backingOff) void this.flush();
    else this.#schedule(FLUSH_MS);
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Sends what waits; what could not be sent stays in the queue and is tried again later. */
  flush(): Promise<void> {
    this.#sending ??= this.#send()
      .catch((error: unknown) => {
        this.onError(error);
        this.#backingOff = true;
        clearTimeout(this.#timer);
        this.#timer = undefined;
        this.#schedule(RETRY_MS);
      })
      .finally(() => (this.#sending = undefined));
    return this.#sending;
  }

  /** Sends what waits and stops. */
  async close(): Promise<void> {
    await this.flush();
    if (this.#queue.length > 0) await this.flush();
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #send(): Promise<void> {
    while (this.#queue.length > 0) {
      this.#batch ??= { key: randomUUID(), length: Math.min(BATCH, this.#queue.length) };
      const { key, length } = this.#batch;
      const response = await this.issuer.call(
        "/api/results",
        {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": key },
          body: JSON.stringify({ results: this.#queue.slice(0, length) }),
        },
        ANSWER_BYTES,
      );
      const again = response.status === 401 || response.status === 429 || response.status >= 500;
      if (again) throw new TypeError(`the issuer takes no results now: ${response.status}`);
      // Another answer would be the same the next time: say so once, and go on.
      const refused = response.ok ? await refusedIn(response) : length;
      if (refused > 0) this.onError(new TypeError(`the issuer refused ${refused} of ${length} results: ${response.status}`));
      this.#queue.splice(0, length);
      this.#batch = undefined;
      this.#backingOff = false;
    }
  }

  #schedule(delayMs: number): void {
    if (this.#timer || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, delayMs);
    this.#timer.unref();
  }
}

/** How many results of an accepted batch have no record. */
async function refusedIn(response: Response): Promise<number> {
  const answer = (await response.json().catch(() => undefined)) as { results?: { reason_code?: unknown }[] } | undefined;
  return Array.isArray(answer?.results) ? answer.results.filter((result) => result?.reason_code !== undefined).length : 0;
}

const BATCH = 100;
const FLUSH_MS = 500;
const RETRY_MS = 5_000;
const MAX_QUEUED = 10_000;
const MAX_REFUSED = 5_000;
const MAX_DETAIL = 500;
const ANSWER_BYTES = 64 * 1024;
