// One record: what it says, who took part, and whether the log holds it.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Schemas } from '../api/client';
import { evidenceOptions } from '../api/queries';
import type { Verdict } from '../log/verify';
import { exact } from '../time';
import { Copy, Facts, Id, LineageLink, Said, Status, When, Words } from '../ui/bits';
import { Loaded } from '../ui/Loaded';
import { Mark } from '../ui/Mark';
import { Show } from '../ui/Value';
import { capital, spoken } from '../words';
import { proofOptions, trustOptions } from './proofs';

export function Evidence({ id }: { id: string }) {
  const record = useQuery(evidenceOptions(id));
  const trust = useQuery(trustOptions);
  const verdict = useQuery({ ...proofOptions(id, trust.data), enabled: trust.data !== undefined });
  return (
    <Loaded of={record} rows={10}>
      {(record) => (
        <div className="evidence">
          <p className="lead">
            <Said text={record.summary} />
          </p>
          <Proof record={record} verdict={verdict.data} since={trust.data?.pinned} />
          {record.gap && <p className="problem">{capital(record.gap)}.</p>}
          <Facts
            of={[
              ['Kind', spoken(record.kind)],
              ['Outcome', <Status of={record.outcome} />],
              ['Happened', <Exact at={record.occurred_at} />],
              ['Recorded', <Exact at={record.recorded_at} />],
              ['Recorded by', record.source],
              ['Known because', record.assurance && ASSURANCE[record.assurance]],
              ['Should say and does not', record.missing?.length ? <Words of={record.missing} /> : ''],
            ]}
          />
          <h2 className="small">Who and what took part</h2>
          <Facts of={record.refs.map((ref) => [capital(spoken(ref.role)), <Ref of={ref} />])} />
          <h2 className="small">
            What it says{' '}
            <span className="soft">{verdict.data?.record ? 'read from the bytes that were hashed' : ''}</span>
          </h2>
          <Show value={own(verdict.data?.record ?? (record.record as Record<string, unknown>))} />
          {record.parents.length > 0 && (
            <>
              <h2 className="small">Follows from</h2>
              <ul className="plain-list">
                {record.parents.map((parent) => (
                  <li key={parent}>
                    <Link to="/evidence/$id" params={{ id: parent }} className="link">
                      <code>{parent}</code>
                    </Link>
                  </li>
                ))}
              </ul>
            </>
          )}
        </div>
      )}
    </Loaded>
  );
}

function Proof({
  record,
  verdict,
  since,
}: {
  record: Schemas['EvidenceRecord'];
  verdict?: Verdict;
  since?: { since: string; brought: boolean };
}) {
  return (
    <div className={`proof ${verdict?.mark ?? ''}`}>
      <Mark verdict={verdict} />
      <p>{verdict ? `${capital(verdict.says)}.` : 'The proof is being checked.'}</p>
      <Facts
        of={[
          [
            'Log index',
            record.log
              ? `${record.log.index} of ${verdict?.size ?? record.log.tree_size}`
              : 'not yet published',
          ],
          ['Leaf', verdict?.leaf && <Id of={verdict.leaf} label="leaf hash" />],
          ['Root', verdict?.root && <Id of={verdict.root} label="root hash" />],
          [
            'Key',
            since &&
              (since.brought ? (
                'brought from elsewhere'
              ) : (
                <span>
                  pinned in this browser <When at={since.since} />
                </span>
              )),
          ],
          ['Record', <Id of={record.id} label="record id" />],
        ]}
      />
    </div>
  );
}

const ASSURANCE: Record<string, string> = {
  observed: 'Countersign did or saw it',
  reported: 'a guard reported it',
  imported: 'it was imported',
};

function Exact({ at }: { at: string }) {
  return (
    <span>
      {exact(at)}{' '}
      <span className="soft">
        (<When at={at} />)
      </span>
    </span>
  );
}

const LINEAGE_ROLES = new Set(['approval', 'commit', 'digest', 'token', 'run', 'chain', 'resource']);
const PEOPLE_ROLES = new Set(['approver', 'human', 'sponsor', 'owner']);

function Ref({ of: { role, id, name } }: { of: Schemas['EvidenceRef'] }): ReactNode {
  const shown = name ?? id;
  if (role === 'identity') {
    return (
      <Link to="/identities/$id" params={{ id }} className="link">
        {shown}
      </Link>
    );
  }
  if (role === 'approval') {
    return (
      <Link to="/approvals/$id" params={{ id }} className="link">
        {shown}
      </Link>
    );
  }
  if (LINEAGE_ROLES.has(role)) {
    return (
      <span className="id">
        <LineageLink of={`${role}:${id}`}>{shown}</LineageLink>
        <Copy text={id} label={role} />
      </span>
    );
  }
  if (PEOPLE_ROLES.has(role) && !shown.startsWith('team ')) {
    return (
      <Link to="/people/$id" params={{ id }} className="link">
        {shown}
      </Link>
    );
  }
  return name ? <span title={id}>{name}</span> : <code>{id}</code>;
}

/** The record's own fields: what every record has stands above already. */
function own(record: Record<string, unknown> | null): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record ?? {}).filter(([key]) => !COMMON.has(key)));
}

const COMMON = new Set([
  'v',
  'id',
  'tenant',
  'kind',
  'occurred_at',
  'recorded_at',
  'source',
  'assurance',
  'parents',
  'refs',
  'missing',
  'outcome',
]);
