import { expect, it } from 'vitest';
import type { Schemas } from '../api/client';
import { documentOf } from './Manifest';
import { sentenceOf } from './sentence';

const identity = (more: object) =>
  ({
    name: 'triage',
    kind: 'agent',
    status: 'active',
    project: { id: 'p', name: 'support' },
    sponsor: { type: 'team', id: 't', name: 'platform' },
    environments: ['staging', 'production'],
    allowed_actions: ['a.a', 'b.b', 'c.c'],
    denied_actions: ['b.b'],
    requires_approval: true,
    token_ttl_seconds: 600,
    ...more,
  }) as unknown as Schemas['Identity'];

it('says in one sentence what an identity is', () => {
  expect(sentenceOf(identity({}))).toBe(
    'triage is an agent of project support; team platform answers for it. It may a.a, c.c in staging and production, after a person countersigns what is more than reading, with tokens of 10 minutes.',
  );
  expect(sentenceOf(identity({ status: 'orphaned' }))).toContain(
    'team platform answered for it and has left',
  );
  expect(sentenceOf(identity({ allowed_actions: ['b.b'] }))).toContain('It may do nothing by itself');
});

it('finds the one document of an identity, and none that merely names it', () => {
  const documents =
    'audience:\n  name: triage\n---\nidentity:\n  name: triage-2\n---\nidentity:\n  kind: bot\n  name: triage\n  purpose: x\n';
  expect(documentOf(documents, 'triage')).toBe('identity:\n  kind: bot\n  name: triage\n  purpose: x');
  expect(documentOf(documents, 'tri.ge')).toBeUndefined();
});
