// What the pages ask the server for. A list that somebody looks at is asked for again by itself.
import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query';
import { get, type Page, session } from './client';

const LIVE_MS = 10_000;

export const useSession = () => useQuery({ queryKey: ['session'], queryFn: session, staleTime: 300_000 });

/** The approvals that wait for whoever is signed in. */
export const useWaiting = () =>
  useQuery({
    queryKey: ['approvals', { status: 'pending', mine: true }],
    queryFn: () => get('/api/approvals', { query: { status: 'pending', mine: true } }),
    refetchInterval: 5000,
  });

export const listOptions = <T>(key: unknown[], ask: () => Promise<T>) =>
  queryOptions({ queryKey: key, queryFn: ask, refetchInterval: LIVE_MS, placeholderData: keepPreviousData });

/** The server looks through some thousands at a time: so often it is asked on while nothing of that fits. */
const MOST_TIMES = 40;

/** The first page from here that holds something. One that was long looked for is not looked for again by itself. */
export const filledOptions = <T>(key: unknown[], ask: (after?: string) => Promise<Page<T>>, after?: string) =>
  queryOptions({
    queryKey: key,
    queryFn: async () => {
      let page = await ask(after);
      let times = 1;
      for (; page.items.length === 0 && page.next && times < MOST_TIMES; times += 1)
        page = await ask(page.next);
      return { ...page, times };
    },
    refetchInterval: (query) => ((query.state.data?.times ?? 1) > 1 ? false : LIVE_MS),
    placeholderData: keepPreviousData,
  });

export const evidenceOptions = (id: string) =>
  queryOptions({
    queryKey: ['evidence', id],
    queryFn: () => get('/api/evidence/{id}', { path: { id } }),
    // A record never changes; its place in the log comes within a second, and its proof can be had anew.
    staleTime: (query) => (query.state.data?.log ? 60_000 : 0),
  });
