// One identity: what it is, what it may do and did, how it proves itself, and how one stops it.
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { get, post, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { FindingItem } from '../findings/FindingItem';
import { Investigate } from '../incident/Investigate';
import { EvidenceList } from '../lineage/EvidenceList';
import {
  Badge,
  Facts,
  Id,
  LineageLink,
  LinkTabs,
  PageHead,
  Panel,
  Parties,
  Party,
  Status,
  When,
  Words,
} from '../ui/bits';
import { Icon } from '../ui/icons';
import { Empty, Loaded, Problem } from '../ui/Loaded';
import { Stop } from '../ui/Stop';
import { Show } from '../ui/Value';
import { count, duration, KIND_WORDS, spoken, toneOf } from '../words';
import { CredentialFacts } from './Credentials';
import { Disable } from './Disable';
import { History } from './History';
import { Manifest } from './Manifest';
import { Privileges } from './Privileges';
import { Reach } from './Reach';
import { Refusals } from './Refusals';
import { Sponsorship } from './Sponsorship';
import { StillNeeded } from './StillNeeded';
import { sentenceOf } from './sentence';

type Identity = Schemas['Identity'];

export interface IdentitySearch {
  tab?: 'credentials' | 'evidence' | 'history' | 'manifest';
  after?: string;
}

export function IdentityPage({ id, search }: { id: string; search: IdentitySearch }) {
  const identity = useQuery(
    listOptions(['identity', id], () => get('/api/identities/{id}', { path: { id } })),
  );
  return <Loaded of={identity}>{(identity) => <Told identity={identity} search={search} />}</Loaded>;
}

function Told({ identity, search }: { identity: Identity; search: IdentitySearch }) {
  const to = `/identities/${identity.id}`;
  return (
    <>
      <PageHead
        title={
          <>
            {identity.name} <Status of={identity.status} title={identity.status_reason ?? undefined} />
          </>
        }
        lead={sentenceOf(identity)}
      >
        <Disable of={[identity]} />
        {identity.status === 'disabled' && <Enable of={identity} />}
        {identity.status !== 'deleted' && (
          <Stop grain="identity" target={identity.id} name={identity.name} label="End all its tokens" quiet />
        )}
      </PageHead>
      <Sponsorship of={identity} />
      <LinkTabs
        label="About this identity"
        of={[
          { label: 'What it is', to, on: !search.tab },
          { label: 'Credentials', to, search: { tab: 'credentials' }, on: search.tab === 'credentials' },
          { label: 'What it did', to, search: { tab: 'evidence' }, on: search.tab === 'evidence' },
          { label: 'Changes', to, search: { tab: 'history' }, on: search.tab === 'history' },
          { label: 'Manifest', to, search: { tab: 'manifest' }, on: search.tab === 'manifest' },
        ]}
      />
      {search.tab === 'credentials' ? (
        <Proves of={identity} />
      ) : search.tab === 'evidence' ? (
        <Panel
          title="What it did"
          side={
            <span className="tools">
              <Investigate of={`identity:${identity.id}`} />
              <LineageLink of={`identity:${identity.id}`}>Lineage of the latest</LineageLink>
            </span>
          }
        >
          <EvidenceList filter={{ identity: identity.id }} after={search.after} />
        </Panel>
      ) : search.tab === 'history' ? (
        <History of={identity} after={search.after} />
      ) : search.tab === 'manifest' ? (
        <Manifest of={identity} />
      ) : (
        <Is of={identity} />
      )}
    </>
  );
}

function Is({ of }: { of: Identity }) {
  const powers = Object.entries(of.powers ?? {}).filter(([, held]) => held);
  return (
    <>
      <Reach of={of} />
      {(of.findings?.length ?? 0) > 0 && (
        <Panel title={count(of.findings?.length ?? 0, 'finding')}>
          <ul className="findings">
            {of.findings?.map((finding) => (
              <FindingItem key={finding.weakness + finding.says} of={finding} />
            ))}
          </ul>
        </Panel>
      )}
      <div className="columns">
        <Panel title="Who answers" side={of.status !== 'deleted' && <StillNeeded of={of} />}>
          <Facts
            of={[
              ['Answers for it', <Party of={of.sponsor} />],
              ['Asked to', of.pending_sponsor && <Party of={of.pending_sponsor.party} />],
              ['Runs it', <Party of={of.owner} />],
              ['Manage it', <Parties of={of.managers} />],
              [
                'May act as it',
                of.impersonators?.length ? (
                  <Parties of={of.impersonators.map((one) => one.party)} />
                ) : (
                  'nobody'
                ),
              ],
              ['Orphan until', of.orphan_grace_until && <When at={of.orphan_grace_until} />],
              ['Project', of.project.name],
              [
                'Confirmed',
                of.confirmed ? (
                  <span>
                    by {of.confirmed.by.name} <When at={of.confirmed.at} />
                  </span>
                ) : (
                  'never'
                ),
              ],
              ['To be confirmed', <When at={of.review_due_at} />],
              ['Made by', of.created_by?.name],
              ['Made', <When at={of.created_at} />],
            ]}
          />
        </Panel>
        <Panel title="What it is">
          <Facts
            of={[
              ['Kind', KIND_WORDS[of.kind]],
              ['For', of.purpose],
              ['About', of.description],
              ['Subject', <Id of={of.subject} whole label="subject" />],
              ['Client id', <Id of={of.client_id} whole label="client id" />],
              ['Id', <Id of={of.id} label="identity id" />],
              ['Risk', <Badge tone={toneOf(of.risk_tier)}>{of.risk_tier}</Badge>],
              ['Sensitive', powers.map(([power]) => spoken(power)).join(', ')],
              ['Left at defaults', of.incomplete?.length ? <Words of={of.incomplete} /> : 'nothing'],
              ['Last seen', <When at={of.last_seen_at} />],
              ['From', of.last_seen_source],
            ]}
          />
        </Panel>
      </div>
      <Privileges of={of} />
      <div className="columns">
        <Panel title="Within what">
          <Facts
            of={[
              ['Environments', <Words of={of.environments} />],
              ['Resource servers', <Words of={of.audiences.map((audience) => audience.name)} />],
              ['Resources', <Words of={of.resources} none="not bound to any" />],
              ['Roles', <Words of={of.roles} />],
              ['Never', <Words of={of.denied_actions} none="nothing is denied" />],
              ['Tokens live', duration(of.token_ttl_seconds)],
              [
                'Countersigned',
                of.requires_approval ? `by ${count(of.approval_rule.required, 'person', 'people')}` : 'no',
              ],
              [
                'By whom',
                of.requires_approval && (
                  <Parties
                    of={of.approval_rule.approvers ?? []}
                    none="owners of the project and of the tenant"
                  />
                ),
              ],
              ['Proves itself by', of.trust_model ? spoken(of.trust_model) : 'anything'],
              ['Expires', <When at={of.expires_at} />],
            ]}
          />
        </Panel>
        <Panel title="How complete its evidence is">
          {of.evidence && of.evidence.records > 0 ? (
            <Facts
              of={[
                ['Records', of.evidence.records.toLocaleString('en')],
                ['Complete', `${Math.floor((100 * of.evidence.complete) / of.evidence.records)} %`],
                ['Missing most often', <Words of={of.evidence.missing ?? []} />],
              ]}
            />
          ) : (
            <p className="soft">
              It did nothing yet that its kind of program would have to leave evidence of.
            </p>
          )}
          {Object.keys(of.metadata ?? {}).length > 0 && <Show value={of.metadata} />}
        </Panel>
      </div>
    </>
  );
}

function Proves({ of }: { of: Identity }) {
  const path = { id: of.id };
  const credentials = useQuery(
    listOptions(['credentials', of.id], () => get('/api/identities/{id}/credentials', { path })),
  );
  return (
    <>
      <Loaded of={credentials}>
        {(page) =>
          page.items.length === 0 ? (
            <Panel>
              <Empty icon="credential" title="It cannot prove itself yet">
                <p>
                  A trust rule needs no secret: the platform's own token of each run is the proof. Where there
                  is none, a client secret:
                </p>
                <code>countersign credential create {of.name} --type client-secret</code>
              </Empty>
            </Panel>
          ) : (
            <div className="columns">
              {[...page.items]
                .sort((a, b) => Number(b.status === 'active') - Number(a.status === 'active'))
                .map((credential) => (
                  <Panel key={credential.id} title={credential.label || credential.name}>
                    <CredentialFacts of={credential} />
                  </Panel>
                ))}
            </div>
          )
        }
      </Loaded>
      <Refusals of={of} />
    </>
  );
}

function Enable({ of }: { of: Identity }) {
  const client = useQueryClient();
  const enable = useMutation({
    mutationFn: () =>
      post('/api/identities/{id}/enable', { path: { id: of.id }, body: {}, version: of.version }),
    onSuccess: () => client.invalidateQueries(),
  });
  return (
    <>
      <Button
        variant="default"
        leftSection={<Icon name="check" size={14} />}
        loading={enable.isPending}
        onClick={() => enable.mutate()}
      >
        Enable it again
      </Button>
      <Problem error={enable.error} />
    </>
  );
}
