// What waits for a person, and what people said before.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { get } from '../api/client';
import { listOptions, useWaiting } from '../api/queries';
import { Offered } from '../people/Offered';
import { LinkTabs, PageHead, Panel, Status, When } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { type Column, Paging, Table } from '../ui/Table';
import { Request } from './Request';
import { type Approval, riskOf } from './request';

export interface ApprovalsSearch {
  show?: 'all' | 'others';
  after?: string;
}

export function ApprovalsPage({ search }: { search: ApprovalsSearch }) {
  return (
    <>
      <PageHead
        title="Approvals"
        lead="Programs ask people before they do what cannot be undone. You decide on one exact request, and it is good once."
      />
      <LinkTabs
        label="Which approvals"
        of={[
          { label: 'For you', to: '/approvals', on: !search.show },
          {
            label: 'Waiting for others',
            to: '/approvals',
            search: { show: 'others' },
            on: search.show === 'others',
          },
          { label: 'History', to: '/approvals', search: { show: 'all' }, on: search.show === 'all' },
        ]}
      />
      {search.show === 'all' ? (
        <History search={search} />
      ) : search.show === 'others' ? (
        <ForOthers />
      ) : (
        <>
          <Offered />
          <ForYou />
        </>
      )}
    </>
  );
}

function ForYou() {
  const waiting = useWaiting();
  return (
    <Loaded of={waiting}>
      {(page) =>
        page.items.length === 0 ? (
          <Panel>
            <Empty icon="approval" title="Nothing waits for you">
              <p>
                When a run of an identity with <code>requires_approval</code> asks for more than reading, the
                request stands here, with its commit, its artifact, and who triggered it. You cannot approve
                what you triggered yourself.
              </p>
            </Empty>
          </Panel>
        ) : (
          <div className="requests">
            {page.items.map((approval) => (
              <Request key={approval.id} of={approval} />
            ))}
          </div>
        )
      }
    </Loaded>
  );
}

function ForOthers() {
  const mine = useWaiting();
  const all = useQuery(
    listOptions(['approvals', { status: 'pending' }], () =>
      get('/api/approvals', { query: { status: 'pending' } }),
    ),
  );
  const own = new Set(mine.data?.items.map((approval) => approval.id));
  return (
    <Panel>
      <Loaded of={all}>
        {(page) => {
          const others = page.items.filter((approval) => !own.has(approval.id));
          return others.length === 0 ? (
            <Empty icon="approval" title="Nobody else has to decide anything">
              <p>What you asked for or triggered yourself, and what only others may decide, waits here.</p>
            </Empty>
          ) : (
            <Table label="Waiting for others" columns={COLUMNS} rows={others} rowKey={(row) => row.id} />
          );
        }}
      </Loaded>
    </Panel>
  );
}

const COLUMNS: Column<Approval>[] = [
  {
    key: 'what',
    head: 'Request',
    cell: (row) => (
      <Link to="/approvals/$id" params={{ id: row.id }} className="row-link">
        {row.summary}
      </Link>
    ),
  },
  { key: 'status', head: 'Status', cell: (row) => <Status of={row.status} /> },
  { key: 'risk', head: 'Risk', cell: (row) => riskOf(row) ?? row.type },
  {
    key: 'by',
    head: 'Decided by',
    cell: (row) => row.decisions.map((one) => one.by.name).join(', ') || <span className="soft">nobody</span>,
  },
  { key: 'when', head: 'Asked', cell: (row) => <When at={row.opened_at} /> },
];

function History({ search }: { search: ApprovalsSearch }) {
  const all = useQuery(
    listOptions(['approvals', search.after], () =>
      get('/api/approvals', { query: { after: search.after, limit: 50 } }),
    ),
  );
  return (
    <Panel>
      <Loaded of={all}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon="approval" title="Nobody has asked yet">
              <p>Every request and every decision stays here, and as evidence in the log.</p>
            </Empty>
          ) : (
            <>
              <Table
                label="All approvals, newest first"
                columns={COLUMNS}
                rows={page.items}
                rowKey={(row) => row.id}
              />
              <Paging after={search.after} next={page.next} shown={page.items.length} />
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}

export function ApprovalPage({ id }: { id: string }) {
  const approval = useQuery(
    listOptions(['approval', id], () => get('/api/approvals/{id}', { path: { id } })),
  );
  return (
    <Loaded of={approval} rows={8}>
      {(approval) => (
        <>
          <PageHead
            title={
              {
                change: 'A change that a second person decides',
                execution: 'An execution that waits for a person',
                grant: 'A request for a token',
              }[approval.type]
            }
          >
            <Link to="/lineage" search={{ ref: `approval:${approval.id}` }} className="button">
              Its lineage
            </Link>
          </PageHead>
          <Request of={approval} alone />
          <Panel title="On record">
            <ul className="plain-list">
              {approval.evidence?.map((one) => (
                <li key={one.evidence_id}>
                  <Link to="/evidence/$id" params={{ id: one.evidence_id }} className="link">
                    {one.kind.replaceAll('_', ' ')}
                  </Link>{' '}
                  <span className="soft">{one.log ? `log index ${one.log.index}` : 'not yet published'}</span>
                </li>
              ))}
            </ul>
          </Panel>
        </>
      )}
    </Loaded>
  );
}
