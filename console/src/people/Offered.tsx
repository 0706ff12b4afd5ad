// What somebody asked the person who is signed in to answer for.
import { useQuery } from '@tanstack/react-query';
import { get } from '../api/client';
import { listOptions } from '../api/queries';
import { Sponsorship } from '../identities/Sponsorship';
import { Panel } from '../ui/bits';

export function Offered() {
  const offered = useQuery(
    listOptions(['identities', 'offered'], () => get('/api/identities', { query: { offered: true } })),
  );
  const items = offered.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <Panel title="Offered to you">
      <p className="soft">
        Who answers for a program responds when it goes wrong. Nothing changes until you say yes.
      </p>
      {items.map((identity) => (
        <Sponsorship key={identity.id} of={identity} named />
      ))}
    </Panel>
  );
}
