import { expect, it } from 'vitest';
import type { Schemas } from '../api/client';
import { joined } from './pages';

type Incident = Schemas['Incident'];

function page(items: [string, string][], truncated: string[], next?: string): Incident {
  const sources = [...new Set(items.map(([, address]) => address))];
  return {
    items: items.map(([id, address]) => ({ id, address })),
    sources: sources.map((address) => ({ address, records: items.length, first_time: address === 'b' })),
    truncated,
    next,
  } as Incident;
}

it('tells and counts a record of two pages once, in its place', () => {
  const first = page(
    [
      ['9', 'a'],
      ['5', 'a'],
    ],
    ['x'],
    'on',
  );
  const second = page(
    [
      ['9', 'a'],
      ['7', 'b'],
    ],
    ['x', 'y'],
  );
  const all = joined(first, [second]);
  expect(all.items.map((item) => item.id)).toEqual(['9', '7', '5']);
  expect(all.sources.map((source) => [source.address, source.records])).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
  expect(all.truncated).toEqual(['x', 'y']);
  expect(all.next).toBeUndefined();
});
