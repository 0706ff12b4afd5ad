// The log's key, kept in this browser from the first time it was seen: a server that comes with another one is noticed.
import { parseVerifierKey } from './checkpoint';

export interface Pinned {
  verifierKey: string;
  /** When it was pinned, RFC 3339. */
  since: string;
  /** Whether a person brought it from elsewhere, and the server did not just say it. */
  brought: boolean;
}

interface Store {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

const nameOf = (origin: string) => `countersign.log-key.${origin}`;

export function pinned(origin: string, store: Store = localStorage): Pinned | undefined {
  const found = store.getItem(nameOf(origin));
  return found ? (JSON.parse(found) as Pinned) : undefined;
}

/** Pins a key; refuses what is none, and a key of another log. */
export async function pin(
  origin: string,
  verifierKey: string,
  brought: boolean,
  now: Date,
  store: Store = localStorage,
): Promise<Pinned> {
  const key = await parseVerifierKey(verifierKey);
  if (key.name !== origin) throw new Error(`this key is of ${key.name}, and the log here is ${origin}`);
  const kept = { verifierKey: verifierKey.trim(), since: now.toISOString(), brought };
  store.setItem(nameOf(origin), JSON.stringify(kept));
  return kept;
}

export interface Seen {
  size: number;
  /** When, RFC 3339. */
  at: string;
}

/** What this browser saw of a log before, if anything; a signed head that is longer is remembered instead. */
export function grown(
  head: { origin: string; size: number },
  signed: boolean,
  now: Date,
  store: Store = localStorage,
): Seen | undefined {
  const name = `countersign.log-size.${head.origin}`;
  const found = store.getItem(name);
  const before = found ? (JSON.parse(found) as Seen) : undefined;
  if (signed && head.size >= (before?.size ?? 0)) {
    store.setItem(name, JSON.stringify({ size: head.size, at: now.toISOString() }));
  }
  return before;
}
