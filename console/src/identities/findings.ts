import { useQuery } from '@tanstack/react-query';
import { get, type Schemas } from '../api/client';

/** So many pages of 50 identities are looked through for a list; the page Findings goes through all. */
const PAGES = 4;

/** What is weak about the identities that a filter leaves, by their ids. */
export function useFindingsOf(filter: { project?: string; kind?: Schemas['Kind']; sponsor?: string }) {
  const found = useQuery({
    queryKey: ['findings', 'of', filter],
    queryFn: async () => {
      const all: Schemas['IdentityFindings'][] = [];
      let after: string | null | undefined;
      for (let page = 0; page < PAGES; page += 1) {
        const answer = await get('/api/findings', {
          query: { ...filter, limit: 50, after: after ?? undefined },
        });
        all.push(...answer.items);
        after = answer.next;
        if (!after) break;
      }
      return new Map(all.map((one) => [one.identity.id, one.findings]));
    },
    staleTime: 30_000,
  });
  return found.data ?? new Map<string, Schemas['Finding'][]>();
}
