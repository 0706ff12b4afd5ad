// A record as it was stored and hashed, with the personal values put back that fit their digests.
import { fromHex, sha256, toHex, utf8 } from './bytes';

export interface Disclosed {
  digest: string;
  salt?: string | null;
  value?: string | null;
}

export interface OpenedRecord {
  /** What the bytes say. */
  record: Record<string, unknown>;
  /** Personal values that are not what the bytes promise. */
  wrong: string[];
}

/** What stands where a personal value was taken out. */
export const ERASED = '(erased)';

export async function openRecord(body: string, disclosed: Disclosed[]): Promise<OpenedRecord> {
  const values = new Map<string, string>();
  const wrong: string[] = [];
  for (const { digest, salt, value } of disclosed) {
    if (salt == null || value == null) continue;
    const found = toHex(await sha256(fromHex(salt), utf8(value)));
    if (found === digest) values.set(digest, value);
    else wrong.push(digest);
  }
  const back = (_: string, value: unknown) =>
    isDigest(value) ? (values.get(value.digest) ?? ERASED) : value;
  return { record: JSON.parse(body, back), wrong };
}

function isDigest(value: unknown): value is { digest: string } {
  if (typeof value !== 'object' || value === null) return false;
  const keys = Object.keys(value);
  const digest = (value as { digest?: unknown }).digest;
  return keys.length === 1 && typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest);
}
