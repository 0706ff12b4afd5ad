import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CHOICES } from './kinds';

it('says of each kind what the page on choosing one says', () => {
  const page = readFileSync(new URL('../../../docs/choosing-a-kind.md', import.meta.url), 'utf8');
  expect(CHOICES).toHaveLength(7);
  for (const { kind, question, bestFor, proves, weakness } of CHOICES) {
    expect(page).toContain(`| ${question} | \`${kind}\` |`);
    expect(page).toContain(`| \`${kind}\` | ${bestFor} | ${proves} | ${weakness} |`);
  }
});
