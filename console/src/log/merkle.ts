// The tree of the log (RFC 6962 §2.1), as far as one record's place in it goes.
import { type Bytes, sha256, utf8 } from './bytes';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The leaf of a record: its entry is SHA-256 over salt and stored bytes. */
export async function leafOf(salt: Bytes, body: string): Promise<Bytes> {
  return sha256(LEAF, await sha256(salt, utf8(body)));
}

/** The root that an inclusion proof leads to (RFC 9162 §2.1.3.2), or nothing when it has not the right form. */
export async function rootOf(
  leaf: Bytes,
  index: number,
  size: number,
  proof: Bytes[],
): Promise<Bytes | undefined> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size)
    return undefined;
  let node = index;
  let last = size - 1;
  let root = leaf;
  for (const hash of proof) {
    if (hash.length !== 32 || last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      root = await sha256(NODE, hash, root);
      while (node % 2 === 0 && node !== 0) {
        node = node / 2;
        last = Math.floor(last / 2);
      }
    } else {
      root = await sha256(NODE, root, hash);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? root : undefined;
}
