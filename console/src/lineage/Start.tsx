// Where one begins: the box that takes anything, and the latest results.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { get, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { Panel, Said, Status, When } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { Search } from '../ui/Search';
import { type Column, Table } from '../ui/Table';

type Summary = Schemas['EvidenceSummary'];

const named = (row: Summary, role: string) => {
  const ref = row.refs.find((ref) => ref.role === role);
  return ref?.name ?? ref?.id;
};

const COLUMNS: Column<Summary>[] = [
  {
    key: 'what',
    head: 'What happened',
    cell: (row) => (
      <Link to="/lineage" search={{ ref: `action:${row.id}` }} className="row-link">
        <Said text={row.summary} />
      </Link>
    ),
  },
  { key: 'outcome', head: 'Outcome', cell: (row) => <Status of={row.outcome} /> },
  {
    key: 'answers',
    head: 'Answered for it',
    cell: (row) => named(row, 'sponsor') ?? <span className="soft">not on record</span>,
  },
  { key: 'when', head: 'When', cell: (row) => <When at={row.occurred_at} /> },
];

export function Start() {
  const results = useQuery(
    listOptions(['evidence', 'action'], () => get('/api/evidence', { query: { kind: 'action', limit: 15 } })),
  );
  return (
    <>
      <section className="start">
        <h1>Who did it, and who answers?</h1>
        <p className="lead">
          From anything that you have in hand to the person who must respond: each step with its record, and
          each record with its place in the log.
        </p>
        <Search large />
      </section>
      <Panel title="Latest results">
        <Loaded of={results}>
          {(page) =>
            page.items.length === 0 ? (
              <Empty icon="lineage" title="Nothing has been reported yet">
                <p>
                  A guard reports what a program did with its token. Put one before your service, or look up a
                  run, a commit or a name above.
                </p>
              </Empty>
            ) : (
              <Table label="Latest results" columns={COLUMNS} rows={page.items} rowKey={(row) => row.id} />
            )
          }
        </Loaded>
      </Panel>
    </>
  );
}
