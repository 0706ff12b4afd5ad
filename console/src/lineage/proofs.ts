// Every record of a chain, checked in this browser against the key that is pinned in it.
import { queryOptions, useQueries, useQuery } from '@tanstack/react-query';
import { ApiError, get } from '../api/client';
import { evidenceOptions } from '../api/queries';
import { parseVerifierKey } from '../log/checkpoint';
import { type Pinned, pin, pinned } from '../log/pin';
import { type Verdict, verify } from '../log/verify';

/** More records than this are checked one by one, when somebody opens them. */
const AT_ONCE = 16;

export interface Trust {
  origin: string;
  pinned: Pinned;
  /** The key that the server names now. */
  told: string;
}

/** The log's key: pinned here, at the latest now. */
export const trustOptions = queryOptions({
  queryKey: ['log-trust'] as const,
  queryFn: async (): Promise<Trust> => {
    const { origin, verifier_key: told } = await get('/api/log/key');
    return { origin, told, pinned: pinned(origin) ?? (await pin(origin, told, false, new Date())) };
  },
  staleTime: 60_000,
});

export function useProofs(ids: string[]): Map<string, Verdict> {
  const trust = useQuery(trustOptions);
  const asked = useQueries({
    queries: ids
      .slice(0, AT_ONCE)
      .map((id) => ({ ...proofOptions(id, trust.data), enabled: trust.data !== undefined })),
  });
  return new Map(
    asked.flatMap((query, index) => (query.data ? [[ids[index] as string, query.data] as const] : [])),
  );
}

export const proofOptions = (id: string, trust?: Trust) =>
  queryOptions({
    queryKey: ['proof', id, trust?.pinned.verifierKey],
    queryFn: async ({ client }): Promise<Verdict> => {
      try {
        const record = await client.fetchQuery(evidenceOptions(id));
        return await verify(record, await parseVerifierKey(trust?.pinned.verifierKey ?? ''));
      } catch (error) {
        if (error instanceof ApiError && error.status === 403) {
          return {
            mark: 'unknown',
            says: 'the body of this record is for auditors, and without it nothing can be checked',
          };
        }
        throw error;
      }
    },
    refetchInterval: (query) => (query.state.data?.pending ? 1500 : false),
    retry: false,
  });
