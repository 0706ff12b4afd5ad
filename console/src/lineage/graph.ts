// The chain as it is drawn: from the result at the left to who must respond at the right.
import type { Schemas } from '../api/client';
import { spoken } from '../words';

export type Lineage = Schemas['Lineage'];
export type Node = Schemas['Node'];

export interface Link {
  id: string;
  from: string;
  to: string;
  label: string;
  gap: boolean;
}

/** Relations that are drawn from the request to who decided it, so that all arrows point to people. */
const TURNED: Record<string, string> = { decides: 'decided by' };

/** Relations in fewer words than their codes. */
const RELATIONS: Record<string, string> = {
  authorized_by: 'authority',
  decided_by: 'by',
  owned_by: 'owner',
  managed_by: 'manager',
  sponsored_by: 'answers',
};

export function linksOf(lineage: Lineage): Link[] {
  const gaps = new Set(lineage.nodes.filter((node) => node.gap).map((node) => node.id));
  const known = new Set(lineage.nodes.map((node) => node.id));
  const edges = lineage.edges.filter((edge) => known.has(edge.from) && known.has(edge.to));
  return edges.map(({ from, to, relation }) => {
    const turned = TURNED[relation];
    const [start, end] = turned ? [to, from] : [from, to];
    const label = turned ?? RELATIONS[relation] ?? spoken(relation);
    return {
      id: `${start}|${relation}|${end}`,
      from: start,
      to: end,
      label,
      gap: gaps.has(start) || gaps.has(end),
    };
  });
}

/** The nodes in the order in which one tells them: each as soon as something that was told leads to it. */
export function told(lineage: Lineage): Node[] {
  const links = linksOf(lineage);
  const targets = new Set(links.map((link) => link.to));
  const roots = lineage.nodes.filter((node) => !targets.has(node.id));
  const order = new Map<string, Node>();
  const byId = new Map(lineage.nodes.map((node) => [node.id, node]));
  const visit = (node: Node) => {
    if (order.has(node.id)) return;
    order.set(node.id, node);
    for (const link of links) {
      const next = link.from === node.id ? byId.get(link.to) : undefined;
      if (next && next.type !== 'sponsor') visit(next);
    }
  };
  const starts = roots.length > 0 ? roots : lineage.nodes.slice(0, 1);
  for (const root of starts) visit(root);
  // Who must respond is told last.
  for (const node of [...lineage.nodes].sort(
    (a, b) => Number(a.type === 'sponsor') - Number(b.type === 'sponsor'),
  ))
    visit(node);
  return [...order.values()].sort((a, b) => Number(a.type === 'sponsor') - Number(b.type === 'sponsor'));
}

/** How a node came into the chain: the relations that lead to it. */
export function relationsTo(lineage: Lineage, id: string): string[] {
  return [
    ...new Set(
      linksOf(lineage)
        .filter((link) => link.to === id)
        .map((link) => link.label),
    ),
  ];
}

/** The part of a node's key after its type: `credential:ID`. */
export const keyOf = (node: Node) => node.id.slice(node.id.indexOf(':') + 1);

/** Whether a team answers, and not one person. */
export const isTeam = (node: Node) =>
  node.id.startsWith('team:') || (node.now ?? node.label).startsWith('team ');

/** A node's name, then or now. */
export const nameOf = (node: Node, now: boolean) => (now && node.now ? node.now : node.label);

/** The last clause of the sentence says who must respond. */
export function clauses(sentence: string): [string, string] {
  const at = sentence.lastIndexOf('; ');
  return at < 0 ? [sentence, ''] : [sentence.slice(0, at + 1), sentence.slice(at + 2)];
}
