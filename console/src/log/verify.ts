// Whether a record is in the log where the server says, decided here and not by the server.
import { equal, fromBase64, fromHex, toHex } from './bytes';
import { parseCheckpoint, type Signature, signatureOf, type VerifierKey } from './checkpoint';
import { leafOf, rootOf } from './merkle';
import { type Disclosed, openRecord } from './record';

export interface Provable {
  body: string;
  salt: string;
  disclosed: Disclosed[];
  log?: { index: number; tree_size: number; proof: string[]; checkpoint: string } | null;
}

/** Green, red, or neither: not published yet, or a browser that cannot check signatures. */
export type Mark = 'bad' | 'good' | 'unknown';

export interface Verdict {
  mark: Mark;
  /** What was found, in one sentence. */
  says: string;
  leaf?: string;
  root?: string;
  index?: number;
  size?: number;
  signature?: Signature;
  /** Whether it is recorded and waits for the next checkpoint: ask again in a second. */
  pending?: boolean;
  /** The record as the hashed bytes say it. */
  record?: Record<string, unknown>;
}

export async function verify(given: Provable, key: VerifierKey): Promise<Verdict> {
  if (!globalThis.crypto?.subtle) {
    return unknown('this page is not on https or loopback, so the browser gives it no cryptography');
  }
  if (given.body === '') return unknown('the bytes of this record cannot be had now');
  const { record, wrong } = await openRecord(given.body, given.disclosed);
  if (wrong.length > 0) {
    return { mark: 'bad', record, says: 'a personal value shown here is not the one that was recorded' };
  }
  if (!given.log) {
    return {
      pending: true,
      ...unknown('recorded, and not yet in a signed checkpoint: that takes about a second'),
      record,
    };
  }
  return { ...(await inLog(given, given.log, key)), record };
}

async function inLog(given: Provable, log: NonNullable<Provable['log']>, key: VerifierKey): Promise<Verdict> {
  const checkpoint = parseCheckpoint(log.checkpoint);
  const leaf = await leafOf(fromHex(given.salt), given.body);
  const root = await rootOf(leaf, log.index, checkpoint.size, log.proof.map(fromBase64));
  const shown = { leaf: toHex(leaf), root: toHex(checkpoint.root), index: log.index, size: checkpoint.size };
  if (!root || !equal(root, checkpoint.root)) {
    return {
      ...shown,
      mark: 'bad',
      says: 'the proof does not lead to the root of the checkpoint: this is not what was logged',
    };
  }
  if (checkpoint.origin !== key.name) {
    return {
      ...shown,
      mark: 'bad',
      says: `the checkpoint is of ${checkpoint.origin}, and the pinned key of ${key.name}`,
    };
  }
  const signature = await signatureOf(log.checkpoint, key);
  return { ...shown, signature, ...SIGNED[signature] };
}

const unknown = (says: string): Verdict => ({ mark: 'unknown', says });

const SIGNED: Record<Signature, Pick<Verdict, 'mark' | 'says'>> = {
  good: { mark: 'good', says: 'in the log, under a checkpoint that the pinned key signed' },
  bad: { mark: 'bad', says: 'the signature of the checkpoint is not good' },
  other_key: { mark: 'bad', says: 'the checkpoint is not signed by the key that is pinned in this browser' },
  unsupported: {
    mark: 'unknown',
    says: 'in the tree of the checkpoint, whose signature this browser cannot check: it has no Ed25519',
  },
};
