// How an identity and its credentials were changed: who, when, why, and what is different.
import { useQueries, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { get, type Schemas } from '../api/client';
import { evidenceOptions, listOptions } from '../api/queries';
import { Badge, Panel, Said, When } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { Paging } from '../ui/Table';
import { capital, spoken } from '../words';

type Identity = Schemas['Identity'];

const PAGE = 20;

export function History({ of, after }: { of: Identity; after?: string }) {
  const page = useQuery(
    listOptions(['evidence', 'changed', of.id, after], () =>
      get('/api/evidence', { query: { identity: of.id, kind: 'changed', after, limit: PAGE } }),
    ),
  );
  return (
    <Panel title="How it was changed">
      <Loaded of={page}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon="log" title="No change of it is on record" />
          ) : (
            <>
              <Changes of={page.items} names={namesOf(of)} />
              <Paging after={after} next={page.next} shown={page.items.length} />
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}

function Changes({ of, names }: { of: Schemas['EvidenceSummary'][]; names: Map<string, string> }) {
  const records = useQueries({ queries: of.map((one) => evidenceOptions(one.id)) });
  return (
    <ul className="history">
      {of.map((one, at) => {
        const record = records[at]?.data?.record as Changed | undefined;
        const by = one.refs.find((ref) => ref.role === 'actor');
        return (
          <li key={one.id}>
            <p>
              <Link to="/evidence/$id" params={{ id: one.id }} className="row-link">
                <Said text={capital(one.summary)} />
              </Link>{' '}
              <span className="soft">
                {by?.name && `by ${by.name} `}
                <When at={one.occurred_at} />
              </span>{' '}
              {record?.changed_alone && <Badge tone="warn">changed alone</Badge>}
            </p>
            {record?.reason && <blockquote>{record.reason}</blockquote>}
            <Differences of={record?.changes ?? {}} names={names} made={record?.verb === 'created'} />
          </li>
        );
      })}
    </ul>
  );
}

interface Changed {
  verb?: string;
  reason?: string | null;
  changed_alone?: boolean;
  changes?: Record<string, unknown>;
}

function Differences({
  of,
  names,
  made,
}: {
  of: Record<string, unknown>;
  names: Map<string, string>;
  made: boolean;
}) {
  const fields = Object.entries(of).filter(
    ([name, change]) => !LEFT_OUT.has(name) && `${Object.values(said(change, names)).join('')}` !== '',
  );
  if (fields.length === 0) return null;
  const table = (
    <table className="diff">
      <caption className="hidden">What is different</caption>
      <tbody>
        {fields.map(([name, change]) => {
          const { was, is } = said(change, names);
          return (
            <tr key={name}>
              <th scope="row">{capital(spoken(name))}</th>
              <td className="was">{was}</td>
              <td className="is">{is}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
  // What it was made with is all that it is: for who asks.
  return made ? (
    <details>
      <summary>With what it was made</summary>
      {table}
    </details>
  ) : (
    table
  );
}

/** What every record has, and what says nothing to people. */
const LEFT_OUT = new Set(['epoch', 'record_name', 'subject', 'defaulted']);

/** A change as it was and is, in the words of people where they are known. */
export function said(change: unknown, names: Map<string, string>): { was: string; is: string } {
  if (typeof change !== 'object' || change === null) return { was: '', is: told(change, names) };
  const { from, to } = change as { from?: unknown; to?: unknown };
  if (Array.isArray(from) && Array.isArray(to)) {
    const [old, now] = [from, to].map((list) => list.map((one) => told(one, names))) as [string[], string[]];
    const but = (list: string[], other: string[]) => list.filter((one) => !other.includes(one)).join(', ');
    return { was: but(old, now), is: but(now, old) };
  }
  return { was: told(from, names), is: told(to, names) || (from === undefined ? '' : 'none') };
}

function told(value: unknown, names: Map<string, string>): string {
  if (value === null || value === undefined || value === '') return '';
  if (Array.isArray(value)) return value.map((one) => told(one, names)).join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'object') {
    const { personal } = value as { personal?: unknown };
    if (typeof personal === 'string') return personal;
    return Object.entries(value)
      .map(([key, inner]) => [spoken(key), told(inner, names)])
      .filter(([, inner]) => inner !== '')
      .map(([key, inner]) => (inner && ['user', 'team'].includes(key as string) ? inner : `${key} ${inner}`))
      .join(', ');
  }
  // Times in records are whole microseconds.
  if (typeof value === 'number' && value > 1e15)
    return new Date(value / 1000).toISOString().slice(0, 19).replace('T', ' ');
  return names.get(String(value)) ?? String(value);
}

/** What the identity names by id. */
function namesOf(of: Identity): Map<string, string> {
  const parties = [
    of.sponsor,
    of.owner,
    of.project,
    ...of.managers,
    ...of.audiences,
    ...(of.approval_rule.approvers ?? []),
    ...(of.created_by ? [of.created_by] : []),
    ...(of.confirmed ? [of.confirmed.by] : []),
  ];
  return new Map(parties.map((party) => [party.id, party.name]));
}
