// What a credential, run or person did between two times: from where, what of that is new, and what stops it.
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { get, type Schemas } from '../api/client';
import { exact } from '../time';
import { Badge, Copy, Facts, PageHead, Panel, Said, Status } from '../ui/bits';
import { Icon } from '../ui/icons';
import { Empty, Loaded, Problem } from '../ui/Loaded';
import { Stop } from '../ui/Stop';
import { save } from '../ui/save';
import { type Column, Paging, Table } from '../ui/Table';
import { count, spoken } from '../words';
import { aboutOf, HOUR_MS, timeOf } from './asked';
import { bundle } from './bundle';

type Incident = Schemas['Incident'];
type Happened = Schemas['IncidentRecord'];

export interface IncidentSearch {
  ref?: string;
  since?: string;
  until?: string;
  after?: string;
}

const PAGE = 100;

export function IncidentPage({ search }: { search: IncidentSearch }) {
  const { ref, since, until, after } = search;
  const told = useQuery({
    queryKey: ['incident', ref, since, until, after],
    queryFn: () => get('/api/incidents', { query: { ref: ref ?? '', since, until, after, limit: PAGE } }),
    enabled: ref !== undefined,
  });
  return (
    <>
      <PageHead
        title={told.data ? `What ${told.data.name} did` : 'Incident'}
        lead="What something did between two times, where it came from, which of that was new, and what stops it."
      >
        {told.data && <Take of={told.data} />}
      </PageHead>
      <Panel>
        <Ask search={search} />
      </Panel>
      {ref && <Loaded of={told}>{(told) => <Told of={told} after={after} />}</Loaded>}
    </>
  );
}

/** How far back, as one chooses it. */
const SPANS: [string, number][] = [
  ['the last hour', 1],
  ['the last 24 hours', 24],
  ['the last 7 days', 24 * 7],
  ['the last 30 days', 24 * 30],
];

function Ask({ search }: { search: IncidentSearch }) {
  const navigate = useNavigate();
  const [span, setSpan] = useState(search.since ? '' : '24');
  const [said, setSaid] = useState('');
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const text = (name: string) => String(given.get(name) ?? '').trim();
    const ref = aboutOf(text('ref'));
    const since = span ? new Date(Date.now() - Number(span) * HOUR_MS) : timeOf(text('since'));
    const until = span ? undefined : timeOf(text('until'));
    if (!ref) return setSaid('That is no credential, run, token, identity or e-mail address.');
    if (!since || (!span && text('until') && !until)) return setSaid('That is no time.');
    setSaid('');
    return navigate({
      to: '/incident',
      search: { ref, since: since.toISOString(), until: until?.toISOString() },
    });
  };
  return (
    <form className="filters" onSubmit={submit}>
      <TextInput
        key={search.ref}
        name="ref"
        size="xs"
        label="What"
        placeholder="credential:ID, run, token, name or e-mail"
        defaultValue={search.ref}
        spellCheck={false}
        autoComplete="off"
        className="wide"
        required
        withAsterisk={false}
      />
      <NativeSelect
        label="When"
        value={span}
        onChange={(event) => setSpan(event.currentTarget.value)}
        data={[
          ...SPANS.map(([label, hours]) => ({ value: String(hours), label })),
          { value: '', label: 'from … to …' },
        ]}
      />
      {span === '' && (
        <>
          <TextInput
            key={`since ${search.since}`}
            name="since"
            size="xs"
            label="From (UTC)"
            placeholder="2026-01-31 14:00"
            defaultValue={search.since && exact(search.since).slice(0, 19)}
          />
          <TextInput
            key={`until ${search.until}`}
            name="until"
            size="xs"
            label="To (UTC)"
            placeholder="now"
            defaultValue={search.until && exact(search.until).slice(0, 19)}
          />
        </>
      )}
      <Button variant="default" type="submit">
        Show
      </Button>
      {said && (
        <p className="search-said" role="alert">
          {said}
        </p>
      )}
    </form>
  );
}

function columns(first: ReadonlySet<string>): Column<Happened>[] {
  return [
    { key: 'when', head: 'When (UTC)', cell: (row) => exact(row.occurred_at).slice(0, 19) },
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
    {
      key: 'from',
      head: 'From',
      cell: (row) =>
        row.address ? (
          <>
            <code>{row.address}</code> {first.has(row.address) && <Badge tone="bad">first time</Badge>}
          </>
        ) : (
          <span className="soft">not on record</span>
        ),
    },
  ];
}

function Told({ of, after }: { of: Incident; after?: string }) {
  const first = new Set(of.sources.filter((source) => source.first_time).map((source) => source.address));
  return (
    <>
      <div className="columns">
        <Panel title="Stop it">
          {of.contain.length === 0 ? (
            <p className="soft">
              {of.ref.startsWith('user:') ? (
                <Link to="/people/$id" params={{ id: of.ref.slice('user:'.length) }} className="link">
                  A person is switched off on their own page.
                </Link>
              ) : (
                'Nothing of it is yours to stop.'
              )}
            </p>
          ) : (
            <ul className="contain">
              {of.contain.map((one) => (
                <li key={one.grain + one.target}>
                  <Stop grain={one.grain} target={one.target} name={one.name} />
                  <span className="soft">{one.name}</span>
                </li>
              ))}
            </ul>
          )}
        </Panel>
        <Panel title="Where it came from">
          {of.sources.length === 0 ? (
            <p className="soft">No record of it names an address.</p>
          ) : (
            <Facts
              of={of.sources.map((source) => [
                source.address,
                <span key={source.address}>
                  {count(source.records, 'record')}{' '}
                  {source.first_time && <Badge tone="bad">for the first time</Badge>}
                  {source.first_time === undefined && <Badge tone="plain">not looked up</Badge>}
                </span>,
              ])}
            />
          )}
        </Panel>
      </div>
      <Panel
        title="What it did, newest first"
        side={
          <span className="soft">
            {exact(of.since).slice(0, 19)} to {exact(of.until).slice(0, 19)} UTC
          </span>
        }
      >
        {of.items.length === 0 ? (
          <Empty icon="log" title={of.next ? 'Nothing so far' : 'Nothing is on record'}>
            <p>Between these times nothing of it was recorded that you may read.</p>
          </Empty>
        ) : (
          <Table label="What it did" columns={columns(first)} rows={of.items} rowKey={(row) => row.id} />
        )}
        <LeftOut of={of} />
        <Paging after={after} next={of.next} shown={of.items.length} />
      </Panel>
    </>
  );
}

/** So many tokens are named one by one. */
const NAMED = 5;

/** What does not stand there, and where it does. */
function LeftOut({ of }: { of: Incident }) {
  const { truncated = [], since, until } = of;
  return (
    <>
      {truncated.length > 0 && (
        <p className="soft">
          More was done with {count(truncated.length, 'of these tokens', 'of these tokens')}:{' '}
          {truncated.slice(0, NAMED).map((id) => (
            <Link key={id} to="/incident" search={{ ref: `token:${id}`, since, until }} className="link">
              {id}{' '}
            </Link>
          ))}
        </p>
      )}
      {of.tokens_since && (
        <p className="soft">Tokens from before {exact(of.tokens_since).slice(0, 19)} were not followed.</p>
      )}
    </>
  );
}

/** The address of exactly these times, whenever one opens it. */
function linkTo({ ref, since, until }: Incident): string {
  const [page] = window.location.href.split('?');
  return `${page}?${new URLSearchParams({ ref, since, until })}`;
}

function Take({ of }: { of: Incident }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const take = async () => {
    setBusy(true);
    setError(null);
    try {
      const name = `incident-${of.ref.replace(/[^\w-]+/g, '-').slice(0, 60)}.json`;
      save(name, JSON.stringify(await bundle(of), null, 2), 'application/json');
    } catch (error) {
      setError(error as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Copy text={linkTo(of)} label="permanent link" />
      <Button
        variant="default"
        leftSection={<Icon name="download" size={14} />}
        loading={busy}
        onClick={take}
        title="Each record with its proof, and the log's key, in one file"
      >
        Export with proofs
      </Button>
      <Problem error={error} />
    </>
  );
}
