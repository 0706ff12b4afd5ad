// What is weak, the most urgent first in each identity, and the first thing to do.
import { Button, NativeSelect } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { get, type Schemas } from '../api/client';
import { PageHead, Panel, Party } from '../ui/bits';
import { Empty, Failed, Waiting } from '../ui/Loaded';
import { count, KIND_WORDS, WEAKNESS_WORDS } from '../words';
import { FindingItem } from './FindingItem';

export interface FindingsSearch {
  severity?: Schemas['FindingSeverity'];
  weakness?: Schemas['Weakness'];
  kind?: Schemas['Kind'];
  sponsor?: string;
  project?: string;
}

/** The identity whose worst finding is the most urgent stands first. */
const urgency = (one: Schemas['IdentityFindings']) =>
  ['high', 'medium', 'low'].indexOf(one.findings[0]?.severity ?? 'low');

export function FindingsPage({ search }: { search: FindingsSearch }) {
  const navigate = useNavigate();
  const change = (next: Partial<FindingsSearch>) =>
    navigate({ to: '/findings', search: { ...search, ...next } });
  const found = useInfiniteQuery({
    queryKey: ['findings', search],
    queryFn: ({ pageParam }) => get('/api/findings', { query: { ...search, after: pageParam, limit: 50 } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const items = (found.data?.pages.flatMap((page) => page.items) ?? []).sort(
    (a, b) => urgency(a) - urgency(b),
  );
  const total = items.reduce((sum, one) => sum + one.findings.length, 0);
  return (
    <>
      <PageHead
        title="Findings"
        lead="What is weak about programs, and the first thing to do: split, let each run prove itself, take away what is not needed, and only then rotate. What was mended is gone at the next look."
      />
      <div className="filters">
        <NativeSelect
          label="Urgency"
          value={search.severity ?? ''}
          onChange={(event) =>
            change({ severity: (event.currentTarget.value || undefined) as FindingsSearch['severity'] })
          }
          data={[
            { value: '', label: 'any' },
            { value: 'medium', label: 'medium or high' },
            { value: 'high', label: 'high' },
          ]}
        />
        <NativeSelect
          label="Weakness"
          value={search.weakness ?? ''}
          onChange={(event) =>
            change({ weakness: (event.currentTarget.value || undefined) as FindingsSearch['weakness'] })
          }
          data={[
            { value: '', label: 'any' },
            ...Object.entries(WEAKNESS_WORDS).map(([value, label]) => ({ value, label })),
          ]}
        />
        <NativeSelect
          label="Kind"
          value={search.kind ?? ''}
          onChange={(event) =>
            change({ kind: (event.currentTarget.value || undefined) as FindingsSearch['kind'] })
          }
          data={[
            { value: '', label: 'any' },
            ...Object.entries(KIND_WORDS).map(([value, label]) => ({ value, label })),
          ]}
        />
        {found.data && (
          <p className="soft">{`${count(total, 'finding')} about ${count(items.length, 'identity', 'identities')}${found.hasNextPage ? ' so far' : ''}`}</p>
        )}
      </div>
      {found.error && <Failed error={found.error} again={() => found.refetch()} />}
      {found.isPending && <Waiting rows={8} />}
      {items.map((one) => (
        <Panel
          key={one.identity.id}
          title={
            <Link to="/identities/$id" params={{ id: one.identity.id }} className="link">
              {one.identity.name}
            </Link>
          }
          side={
            <span className="soft">
              {KIND_WORDS[one.kind]} in {one.project.name}, <Party of={one.sponsor} /> answers
            </span>
          }
        >
          <ul className="findings">
            {one.findings.map((finding) => (
              <FindingItem key={finding.weakness + finding.says} of={finding} />
            ))}
          </ul>
        </Panel>
      ))}
      {found.data && items.length === 0 && !found.hasNextPage && (
        <Panel>
          <Empty icon="check" title="Nothing like that was found">
            <p>
              Looked at: secrets and their age, environments, powers, sponsors, renewals, and what was
              loosened alone.
            </p>
          </Empty>
        </Panel>
      )}
      {found.hasNextPage && (
        <Button variant="default" loading={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
          Look further
        </Button>
      )}
    </>
  );
}
