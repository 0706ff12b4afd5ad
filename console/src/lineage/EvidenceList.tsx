// Records in a list, newest first, each leading to itself.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { get, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { Said, Status, When } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { type Column, Paging, Table } from '../ui/Table';
import { spoken } from '../words';

type Summary = Schemas['EvidenceSummary'];

const COLUMNS: Column<Summary>[] = [
  {
    key: 'what',
    head: 'What happened',
    cell: (row) => (
      <Link to="/evidence/$id" params={{ id: row.id }} className="row-link">
        <Said text={row.summary} />
      </Link>
    ),
  },
  { key: 'kind', head: 'Kind', cell: (row) => spoken(row.kind) },
  { key: 'outcome', head: 'Outcome', cell: (row) => <Status of={row.outcome} /> },
  { key: 'index', head: 'Log', cell: (row) => row.log_index ?? <span className="soft">soon</span> },
  { key: 'when', head: 'When', cell: (row) => <When at={row.occurred_at} /> },
];

export interface EvidenceFilter {
  identity?: string;
  person?: string;
  kind?: string;
  outcome?: string;
}

export function EvidenceList({ filter, after }: { filter: EvidenceFilter; after?: string }) {
  const page = useQuery(
    listOptions(['evidence', filter, after], () =>
      get('/api/evidence', { query: { ...filter, after, limit: 25 } }),
    ),
  );
  return (
    <Loaded of={page}>
      {(page) =>
        page.items.length === 0 && !page.next ? (
          <Empty icon="log" title="Nothing is on record">
            <p>Every token, refusal, decision, change and result becomes a record as it happens.</p>
          </Empty>
        ) : (
          <>
            <Table
              label="Records, newest first"
              columns={COLUMNS}
              rows={page.items}
              rowKey={(row) => row.id}
            />
            <Paging after={after} next={page.next} shown={page.items.length} />
          </>
        )
      }
    </Loaded>
  );
}
