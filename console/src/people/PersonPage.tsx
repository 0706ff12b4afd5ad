// One person: what they answer for, what breaks if they leave, what they did.
import { useQuery } from '@tanstack/react-query';
import { get } from '../api/client';
import { listOptions } from '../api/queries';
import { Investigate } from '../incident/Investigate';
import { AnswersForTable } from '../lineage/AnswersFor';
import { EvidenceList } from '../lineage/EvidenceList';
import { Facts, LinkTabs, PageHead, Panel, Status, When } from '../ui/bits';
import { Loaded } from '../ui/Loaded';
import { spoken } from '../words';
import { Leaving } from './Departure';

export interface PersonSearch {
  tab?: 'evidence';
  after?: string;
}

export function PersonPage({ id, search }: { id: string; search: PersonSearch }) {
  const user = useQuery(listOptions(['user', id], () => get('/api/users/{id}', { path: { id } })));
  const to = `/people/${id}`;
  return (
    <Loaded of={user}>
      {(user) => (
        <>
          <PageHead
            title={
              <>
                {user.display_name || user.email} <Status of={user.status} />
              </>
            }
          />
          <LinkTabs
            label="About this person"
            of={[
              { label: 'What they answer for', to, on: !search.tab },
              { label: 'What they did', to, search: { tab: 'evidence' }, on: search.tab === 'evidence' },
            ]}
          />
          {search.tab === 'evidence' ? (
            <Panel title="What they did" side={<Investigate of={`user:${id}`} />}>
              <EvidenceList filter={{ person: id }} after={search.after} />
            </Panel>
          ) : (
            <>
              <Leaving user={user} />
              <Answers id={id} who={user.email} />
              <Panel title="Who they are">
                <Facts
                  of={[
                    ['E-mail', user.email],
                    ['Handle', user.handle],
                    ['Role', spoken(user.role)],
                    ['Let in by', user.invited_by?.name],
                    ['First signed in', <When at={user.enrolled_at} none="not yet" />],
                  ]}
                />
              </Panel>
            </>
          )}
        </>
      )}
    </Loaded>
  );
}

function Answers({ id, who }: { id: string; who: string }) {
  const lineage = useQuery(
    listOptions(['lineage', `user:${id}`], () => get('/api/lineage', { query: { ref: `user:${id}` } })),
  );
  return (
    <Panel title="What they answer for">
      <Loaded of={lineage}>
        {(lineage) => (
          <>
            <p>{lineage.sentence}</p>
            <AnswersForTable of={lineage.answers_for ?? []} who={who} />
          </>
        )}
      </Loaded>
    </Panel>
  );
}
