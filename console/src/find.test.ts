import { describe, expect, it } from 'vitest';
import { look } from './find';

const id = '01a2049e-7567-76b0-a479-af4fd3d767cd';
const sha = '9f3182061f1e2cca4702c368cbc039b7dc9d4485';

describe('what somebody pastes', () => {
  it.each([
    [`https://github.com/octo-org/octo-repo/actions/runs/9876543210/attempts/1`, 'run:9876543210'],
    ['https://gitlab.example/group/project/-/pipelines/77', 'run:77'],
    [`https://github.com/octo-org/octo-repo/commit/${sha}`, `commit:${sha}`],
    [sha.toUpperCase(), `commit:${sha}`],
    [`sha256:${'ab'.repeat(32)}`, `digest:sha256:${'ab'.repeat(32)}`],
    ['ab'.repeat(32), `digest:sha256:${'ab'.repeat(32)}`],
    ['9876543210', 'run:9876543210'],
    ['  dana@example.com\n', 'user:dana@example.com'],
    ['approval:x', 'approval:x'],
    ['pipeline://payments/release-promoter-prod', 'identity:release-promoter-prod'],
    ['triage', 'identity:triage'],
    [id, `action:${id}`],
    [`http://127.0.0.1:8400/#/lineage?ref=action%3A${id}`, `action:${id}`],
  ])('%s', (typed, ref) => {
    expect(look(typed).refs[0]).toBe(ref);
  });

  it('a token is looked up by its id, and nothing else of it is kept', () => {
    const payload = btoa(JSON.stringify({ jti: id, sub: 'x' })).replace(/=+$/, '');
    const found = look(`Bearer eyJhbGciOiJFUzI1NiJ9.${payload}.c2lnbmF0dXJl`);
    expect(found.refs).toEqual([`token:${id}`]);
    expect(JSON.stringify(found)).not.toContain('c2lnbmF0dXJl');
  });

  it('a secret is looked up by its public id, and its secret half stays', () => {
    const found = look('cscs_Z70445uDosiW2FCsAp1V_hiddenhidden_abc123');
    expect(found.credential).toBe('Z70445uDosiW2FCsAp1V');
    expect(JSON.stringify(found)).not.toContain('hiddenhidden');
  });

  it('nothing is nothing', () => {
    expect(look('  ').refs).toEqual([]);
  });
});
