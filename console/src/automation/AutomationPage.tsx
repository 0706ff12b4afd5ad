// What runs by itself: executions, and the packs that they come from.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { get, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { Badge, Facts, LinkTabs, PageHead, Panel, Party, Status, When, Words } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { type Column, Paging, Table } from '../ui/Table';
import { duration, shortId } from '../words';

export interface AutomationSearch {
  show?: 'packs';
  after?: string;
}

export function AutomationPage({ search }: { search: AutomationSearch }) {
  return (
    <>
      <PageHead
        title="Automation"
        lead="What programs do by themselves: each execution has a service account, a token of its own that dies with it, and somebody who answers."
      />
      <LinkTabs
        label="Automation"
        of={[
          { label: 'Executions', to: '/automation', on: !search.show },
          { label: 'Packs', to: '/automation', search: { show: 'packs' }, on: search.show === 'packs' },
        ]}
      />
      {search.show === 'packs' ? <Packs /> : <Executions after={search.after} />}
    </>
  );
}

const COLUMNS: Column<Schemas['Execution']>[] = [
  {
    key: 'action',
    head: 'Action',
    cell: (row) => (
      <Link to="/executions/$id" params={{ id: row.id }} className="row-link">
        {row.action_ref}
      </Link>
    ),
  },
  {
    key: 'status',
    head: 'Status',
    cell: (row) => <Status of={row.status} title={row.reason ?? undefined} />,
  },
  {
    key: 'rule',
    head: 'Because of',
    cell: (row) =>
      row.rule ? `rule ${row.rule}` : row.workflow_id ? 'another execution' : 'a person or program',
  },
  { key: 'worker', head: 'Worker', cell: (row) => row.worker ?? <span className="soft">none yet</span> },
  { key: 'attempt', head: 'Attempt', cell: (row) => row.attempt },
  { key: 'id', head: 'Id', cell: (row) => <code title={row.id}>{shortId(row.id)}</code> },
  { key: 'due', head: 'Due', cell: (row) => <When at={row.created_at} /> },
  { key: 'ended', head: 'Ended', cell: (row) => <When at={row.ended_at} none="not yet" /> },
];

function Executions({ after }: { after?: string }) {
  const page = useQuery(
    listOptions(['executions', after], () => get('/api/executions', { query: { after, limit: 50 } })),
  );
  return (
    <Panel>
      <Loaded of={page}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon="execution" title="Nothing was executed yet">
              <p>Install the pack that comes with Countersign, start an action, and let a worker take it:</p>
              <code>
                {'countersign pack install core\ncountersign execution start core.echo message=hello'}
              </code>
            </Empty>
          ) : (
            <>
              <Table
                label="Executions, newest first"
                columns={COLUMNS}
                rows={page.items}
                rowKey={(row) => row.id}
              />
              <Paging after={after} next={page.next} shown={page.items.length} />
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}

/** Where a pack is called, and with which key each call is signed. */
function calledAt(webhook: Schemas['Webhook']): string {
  const path = `/api/webhooks/${webhook.path}`;
  return webhook.signature_key ? `${path}, signed with ${webhook.signature_key}` : path;
}

const ACTIONS: Column<Schemas['PackAction']>[] = [
  {
    key: 'ref',
    head: 'Action',
    cell: (row) => (
      <>
        <code>{row.ref}</code>
        <span className="below">{row.description}</span>
      </>
    ),
  },
  {
    key: 'as',
    head: 'Runs as',
    cell: (row) => (
      <Link to="/identities/$id" params={{ id: row.service_account }} className="link">
        {row.service_account}
      </Link>
    ),
  },
  { key: 'keys', head: 'May read', cell: (row) => <Words of={row.keys} none="no keys" /> },
  { key: 'starts', head: 'May start', cell: (row) => <Words of={row.starts} none="nothing" /> },
  { key: 'time', head: 'Stopped after', cell: (row) => duration(row.timeout_seconds) },
];

const RULES: Column<Schemas['Rule']>[] = [
  {
    key: 'ref',
    head: 'Rule',
    cell: (row) => (
      <>
        <code>{row.ref}</code>
        <span className="below">{row.description}</span>
      </>
    ),
  },
  { key: 'when', head: 'When', cell: (row) => <code>{row.trigger_type}</code> },
  { key: 'does', head: 'Executes', cell: (row) => <code>{row.action_ref}</code> },
  {
    key: 'fires',
    head: 'State',
    cell: (row) => (
      <Badge tone={row.enabled ? 'good' : 'plain'}>{row.enabled ? 'fires' : 'switched off'}</Badge>
    ),
  },
];

function Packs() {
  const packs = useQuery(listOptions(['packs'], () => get('/api/packs', { query: { limit: 100 } })));
  return (
    <Loaded of={packs}>
      {(page) =>
        page.items.length === 0 ? (
          <Panel>
            <Empty icon="automation" title="There are no packs yet">
              <p>
                A pack says what a project does by itself: its actions, the rules that start them, where it is
                called from.
              </p>
              <code>countersign pack install core</code>
            </Empty>
          </Panel>
        ) : (
          page.items.map((pack) => (
            <Panel
              key={pack.id}
              title={
                <>
                  {pack.name} <Status of={pack.status} />
                </>
              }
              side={<span className="soft">{pack.description}</span>}
            >
              <Facts
                of={[
                  ['Project', pack.project.name],
                  ['Answers for it', <Party of={pack.sponsor} />],
                  ['Called at', pack.webhooks.length > 0 && <Words of={pack.webhooks.map(calledAt)} />],
                ]}
              />
              <Table
                label={`Actions of ${pack.name}`}
                columns={ACTIONS}
                rows={pack.actions}
                rowKey={(row) => row.ref}
              />
              {pack.rules.length > 0 && (
                <Table
                  label={`Rules of ${pack.name}`}
                  columns={RULES}
                  rows={pack.rules}
                  rowKey={(row) => row.ref}
                />
              )}
            </Panel>
          ))
        )
      }
    </Loaded>
  );
}
