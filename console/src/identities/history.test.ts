import { expect, it } from 'vitest';
import { said } from './History';

it('tells a change as it was and is, with names where they are known', () => {
  const names = new Map([['01a2', 'dana@example.com']]);
  expect(said({ from: ['a.a'], to: ['a.a', 'b.b'] }, names)).toEqual({ was: '', is: 'b.b' });
  expect(said({ from: ['a.a'], to: [] }, names)).toEqual({ was: 'a.a', is: '' });
  expect(said({ from: { type: 'user', id: '01a2' }, to: null }, names)).toEqual({
    was: 'type user, id dana@example.com',
    is: 'none',
  });
  expect(said({ from: false, to: true }, names)).toEqual({ was: 'no', is: 'yes' });
  expect(said({ from: 1_795_386_018_750_997, to: '' }, names).was).toBe('2026-11-22 22:20:18');
  expect(said('changed', names)).toEqual({ was: '', is: 'changed' });
  expect(said({ to: { personal: 'x@example.com' } }, names)).toEqual({ was: '', is: 'x@example.com' });
});
