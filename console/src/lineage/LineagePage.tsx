// The heart of the console: from anything to who must respond.
import { Button, Menu, SegmentedControl } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { get } from '../api/client';
import { exact } from '../time';
import { Badge, Copy, Facts, LineageLink, PageHead, Panel, Status, When } from '../ui/bits';
import { Icon } from '../ui/icons';
import { Loaded, Waiting } from '../ui/Loaded';
import { save } from '../ui/save';
import { capital, count, spoken } from '../words';
import { AnswersForTable } from './AnswersFor';
import { ChainList } from './ChainList';
import { clauses, isTeam, keyOf, type Lineage } from './graph';
import { NodeDrawer } from './NodeDrawer';
import { useProofs } from './proofs';
import { Start } from './Start';

const Picture = lazy(() => import('./Picture'));

export interface LineageSearch {
  ref?: string;
  view?: 'list' | 'picture';
  node?: string;
  names?: 'now';
}

export function LineagePage({ search }: { search: LineageSearch }) {
  const lineage = useQuery({
    queryKey: ['lineage', search.ref],
    queryFn: ({ signal }) => get('/api/lineage', { query: { ref: search.ref ?? '' }, signal }),
    enabled: search.ref !== undefined,
  });
  if (!search.ref) return <Start />;
  return (
    <Loaded of={lineage} rows={8}>
      {(lineage) =>
        lineage.direction === 'forward' ? (
          <Forward lineage={lineage} />
        ) : (
          <Backward lineage={lineage} search={search} />
        )
      }
    </Loaded>
  );
}

function Forward({ lineage }: { lineage: Lineage }) {
  const who = lineage.nodes[0]?.label ?? lineage.ref;
  return (
    <>
      <PageHead title={who} lead={lineage.sentence}>
        <Exports lineage={lineage} />
      </PageHead>
      <Panel>
        <AnswersForTable of={lineage.answers_for ?? []} who={who} />
      </Panel>
    </>
  );
}

function Backward({ lineage, search }: { lineage: Lineage; search: LineageSearch }) {
  const navigate = useNavigate();
  const narrow = useMediaQuery('(max-width: 760px)', window.matchMedia('(max-width: 760px)').matches);
  const view = search.view ?? (narrow ? 'list' : 'picture');
  const now = search.names === 'now';
  const change = (next: Partial<LineageSearch>) =>
    navigate({ to: '/lineage', search: { ...search, ...next }, replace: true, resetScroll: false });
  const ids = lineage.nodes.flatMap((node) => (node.evidence_id && !node.gap ? [node.evidence_id] : []));
  const proofs = useProofs(ids);
  const shown = { lineage, proofs, now, chosen: search.node, choose: (id: string) => change({ node: id }) };
  return (
    <div className="lineage">
      <Answer
        lineage={lineage}
        proofs={[...proofs.values()].map((proof) => proof.mark)}
        records={ids.length}
      />
      <Gaps lineage={lineage} />
      <section className="panel chain-panel" aria-label="The chain">
        <div className="panel-head">
          <h2>The chain</h2>
          <div className="tools">
            <SegmentedControl
              size="xs"
              aria-label="Names"
              value={now ? 'now' : 'then'}
              onChange={(names) => change({ names: names === 'now' ? 'now' : undefined })}
              data={[
                { value: 'then', label: 'As it was' },
                { value: 'now', label: 'As it is' },
              ]}
            />
            <SegmentedControl
              size="xs"
              aria-label="Form"
              value={view}
              onChange={(view) => change({ view: view as LineageSearch['view'] })}
              data={[
                { value: 'picture', label: 'Picture' },
                { value: 'list', label: 'List' },
              ]}
            />
            <Exports lineage={lineage} now={now} picture />
          </div>
        </div>
        {view === 'picture' ? (
          <Suspense fallback={<Waiting rows={6} />}>
            <Picture {...shown} />
          </Suspense>
        ) : (
          <ChainList {...shown} />
        )}
        <div className="only-print">
          <ChainList {...shown} />
        </div>
      </section>
      <Others lineage={lineage} />
      <NodeDrawer
        node={lineage.nodes.find((node) => node.id === search.node)}
        close={() => change({ node: undefined })}
      />
    </div>
  );
}

/** The sentence, and out of it what one came for. */
function Answer({ lineage, proofs, records }: { lineage: Lineage; proofs: string[]; records: number }) {
  const [told, responds] = clauses(lineage.sentence);
  const story = lineage.story;
  const sponsor = lineage.nodes.find((node) => node.type === 'sponsor');
  const identity = lineage.nodes.find((node) => node.type === 'identity');
  return (
    <section className="answer" aria-label="The answer">
      <div className="answer-who">
        <span className="eyebrow">Must respond</span>
        {story?.sponsor_now && sponsor ? (
          <Link
            to={isTeam(sponsor) ? '/teams/$id' : '/people/$id'}
            params={{ id: keyOf(sponsor) }}
            className="answer-name"
          >
            {story.sponsor_now}
          </Link>
        ) : (
          <span className="answer-name">{story?.sponsor_now ?? 'nobody is on record'}</span>
        )}
        {story?.sponsor_then && story.sponsor_then !== story.sponsor_now && (
          <span className="soft">{story.sponsor_then} answered for it then</span>
        )}
        <Checked proofs={proofs} records={records} />
      </div>
      <div className="answer-told">
        <h1 className="sentence">
          {marked(told)} {responds && <strong>{marked(responds)}</strong>}
        </h1>
        {story && (
          <Facts
            of={[
              ['Outcome', story.outcome && <Status of={story.outcome} />],
              [
                'Identity',
                identity && story.identity && (
                  <Link to="/identities/$id" params={{ id: keyOf(identity) }} className="link">
                    {story.identity}
                  </Link>
                ),
              ],
              [
                'Run',
                story.run && (
                  <>
                    {story.run} {!story.run_verified && <Badge tone="warn">claimed</Badge>}
                  </>
                ),
              ],
              ['Asked for by', story.edit?.asked_by],
              ['Made', story.edit && (story.edit.made_at ? <When at={story.edit.made_at} /> : 'not made')],
              ['Triggered by', !story.edit && story.triggered_by],
              [
                'Approved by',
                story.approved_by.length > 0 ? (
                  story.approved_by.join(', ')
                ) : story.edit && !story.edit.made_at ? (
                  'nobody'
                ) : story.approval_needed ? (
                  <Badge tone="warn">not on record</Badge>
                ) : (
                  'nobody had to'
                ),
              ],
              ['Keys read', story.keys_read?.join(', ')],
              ['Task', story.task],
            ]}
          />
        )}
      </div>
    </section>
  );
}

/** Gaps are seen in the sentence as well. */
function marked(said: string) {
  return said
    .replace(MICROSECONDS, (time) => exact(time))
    .split(/(\[gap: [^\]]*\])/)
    .map((part) =>
      part.startsWith('[gap: ') ? (
        <mark key={part} className="gap-said">
          {capital(part.slice(6, -1))}
        </mark>
      ) : (
        part
      ),
    );
}

/** Times in the sentence to the second; the records have them to the microsecond. */
const MICROSECONDS = /\d{4}-\d{2}-\d{2}T[\d:]+(\.\d+)?Z/g;

function Checked({ proofs, records }: { proofs: string[]; records: number }) {
  if (records === 0) return null;
  const good = proofs.filter((mark) => mark === 'good').length;
  const bad = proofs.includes('bad');
  const done = proofs.length === records;
  const tone = bad ? 'bad' : done && good === records ? 'good' : 'plain';
  return (
    <Badge
      tone={tone}
      title="Each record's place in the log was proven in this browser, against the key that is pinned in it"
    >
      <Icon name={bad ? 'cross' : 'check'} size={12} />{' '}
      {bad ? 'A record is not what was logged' : `${good} of ${count(records, 'record')} verified here`}
    </Badge>
  );
}

function Gaps({ lineage }: { lineage: Lineage }) {
  const gaps = lineage.gaps ?? [];
  if (gaps.length === 0 && !lineage.truncated) return null;
  return (
    <div className="notice warn" role="note">
      <Icon name="gap" size={18} />
      <div>
        {gaps.length > 0 && <strong>{count(gaps.length, 'link is missing', 'links are missing')}: </strong>}
        {gaps.join('; ')}
        {lineage.truncated && ' There is more than one answer holds: ask for a single run, token or action.'}
      </div>
    </div>
  );
}

function Others({ lineage }: { lineage: Lineage }) {
  const others = lineage.others ?? [];
  if (others.length === 0) return null;
  const kind = spoken(lineage.ref.slice(0, lineage.ref.indexOf(':')));
  return (
    <Panel title={`What else this ${kind} led to`}>
      <ul className="others">
        {others.map((other) => (
          <li key={other.ref}>
            <LineageLink of={other.ref}>{other.sentence}</LineageLink>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Exports({
  lineage,
  now = false,
  picture = false,
}: {
  lineage: Lineage;
  now?: boolean;
  picture?: boolean;
}) {
  const json = JSON.stringify(lineage, null, 2);
  const name = `lineage-${lineage.ref.replace(/[^\w-]+/g, '-').slice(0, 60)}`;
  const draw = async () => {
    const [{ layOut }, { drawSvg, drawPng }] = await Promise.all([import('./layout'), import('./svg')]);
    const svg = drawSvg(lineage, await layOut(lineage), now);
    return { svg, png: () => drawPng(svg) };
  };
  return (
    <span className="tools">
      <Copy text={window.location.href} label="permanent link" />
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" leftSection={<Icon name="download" size={14} />}>
            Export
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {picture && (
            <Menu.Item onClick={async () => save(`${name}.svg`, (await draw()).svg, 'image/svg+xml')}>
              Picture as SVG
            </Menu.Item>
          )}
          {picture && (
            <Menu.Item onClick={async () => save(`${name}.png`, await (await draw()).png())}>
              Picture as PNG
            </Menu.Item>
          )}
          <Menu.Item onClick={() => save(`${name}.json`, json, 'application/json')}>JSON</Menu.Item>
          <Menu.Item onClick={() => navigator.clipboard.writeText(json)}>Copy JSON</Menu.Item>
          <Menu.Item onClick={() => window.print()}>Print</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </span>
  );
}
