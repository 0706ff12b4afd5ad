import { expect, it } from 'vitest';
import { aboutOf, timeOf } from './asked';

it('takes what somebody has in hand as what an incident is about', () => {
  expect(aboutOf('credential:k3Jt0')).toBe('credential:k3Jt0');
  expect(aboutOf('cscs_k3Jt0_secret_check')).toBe('credential:k3Jt0');
  expect(aboutOf('https://github.com/octo-org/octo-repo/actions/runs/9876543210')).toBe('run:9876543210');
  expect(aboutOf('dana@example.com')).toBe('user:dana@example.com');
  expect(aboutOf('pipeline://payments/release')).toBe('identity:release');
  expect(aboutOf(`sha256:${'0'.repeat(64)}`)).toBeUndefined();
  expect(aboutOf('  ')).toBeUndefined();
});

it('reads a time as UTC unless it says otherwise', () => {
  expect(timeOf('2026-01-31 14:00')?.toISOString()).toBe('2026-01-31T14:00:00.000Z');
  expect(timeOf('2026-01-31 14:00:05 UTC')?.toISOString()).toBe('2026-01-31T14:00:05.000Z');
  expect(timeOf('2026-01-31T14:00+02:00')?.toISOString()).toBe('2026-01-31T12:00:00.000Z');
  expect(timeOf('yesterday')).toBeUndefined();
  expect(timeOf('')).toBeUndefined();
});
