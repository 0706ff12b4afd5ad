// One's own sign-ins and passkeys, and what the tenant works with.
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { get, patch, post, remove, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { Badge, Copy, Facts, PageHead, Panel, Status, When, Words } from '../ui/bits';
import { Loaded, Problem } from '../ui/Loaded';
import { type Column, Table } from '../ui/Table';
import { duration, spoken } from '../words';

export function SettingsPage() {
  return (
    <>
      <PageHead title="Settings" />
      <div className="columns">
        <Passkeys />
        <Tenant />
      </div>
      <SignIns />
      <Catalogue />
    </>
  );
}

function Passkeys() {
  const client = useQueryClient();
  const passkeys = useQuery({ queryKey: ['passkeys'], queryFn: () => get('/api/passkeys') });
  const add = useMutation({ mutationFn: () => post('/api/passkeys', { body: {} }) });
  const end = useMutation({
    mutationFn: (id: string) => remove('/api/passkeys/{id}', { id }),
    onSuccess: () => client.invalidateQueries(),
  });
  return (
    <Panel
      title="Your passkeys"
      side={
        <Button variant="default" loading={add.isPending} onClick={() => add.mutate()}>
          Add one
        </Button>
      }
    >
      {add.data && (
        <p className="notice good">
          <span>
            Open this in the browser where the passkey is to be. It is good once, until{' '}
            <When at={add.data.expires_at} />:{' '}
            <a href={add.data.url} className="link">
              {add.data.url}
            </a>{' '}
            <Copy text={add.data.url} label="link" />
          </span>
        </p>
      )}
      <Problem error={add.error ?? end.error} />
      <Loaded of={passkeys} rows={2}>
        {(passkeys) =>
          passkeys.items.length === 0 ? (
            <p className="soft">None yet. With two, losing a device costs you nothing.</p>
          ) : (
            <ul className="plain-list">
              {passkeys.items.map((passkey) => (
                <li key={passkey.id} className="panel-head">
                  <span>
                    {passkey.name}{' '}
                    <span className="soft">
                      used <When at={passkey.used_at} />
                    </span>
                  </span>
                  <Button
                    variant="default"
                    color="red"
                    disabled={end.isPending}
                    onClick={() => end.mutate(passkey.id)}
                  >
                    Remove
                  </Button>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  );
}

function Tenant() {
  const client = useQueryClient();
  const tenant = useQuery({ queryKey: ['tenant'], queryFn: () => get('/api/tenant') });
  const sign = useMutation({
    mutationFn: (needed: boolean) => patch('/api/tenant', { body: { approvals_need_passkey: needed } }),
    onSuccess: () => client.invalidateQueries(),
  });
  return (
    <Panel title="The tenant">
      <Problem error={sign.error} />
      {sign.data && 'digest' in sign.data && (
        <p className="notice">Another owner decides on that: it waits under Approvals.</p>
      )}
      <Loaded of={tenant}>
        {(tenant) => (
          <Facts
            of={[
              ['Name', tenant.name],
              ['Issuer', tenant.issuer],
              [
                'Orphans get tokens',
                `for ${duration(tenant.orphan_grace_seconds)} after the last who answered has left`,
              ],
              ['Unknown actions', tenant.refuse_unknown_actions ? 'are refused' : 'count as irreversible'],
              [
                'Decisions',
                <>
                  {tenant.approvals_need_passkey
                    ? 'signed with a passkey, always'
                    : 'also from a command line'}{' '}
                  <Button
                    variant="default"
                    size="compact-sm"
                    loading={sign.isPending}
                    onClick={() => sign.mutate(!tenant.approvals_need_passkey)}
                  >
                    {tenant.approvals_need_passkey
                      ? 'Let command lines decide too'
                      : 'Always ask for a passkey'}
                  </Button>
                </>,
              ],
            ]}
          />
        )}
      </Loaded>
    </Panel>
  );
}

function SignIns() {
  const client = useQueryClient();
  const sessions = useQuery(listOptions(['sessions'], () => get('/api/sessions')));
  const end = useMutation({
    mutationFn: (id: string) => remove('/api/sessions/{id}', { id }),
    onSuccess: () => client.invalidateQueries(),
  });
  const columns: Column<Schemas['Session']>[] = [
    {
      key: 'where',
      head: 'Where',
      cell: (row) => (
        <>
          {spoken(row.place)} {row.claimed_host_name && `on ${row.claimed_host_name}`}{' '}
          {row.current && <Badge tone="good">this one</Badge>}
        </>
      ),
    },
    { key: 'from', head: 'From', cell: (row) => row.address },
    { key: 'how', head: 'Proven by', cell: (row) => spoken(row.method) },
    { key: 'began', head: 'Began', cell: (row) => <When at={row.created_at} /> },
    { key: 'ends', head: 'Ends', cell: (row) => <When at={row.ends_at} /> },
    {
      key: 'look',
      head: 'Look at',
      cell: (row) => row.findings?.map(spoken).join(', ') || <span className="soft">nothing</span>,
    },
    {
      key: 'end',
      head: 'Ending it',
      cell: (row) => (
        <Button variant="default" disabled={end.isPending} onClick={() => end.mutate(row.id)}>
          End it
        </Button>
      ),
    },
  ];
  return (
    <Panel title="Where you are signed in">
      <Problem error={end.error} />
      <Loaded of={sessions} rows={3}>
        {(sessions) =>
          sessions.items.length === 0 ? (
            <p className="soft">Nowhere that lasts.</p>
          ) : (
            <Table label="Your sign-ins" columns={columns} rows={sessions.items} rowKey={(row) => row.id} />
          )
        }
      </Loaded>
    </Panel>
  );
}

const ENVIRONMENTS: Column<Schemas['Environment']>[] = [
  {
    key: 'name',
    head: 'Environment',
    cell: (row) => (
      <>
        <code>{row.name}</code>
        <span className="below">{row.description}</span>
      </>
    ),
  },
  {
    key: 'protected',
    head: 'Protected',
    cell: (row) => (row.protected ? <Badge tone="good">protected</Badge> : <span className="soft">no</span>),
  },
];

const AUDIENCES: Column<Schemas['Audience']>[] = [
  {
    key: 'name',
    head: 'Resource server',
    cell: (row) => (
      <>
        <code>{row.name}</code>
        <span className="below">{row.description}</span>
      </>
    ),
  },
  {
    key: 'served',
    head: 'Served by',
    cell: (row) => <Words of={row.served_by.map((one) => one.name)} none="nobody yet" />,
  },
  { key: 'alg', head: 'Signed with', cell: (row) => row.signing_alg },
];

const ISSUERS: Column<Schemas['Issuer']>[] = [
  { key: 'url', head: 'Trusted issuer', cell: (row) => <code>{row.url}</code> },
  { key: 'profile', head: 'Read as', cell: (row) => row.profile },
  { key: 'status', head: 'Status', cell: (row) => <Status of={row.status} /> },
];

function Catalogue() {
  const environments = useQuery(
    listOptions(['environments'], () => get('/api/environments', { query: { limit: 200 } })),
  );
  const audiences = useQuery(
    listOptions(['audiences'], () => get('/api/audiences', { query: { limit: 200 } })),
  );
  const issuers = useQuery(listOptions(['issuers'], () => get('/api/issuers', { query: { limit: 200 } })));
  return (
    <>
      <div className="columns">
        <Panel title="Environments">
          <Loaded of={environments}>
            {(page) => (
              <Table label="Environments" columns={ENVIRONMENTS} rows={page.items} rowKey={(row) => row.id} />
            )}
          </Loaded>
        </Panel>
        <Panel title="Issuers whose runs may be let in">
          <Loaded of={issuers}>
            {(page) =>
              page.items.length === 0 ? (
                <p className="soft">
                  None. An owner registers one: <code>countersign issuer create URL --profile github</code>
                </p>
              ) : (
                <Table label="Issuers" columns={ISSUERS} rows={page.items} rowKey={(row) => row.id} />
              )
            }
          </Loaded>
        </Panel>
      </div>
      <Panel title="Resource servers">
        <Loaded of={audiences}>
          {(page) =>
            page.items.length === 0 ? (
              <p className="soft">
                None. <code>countersign audience create NAME --served-by IDENTITY</code> makes one.
              </p>
            ) : (
              <Table
                label="Resource servers"
                columns={AUDIENCES}
                rows={page.items}
                rowKey={(row) => row.id}
              />
            )
          }
        </Loaded>
      </Panel>
    </>
  );
}
