// Checkpoints: the signed head of the log (C2SP tlog-checkpoint), a signed note with Ed25519 (C2SP signed-note).
import { type Bytes, fromBase64, sha256, toHex, utf8 } from './bytes';

export interface Checkpoint {
  origin: string;
  size: number;
  root: Bytes;
}

/** What somebody pins: `NAME+ID+KEY`. */
export interface VerifierKey {
  name: string;
  id: string;
  public: Bytes;
}

/** `unsupported`: this browser has no Ed25519, so nothing is known of the signature. */
export type Signature = 'bad' | 'good' | 'other_key' | 'unsupported';

const ED25519 = 1;
const BEFORE_SIGNATURES = '\n\n';
const BEFORE_NAME = '\u2014 ';

export function parseCheckpoint(note: string): Checkpoint {
  const [origin, size, root] = textOf(note).split('\n');
  if (!origin || !root || !/^(0|[1-9]\d*)$/.test(size ?? '')) throw new Error('not a checkpoint');
  const hash = fromBase64(root);
  if (hash.length !== 32) throw new Error('the root of the checkpoint is not a hash');
  return { origin, size: Number(size), root: hash };
}

/** Reads a verifier key; refuses one whose id is not that of its name and key. */
export async function parseVerifierKey(text: string): Promise<VerifierKey> {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim()) ?? [];
  const key = encoded ? fromBase64(encoded) : Uint8Array.of();
  if (!name || !id || key[0] !== ED25519 || key.length !== 33)
    throw new Error('not a verifier key: name+id+key');
  const digest = await sha256(utf8(`${name}\n`), key);
  if (toHex(digest.slice(0, 4)) !== id) throw new Error('the id of this verifier key is not that of its key');
  return { name, id, public: key.slice(1) };
}

/** Whether the key signed the checkpoint. */
export async function signatureOf(note: string, key: VerifierKey): Promise<Signature> {
  const at = note.lastIndexOf(BEFORE_SIGNATURES);
  const lines = note.slice(at + BEFORE_SIGNATURES.length).split('\n');
  const wanted = lines.find((line) => line.startsWith(`${BEFORE_NAME}${key.name} `));
  if (!wanted) return 'other_key';
  const signed = fromBase64(wanted.slice(BEFORE_NAME.length + key.name.length + 1));
  if (toHex(signed.slice(0, 4)) !== key.id) return 'other_key';
  const imported = await crypto.subtle
    .importKey('raw', key.public, 'Ed25519', false, ['verify'])
    .catch(() => undefined);
  if (!imported) return 'unsupported';
  const good = await crypto.subtle.verify('Ed25519', imported, signed.slice(4), utf8(textOf(note)));
  return good ? 'good' : 'bad';
}

function textOf(note: string): string {
  const at = note.lastIndexOf(BEFORE_SIGNATURES);
  if (at < 0) throw new Error('not a signed note');
  return note.slice(0, at + 1);
}
