// The records of a deploy, as a server gave them out, and what becomes of them when somebody changes something.
import { beforeAll, describe, expect, it } from 'vitest';
import { fromBase64, fromHex, sha256, toBase64, toHex, utf8 } from './bytes';
import { parseCheckpoint, parseVerifierKey, type VerifierKey } from './checkpoint';
import { leafOf, rootOf } from './merkle';
import { grown, pin, pinned } from './pin';
import { ERASED, openRecord } from './record';
import vectors from './vectors.json';
import { type Provable, verify } from './verify';

const records = vectors.records as (Provable & { log: NonNullable<Provable['log']> })[];
const first = records[0] as (typeof records)[number];
let key: VerifierKey;
beforeAll(async () => {
  key = await parseVerifierKey(vectors.key.verifier_key);
});

const changed = (change: (record: typeof first) => unknown) => {
  const copy = structuredClone(first);
  change(copy);
  return verify(copy, key);
};

describe('a record that is in the log', () => {
  it.each(records.map((record) => [record.log.index, record] as const))('%i is green', async (_, record) => {
    expect(await verify(record, key)).toMatchObject({
      mark: 'good',
      signature: 'good',
      index: record.log.index,
    });
  });

  it('says what its hashed bytes say, with the personal values in place', async () => {
    const { record } = await verify(first, key);
    const refs = (record?.refs ?? []) as { role: string; name: string }[];
    expect(refs.find((ref) => ref.role === 'sponsor')?.name).toBe('dana@example.com');
  });
});

describe('a record that somebody changed is red', () => {
  it('one letter of it', async () => {
    const verdict = await changed((record) => {
      record.body = record.body.replace('deploy.release', 'deploy.releasf');
    });
    expect(verdict).toMatchObject({ mark: 'bad', says: expect.stringContaining('not what was logged') });
  });

  it('its salt, its index, a hash of its proof, one hash less, one hash more', async () => {
    const changes: ((record: typeof first) => unknown)[] = [
      (record) => Object.assign(record, { salt: `00${record.salt.slice(2)}` }),
      (record) => Object.assign(record.log, { index: record.log.index + 1 }),
      (record) => record.log.proof.splice(0, 1, toBase64(new Uint8Array(32))),
      (record) => record.log.proof.pop(),
      (record) => record.log.proof.push(toBase64(new Uint8Array(32))),
    ];
    for (const change of changes) expect((await changed(change)).mark).toBe('bad');
  });

  it('a personal value', async () => {
    const verdict = await changed((record) => {
      const shown = record.disclosed[0];
      if (shown) shown.value = 'lee@example.com';
    });
    expect(verdict).toMatchObject({ mark: 'bad', says: expect.stringContaining('personal value') });
  });

  it('the size in the checkpoint, which its signature covers', async () => {
    const verdict = await changed((record) => {
      const { size } = parseCheckpoint(record.log.checkpoint);
      record.log.checkpoint = record.log.checkpoint.replace(`\n${size}\n`, `\n${size + 64}\n`);
    });
    expect(verdict.mark).toBe('bad');
  });

  it('the signature', async () => {
    const verdict = await changed((record) => {
      const at = record.log.checkpoint.length - 10;
      const letter = record.log.checkpoint[at] === 'A' ? 'B' : 'A';
      record.log.checkpoint =
        record.log.checkpoint.slice(0, at) + letter + record.log.checkpoint.slice(at + 1);
    });
    expect(verdict).toMatchObject({ mark: 'bad', signature: 'bad' });
  });
});

describe('what cannot be known', () => {
  it('a record that is not published yet is neither green nor red', async () => {
    expect(await verify({ ...first, log: null }, key)).toMatchObject({ mark: 'unknown', pending: true });
  });

  it('a key of the same log that did not sign is told apart from a bad signature', async () => {
    const other = { ...key, id: '00000000' };
    expect(await verify(first, other)).toMatchObject({ mark: 'bad', signature: 'other_key' });
  });
});

describe('the tree of RFC 6962', () => {
  it('leaf and root of small trees', async () => {
    expect(toHex(await sha256(Uint8Array.of(0)))).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    const leaf = await leafOf(fromHex('00'.repeat(16)), 'a');
    expect(toHex((await rootOf(leaf, 0, 1, [])) ?? new Uint8Array())).toBe(toHex(leaf));
    expect(await rootOf(leaf, 1, 1, [])).toBeUndefined();
    expect(await rootOf(leaf, 0, 2, [])).toBeUndefined();
  });

  it('every leaf of every tree of up to 20 leaves has its proof, and no other place', async () => {
    const leaves = await Promise.all(Array.from({ length: 20 }, (_, n) => sha256(utf8(`\0${n}`))));
    for (let size = 1; size <= 20; size += 1) {
      const tree = leaves.slice(0, size);
      const root = toHex(await treeHash(tree));
      for (let index = 0; index < size; index += 1) {
        const proof = await path(tree, index);
        const leaf = tree[index] as (typeof leaves)[number];
        expect(toHex((await rootOf(leaf, index, size, proof)) ?? new Uint8Array())).toBe(root);
        const elsewhere = await rootOf(leaf, (index + 1) % size, size, proof);
        if (size > 1) expect(elsewhere && toHex(elsewhere)).not.toBe(root);
      }
    }
  });
});

describe('erased and pinned', () => {
  it('an erased value is said to be erased', async () => {
    const { record } = await openRecord(`{"who":{"digest":"${'ab'.repeat(32)}"}}`, [
      { digest: 'ab'.repeat(32) },
    ]);
    expect(record.who).toBe(ERASED);
  });

  it('a key is pinned with its log, and one of another log is refused', async () => {
    const kept = new Map<string, string>();
    const store = { getItem: (name: string) => kept.get(name) ?? null, setItem: kept.set.bind(kept) };
    await pin(vectors.key.origin, vectors.key.verifier_key, false, new Date(0), store);
    expect(pinned(vectors.key.origin, store)).toMatchObject({
      since: '1970-01-01T00:00:00.000Z',
      brought: false,
    });
    await expect(pin('another/log', vectors.key.verifier_key, true, new Date(0), store)).rejects.toThrow(
      'is of',
    );
    await expect(pin(vectors.key.origin, 'nonsense', true, new Date(0), store)).rejects.toThrow(
      'not a verifier key',
    );
  });

  it('a log that became shorter is told, and is not remembered', () => {
    const kept = new Map<string, string>();
    const store = { getItem: (name: string) => kept.get(name) ?? null, setItem: kept.set.bind(kept) };
    const head = (size: number) => grown({ origin: 'log', size }, true, new Date(0), store)?.size;
    expect([head(5), head(9), head(7), head(9)]).toEqual([undefined, 5, 9, 9]);
    expect(grown({ origin: 'log', size: 99 }, false, new Date(0), store)?.size).toBe(9);
    expect(head(9)).toBe(9);
  });

  it('a verifier key whose id is not its own is refused', async () => {
    const forged = vectors.key.verifier_key.replace(/\+[0-9a-f]{8}\+/, '+00000000+');
    await expect(parseVerifierKey(forged)).rejects.toThrow('id');
    expect(fromBase64(toBase64(key.public))).toEqual(key.public);
  });
});

type Hashes = Awaited<ReturnType<typeof sha256>>[];

async function treeHash(leaves: Hashes): Promise<Hashes[number]> {
  if (leaves.length === 1) return leaves[0] as Hashes[number];
  const half = split(leaves.length);
  return sha256(Uint8Array.of(1), await treeHash(leaves.slice(0, half)), await treeHash(leaves.slice(half)));
}

/** RFC 6962 §2.1.1, as it is written there. */
async function path(leaves: Hashes, index: number): Promise<Hashes> {
  if (leaves.length === 1) return [];
  const half = split(leaves.length);
  return index < half
    ? [...(await path(leaves.slice(0, half), index)), await treeHash(leaves.slice(half))]
    : [...(await path(leaves.slice(half), index - half)), await treeHash(leaves.slice(0, half))];
}

function split(size: number): number {
  let half = 1;
  while (half * 2 < size) half *= 2;
  return half;
}
