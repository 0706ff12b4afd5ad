// One request in full.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { get } from '../api/client';
import { Badge, Facts, Id, LineageLink, Parties, Status, When } from '../ui/bits';
import { Show } from '../ui/Value';
import { capital, count, shortId, spoken, toneOf } from '../words';
import { Decide } from './Decide';
import { type Approval, changes, differences, lastApproved, riskOf } from './request';

export function Request({ of, alone = false }: { of: Approval; alone?: boolean }) {
  const risk = riskOf(of);
  const change = changes(of);
  const who = of.human ?? of.requested_by;
  return (
    <article className="request" aria-label={of.summary}>
      <div className="request-head">
        <div>
          <p className="request-line">
            {alone ? (
              of.summary
            ) : (
              <Link to="/approvals/$id" params={{ id: of.id }}>
                {of.summary}
              </Link>
            )}
          </p>
          <p className="request-tags">
            <Status of={of.status} />
            {risk && (
              <Badge tone={toneOf(risk)} title="How much the worst of its actions can hurt">
                {risk}
              </Badge>
            )}
            {of.separation === 'unproven' && of.type === 'grant' && (
              <Badge tone="warn" title="The account behind the run belongs to nobody who is known here">
                who triggered it is unknown
              </Badge>
            )}
            <span className="soft">
              asked <When at={of.opened_at} />
              {of.status === 'pending' && (
                <>
                  , lapses <When at={of.expires_at} />
                </>
              )}
            </span>
          </p>
        </div>
        <Decide of={of} />
      </div>
      {of.reason && <blockquote>{of.reason}</blockquote>}
      <Facts
        of={[
          [
            'Identity',
            of.identity && (
              <Link to="/identities/$id" params={{ id: of.identity.id }} className="link">
                {of.identity.name}
              </Link>
            ),
          ],
          ['Actions', of.actions?.length ? <Actions of={of} /> : ''],
          ['Environment', of.environment],
          ['At', of.audience],
          ['On', of.resource],
          ['Commit', of.commit && <LineageLink of={`commit:${of.commit}`}>{shortId(of.commit)}</LineageLink>],
          ['Artifact', of.artifact_digest && <Id of={of.artifact_digest} label="artifact digest" />],
          ['Run', of.run && <Run of={of} />],
          ['Workflow', of.run?.workflow],
          [
            'Asked by',
            who && (
              <Link to="/people/$id" params={{ id: who.id }} className="link">
                {who.name}
              </Link>
            ),
          ],
          [
            'Must approve',
            `${count(of.required, 'person', 'people')}${of.human ? `, not ${of.human.name}` : ''}`,
          ],
          [
            'Who may',
            of.approvers.length > 0 ? (
              <Parties of={of.approvers} />
            ) : (
              'owners of the project and of the tenant'
            ),
          ],
          ['Void because', of.voided_because],
          ['Digest', <Id of={of.digest} label="request digest" />],
        ]}
      />
      {change && (
        <div className="change">
          <h3>
            {capital(spoken(change.verb))} {of.change?.noun} {of.change?.record.name}
          </h3>
          {change.loosens.length > 0 && (
            <p className="notice warn">It loosens: {change.loosens.map(spoken).join(', ')}.</p>
          )}
          <Facts of={change.set.map(([key, value]) => [capital(spoken(key)), <Show value={value} />])} />
        </div>
      )}
      {of.execution && (
        <div className="change">
          <h3>It executes {of.execution.action_ref}</h3>
          <Facts
            of={[
              ['Parameters', of.execution.parameters && <Show value={of.execution.parameters} />],
              ['Executes', of.execution.executes !== undefined && <Show value={of.execution.executes} />],
              ['Script', of.execution.script && <pre>{of.execution.script}</pre>],
              ['By rule', of.execution.rule],
              ['On event', of.execution.event_id],
              [
                'Execution',
                <LineageLink of={`execution:${of.execution.id}`}>{shortId(of.execution.id)}</LineageLink>,
              ],
            ]}
          />
        </div>
      )}
      {of.type === 'grant' && of.identity && <SinceLast of={of} />}
      {of.decisions.length > 0 && (
        <ul className="decisions">
          {of.decisions.map((decision) => (
            <li key={decision.by.id}>
              <Status of={decision.approved ? 'approved' : 'denied'} /> by {decision.by.name}{' '}
              <When at={decision.at} />
              {decision.reason && <q>{decision.reason}</q>}
            </li>
          ))}
        </ul>
      )}
    </article>
  );
}

function Actions({ of }: { of: Approval }) {
  return (
    <span className="list">
      {of.actions?.map((action) => (
        <span key={action.name}>
          <code>{action.name}</code> <span className="soft">{action.class}</span>
        </span>
      ))}
    </span>
  );
}

function Run({ of }: { of: Approval }) {
  const run = of.run;
  if (!run) return null;
  const name = [run.project_name ?? run.project, `run ${run.run_id}`, run.attempt && `attempt ${run.attempt}`]
    .filter(Boolean)
    .join(', ');
  return (
    <span>
      <LineageLink of={`run:${run.key}`}>{name}</LineageLink> <Status of={run.assurance} />
    </span>
  );
}

/** What is new in comparison with what people last said yes to. */
function SinceLast({ of }: { of: Approval }) {
  const identity = of.identity?.id ?? '';
  const others = useQuery({
    queryKey: ['approvals', 'of', identity],
    queryFn: () => get('/api/approvals', { query: { identity, limit: 50 } }),
  });
  const before = others.data && lastApproved(of, others.data.items);
  if (!others.data || of.status !== 'pending') return null;
  if (!before)
    return (
      <p className="since soft">
        Nothing of this identity was approved before: there is nothing to compare it with.
      </p>
    );
  const changed = differences(of, before);
  return (
    <div className="since">
      <h3>
        Since the last one that was approved{' '}
        <Link to="/approvals/$id" params={{ id: before.id }} className="link">
          <When at={before.opened_at} />
        </Link>
      </h3>
      {changed.length === 0 ? (
        <p className="soft">
          Nothing is different: the same actions on the same artifact from the same commit.
        </p>
      ) : (
        <table className="diff">
          <caption className="hidden">What is different</caption>
          <tbody>
            {changed.map((one) => (
              <tr key={one.field}>
                <th scope="row">{one.field}</th>
                <td className="was" title={one.before}>
                  {one.before ? shortOf(one.before) : 'none'}
                </td>
                <td className="is" title={one.now}>
                  {one.now ? shortOf(one.now) : 'none'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

const shortOf = (text: string) => (/^(sha256:)?[0-9a-f]{40,}$/.test(text) ? shortId(text) : text);
