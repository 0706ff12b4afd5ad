import type { Issuer } from "./issuer.js";
import { RevocationSet, parsePage } from "./revocations.js";
import { LEEWAY } from "./verify.js";

/** Follows the issuer's revocation feed, and knows how old what it has is. */
export class RevocationFeed {
  readonly set = new RevocationSet();
  #cursor: string | undefined;
  #freshAtMs = Number.NEGATIVE_INFINITY;
  #polling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly issuer: Issuer,
    readonly intervalMs: number,
    readonly nowMs: () => number,
    readonly onError: (error: unknown) => void,
  ) {}

  /** Polls from now on. The timer keeps no process alive. */
  start(): void {
    this.#timer = setInterval(() => void this.poll(), this.intervalMs);
    this.#timer.unref();
    void this.poll();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** True when what we have is at most so old; asks once more before it says no. */
  async isFresh(maxAgeSeconds: number): Promise<boolean> {
    if (this.#age() <= maxAgeSeconds * 1000) return true;
    await this.poll();
    return this.#age() <= maxAgeSeconds * 1000;
  }

  /** Reads what is new. Never throws: who asks looks at the age afterwards. */
  poll(): Promise<void> {
    this.#polling ??= this.#read()
      .catch(this.onError)
      .finally(() => (this.#polling = undefined));
    return this.#polling;
  }

  #age(): number {
    return this.nowMs() - this.#freshAtMs;
  }

  async #read(): Promise<void> {
    // The age counts from before the request: what was revoked while it travelled may not be in the answer.
    const startedMs = this.nowMs();
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const query = this.#cursor === undefined ? "" : `?after=${encodeURIComponent(this.#cursor)}`;
      const response = await this.issuer.call(`/api/revocations${query}`, {}, PAGE_BYTES);
      if (response.status === 410) {
        // The issuer no longer knows the cursor: read from the beginning. What we hold stays in force.
        if (this.#cursor === undefined) throw new TypeError("the revocation feed answers 410 without a cursor");
        this.#cursor = undefined;
        continue;
      }
      if (!response.ok) throw new TypeError(`the revocation feed answers ${response.status}`);
      const { entries, next, asOfMs } = parsePage(await response.json());
      if (this.set.size + entries.length > MAX_ENTRIES) throw new TypeError("the revocation feed is longer than this guard keeps");
      for (const entry of entries) this.set.add(entry);
      const ended = entries.length === 0 || next === this.#cursor;
      this.#cursor = next;
      if (ended) {
        // An answer out of some cache is as old as it says; clocks may differ by the leeway.
        const stale = Math.max(0, startedMs - asOfMs - LEEWAY * 1000);
        this.#freshAtMs = Math.max(this.#freshAtMs, startedMs - stale);
        this.set.prune(this.nowMs());
        return;
      }
    }
    throw new TypeError("the revocation feed does not end");
  }
}

const PAGE_BYTES = 8 * 1024 * 1024;
const MAX_PAGES = 1_000;
const MAX_ENTRIES = 1_000_000;
