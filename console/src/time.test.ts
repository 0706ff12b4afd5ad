import { expect, it } from 'vitest';
import { ago, exact } from './time';

const now = new Date('2026-11-22T19:00:00Z');

it.each([
  ['2026-11-22T18:59:55Z', 'just now'],
  ['2026-11-22T18:59:20Z', '40 seconds ago'],
  ['2026-11-22T18:58:00Z', '2 minutes ago'],
  ['2026-11-22T16:59:00Z', '2 hours ago'],
  ['2026-11-20T18:00:00Z', '2 days ago'],
  ['2027-11-22T19:00:00Z', 'next year'],
  ['2026-11-22T19:10:00Z', 'in 10 minutes'],
  ['never', 'never'],
])('%s is %s', (time, said) => {
  expect(ago(time, now)).toBe(said);
});

it('the exact time is UTC to the second', () => {
  expect(exact('2026-11-22T18:57:03.313635Z')).toBe('2026-11-22 18:57:03 UTC');
});
