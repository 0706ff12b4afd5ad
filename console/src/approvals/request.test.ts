import { expect, it } from 'vitest';
import { type Approval, changes, differences, lastApproved, riskOf } from './request';

const approval = (more: object) =>
  ({
    id: 'a',
    type: 'grant',
    status: 'pending',
    opened_at: '2026-02-02T00:00:00Z',
    actions: [],
    ...more,
  }) as unknown as Approval;

it('is compared with the newest earlier one that people said yes to', () => {
  const others = [
    approval({ id: 'b', status: 'redeemed', opened_at: '2026-01-01T00:00:00Z', commit: 'old' }),
    approval({ id: 'c', status: 'approved', opened_at: '2026-01-02T00:00:00Z', commit: 'before' }),
    approval({ id: 'd', status: 'denied', opened_at: '2026-01-03T00:00:00Z' }),
    approval({ id: 'e', status: 'redeemed', opened_at: '2026-03-01T00:00:00Z' }),
    approval({ id: 'f', status: 'approved', opened_at: '2026-01-04T00:00:00Z', type: 'change' }),
  ];
  const now = approval({ commit: 'new', environment: 'production' });
  const before = lastApproved(now, others);
  expect(before?.id).toBe('c');
  expect(differences(now, before as Approval)).toEqual([
    { field: 'Environment', before: '', now: 'production' },
    { field: 'Commit', before: 'before', now: 'new' },
  ]);
  expect(lastApproved(now, [])).toBeUndefined();
});

it('is as risky as the worst of its actions', () => {
  const actions = [
    { name: 'a.b', class: 'read' },
    { name: 'c.d', class: 'irreversible' },
  ];
  expect(riskOf(approval({ actions }))).toBe('irreversible');
  expect(riskOf(approval({}))).toBeUndefined();
});

it('shows what a change sets with names in the place of ids', () => {
  const change = {
    noun: 'identity',
    record: { id: '1', name: 'triage' },
    version: 1,
    does: { verb: 'update', loosens: ['managers'], set: { managers: ['u1', 'u2'] } },
    names: { u1: 'dana@example.com' },
  };
  expect(changes(approval({ change }))).toEqual({
    verb: 'update',
    loosens: ['managers'],
    set: [['managers', ['dana@example.com', 'u2']]],
  });
});
