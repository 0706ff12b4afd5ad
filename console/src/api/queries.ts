// What the pages ask the server for. A list that somebody looks at is asked for again by itself.
import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query';
import { get, session } from './client';

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

export const evidenceOptions = (id: string) =>
  queryOptions({
    queryKey: ['evidence', id],
    queryFn: () => get('/api/evidence/{id}', { path: { id } }),
    // A record never changes; its place in the log comes within a second, and its proof can be had anew.
    staleTime: (query) => (query.state.data?.log ? 60_000 : 0),
  });
