// What it may do, each with when it was last done: what is never used is likely not needed.
import { useQueries } from '@tanstack/react-query';
import { get, type Schemas } from '../api/client';
import { LineageLink, Panel, Status, When } from '../ui/bits';
import { type Column, Table } from '../ui/Table';

/** More than these are not looked up one by one. */
const MOST = 24;

interface Privilege {
  action: string;
  last?: Schemas['EvidenceSummary'];
  known: boolean;
}

const COLUMNS: Column<Privilege>[] = [
  { key: 'action', head: 'Action', cell: (row) => <code>{row.action}</code> },
  {
    key: 'last',
    head: 'Last done or refused',
    cell: (row) =>
      row.last ? (
        <LineageLink of={`action:${row.last.id}`}>
          <When at={row.last.occurred_at} />
        </LineageLink>
      ) : (
        <span className="soft">{row.known ? 'never reported' : '…'}</span>
      ),
  },
  { key: 'outcome', head: 'Outcome', cell: (row) => row.last && <Status of={row.last.outcome} /> },
];

export function Privileges({ of }: { of: Schemas['Identity'] }) {
  const actions = of.allowed_actions.filter((action) => !of.denied_actions.includes(action)).slice(0, MOST);
  const asked = useQueries({
    queries: actions.map((action) => ({
      queryKey: ['evidence', 'last', of.id, action],
      queryFn: () => get('/api/evidence', { query: { identity: of.id, action, kind: 'action', limit: 1 } }),
      staleTime: 30_000,
    })),
  });
  const rows = actions.map((action, index) => ({
    action,
    last: asked[index]?.data?.items[0],
    known: asked[index]?.isSuccess ?? false,
  }));
  return (
    <Panel title="What it may do">
      {rows.length === 0 ? (
        <p className="soft">
          Nothing that its own tokens carry. It can be looked up, and it can be asked about.
        </p>
      ) : (
        <Table label="Privileges" columns={COLUMNS} rows={rows} rowKey={(row) => row.action} />
      )}
    </Panel>
  );
}
