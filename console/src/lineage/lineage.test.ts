import { describe, expect, it } from 'vitest';
import { clauses, type Lineage, linksOf, relationsTo, told } from './graph';
import { drawSvg, wrap } from './svg';

const node = (id: string, type: string, more: object = {}) => ({ id, type, label: id, ...more });

const lineage = {
  ref: 'action:1',
  direction: 'backward',
  sentence: 'pipeline did deploy; dana must respond.',
  nodes: [
    node('action:1', 'action'),
    node('token:2', 'token'),
    node('user:dana', 'sponsor'),
    node('approval:3', 'approval'),
    node('decision:4', 'decision'),
    node('user:lee', 'user'),
    node('gap:the run', 'gap', { gap: true }),
  ],
  edges: [
    { from: 'action:1', to: 'token:2', relation: 'used' },
    { from: 'token:2', to: 'user:dana', relation: 'sponsored_by' },
    { from: 'token:2', to: 'approval:3', relation: 'approved_by' },
    { from: 'decision:4', to: 'approval:3', relation: 'decides' },
    { from: 'decision:4', to: 'user:lee', relation: 'decided_by' },
    { from: 'token:2', to: 'gap:the run', relation: 'ran_in' },
    { from: '', to: 'gap:the run', relation: 'ran_in' },
  ],
} as Lineage;

describe('the chain', () => {
  it('runs from the result to people: the decision follows the request', () => {
    expect(linksOf(lineage)).toContainEqual(
      expect.objectContaining({ from: 'approval:3', to: 'decision:4', label: 'decided by' }),
    );
  });

  it('is told from the result on, and who must respond last', () => {
    expect(told(lineage).map((one) => one.id)).toEqual([
      'action:1',
      'token:2',
      'approval:3',
      'decision:4',
      'user:lee',
      'gap:the run',
      'user:dana',
    ]);
  });

  it('draws what leads to a gap as a gap, and nothing that leads from nowhere', () => {
    const gaps = linksOf(lineage).filter((link) => link.gap);
    expect(gaps.map((link) => link.from)).toEqual(['token:2']);
    expect(relationsTo(lineage, 'gap:the run')).toEqual(['ran in']);
  });

  it('ends its sentence with who must respond', () => {
    expect(clauses(lineage.sentence)).toEqual(['pipeline did deploy;', 'dana must respond.']);
    expect(clauses('nothing more')).toEqual(['nothing more', '']);
  });
});

describe('the picture as a file', () => {
  const layout = { places: new Map(), curves: new Map(), width: 900, height: 300 };

  it('holds every name, as text that is no markup', () => {
    const hostile = {
      ...lineage,
      nodes: [node('action:1', 'action', { label: '<script>"&\u0007' })],
    } as Lineage;
    const svg = drawSvg(hostile, layout, false);
    expect(svg).not.toContain('<script>');
    expect(svg).toContain('&#60;script&#62;');
    expect(svg).not.toContain('\u0007');
  });

  it('wraps at words, and cuts what is longer than a line', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
  });
});
