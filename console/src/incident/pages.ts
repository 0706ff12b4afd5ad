// The pages of an incident as one: what was done with a token of one page may stand on another as well.
import type { Schemas } from '../api/client';

type Incident = Schemas['Incident'];

export function joined(first: Incident, later: Incident[]): Incident {
  const pages = [first, ...later];
  const once = new Map(pages.flatMap((page) => page.items).map((item) => [item.id, item]));
  const items = [...once.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  const known = new Map<string, Schemas['IncidentSource']>();
  for (const source of pages.flatMap((page) => page.sources)) {
    if (!known.has(source.address)) known.set(source.address, source);
  }
  const records = (address: string) => items.filter((item) => item.address === address).length;
  const sources = [...known.values()].map((source) => ({ ...source, records: records(source.address) }));
  const truncated = [...new Set(pages.flatMap((page) => page.truncated ?? []))];
  return { ...first, items, sources, truncated, next: pages[pages.length - 1]?.next };
}
