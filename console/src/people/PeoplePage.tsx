// Everybody who can sign in, and so answer for programs.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { get, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { PageHead, Panel, Status, When } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { type Column, Paging, Table } from '../ui/Table';
import { spoken } from '../words';
import { Invitations, Invite } from './Invite';
import { Offered } from './Offered';

export interface ListSearch {
  after?: string;
}

const COLUMNS: Column<Schemas['User']>[] = [
  {
    key: 'name',
    head: 'Person',
    cell: (row) => (
      <>
        <Link to="/people/$id" params={{ id: row.id }} className="row-link">
          {row.email}
        </Link>
        {row.display_name && <span className="below">{row.display_name}</span>}
      </>
    ),
  },
  { key: 'role', head: 'Role', cell: (row) => spoken(row.role) },
  { key: 'status', head: 'Status', cell: (row) => <Status of={row.status} /> },
  {
    key: 'invited',
    head: 'Let in by',
    cell: (row) => row.invited_by?.name ?? <span className="soft">the data directory</span>,
  },
  { key: 'first', head: 'First signed in', cell: (row) => <When at={row.enrolled_at} none="not yet" /> },
];

export function PeoplePage({ search }: { search: ListSearch }) {
  const people = useQuery(
    listOptions(['users', search.after], () =>
      get('/api/users', { query: { after: search.after, limit: 100 } }),
    ),
  );
  return (
    <>
      <PageHead
        title="People"
        lead="Choose somebody to see what they answer for, and what would break if they left."
      >
        <Invite />
      </PageHead>
      <Offered />
      <Invitations />
      <Panel>
        <Loaded of={people}>
          {(page) =>
            page.items.length === 0 ? (
              <Empty icon="people" title="Nobody has been let in yet">
                <p>Invite somebody, or let whoever holds the data directory make a one-time code:</p>
                <code>countersign admin enrol EMAIL --data DIR</code>
              </Empty>
            ) : (
              <>
                <Table
                  label="People"
                  columns={COLUMNS}
                  rows={page.items}
                  rowKey={(row) => row.id}
                  dim={(row) => row.status !== 'active'}
                />
                <Paging after={search.after} next={page.next} shown={page.items.length} />
              </>
            )
          }
        </Loaded>
      </Panel>
    </>
  );
}
