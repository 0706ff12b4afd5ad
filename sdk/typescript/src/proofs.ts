import { GuardError, KeyError } from "./errors.js";

/** A DPoP proof that was checked. It counts once. */
export interface Checked {
  /** The key that it proves (RFC 7638). */
  readonly key: string;
  /** Names it among all of that key, in as many bytes whatever its sender wrote. */
  readonly name: string;
  /** Until when it could be sent again, in seconds since the epoch. */
  readonly until: number;
}

/** Proofs that this guard has seen: each counts once (RFC 9449 §11.1). What another process has seen it does not know. */
export class Proofs {
  readonly #seen = new Map<string, Map<string, number>>();
  #count = 0;
  #sweptAt = -Infinity;

  /** Called only for what was let through: nobody else fills this, and nobody fills it alone. */
  useUp({ key, name, until }: Checked, now: number): void {
    if (this.#of(key)?.has(name)) throw new KeyError("proof_invalid", "this DPoP proof was used before: make a new one for each request");
    if (this.#isFull(key)) {
      this.#sweep(now);
      // To forget one would be to take it again.
      if (this.#isFull(key)) throw new GuardError("too_many_proofs", "more DPoP proofs come than this guard can remember");
    }
    const own = this.#of(key) ?? new Map<string, number>();
    this.#seen.set(key, own.set(name, until));
    this.#count += 1;
  }

  #of(key: string): Map<string, number> | undefined {
    return this.#seen.get(key);
  }

  #isFull(key: string): boolean {
    return this.#count >= MOST || (this.#of(key)?.size ?? 0) >= MOST_OF_ONE_KEY;
  }

  /** Once a second at most: whoever sends too many costs no more than a look. */
  #sweep(now: number): void {
    if (now <= this.#sweptAt) return;
    this.#sweptAt = now;
    for (const [key, own] of this.#seen) {
      for (const [name, until] of own) {
        if (until <= now && own.delete(name)) this.#count -= 1;
      }
      if (own.size === 0) this.#seen.delete(key);
    }
  }
}

/** Of two minutes: some eight hundred a second. */
export const MOST = 100_000;
/** Of one key: some hundred and sixty a second. A caller that sends more has several keys, or waits. */
export const MOST_OF_ONE_KEY = 20_000;
