import { expect, test } from 'vitest';
import { conversion } from './conversion';

test('a fix that makes an identity says which, and no other fix does', () => {
  expect(
    conversion('countersign identity create night-program --kind service_account --replaces 01a2'),
  ).toEqual({
    name: 'night-program',
    kind: 'service_account',
    replaces: '01a2',
  });
  expect(conversion('countersign identity create NAME --kind bot --replaces 01a2')?.name).toBe('');
  for (const other of [
    undefined,
    'countersign observed confirm 01a2',
    'countersign identity create a --kind bot --replaces 01a2; rm -rf /',
  ])
    expect(conversion(other)).toBeUndefined();
});
