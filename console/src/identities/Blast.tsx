// What one credential reaches: whom it is, what it may do where, and what dies when it is stopped.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { get, post, type Schemas } from '../api/client';
import { HOUR_MS } from '../incident/asked';
import { Facts, Party, Words } from '../ui/bits';
import { Loaded } from '../ui/Loaded';
import { count } from '../words';

type Credential = Schemas['Credential'];

export function Blast({ of, grain }: { of: Credential; grain: Schemas['Grain'] }) {
  const [open, setOpen] = useState(false);
  if (of.status !== 'active') return null;
  if (!open)
    return (
      <div className="drawer-actions">
        <Button variant="default" onClick={() => setOpen(true)}>
          What it reaches
        </Button>
      </div>
    );
  return <Reaches of={of} grain={grain} />;
}

/** Where it came from lately: so far back. */
const LATELY_MS = 30 * 24 * HOUR_MS;

function Reaches({ of, grain }: { of: Credential; grain: Schemas['Grain'] }) {
  const asked = useQuery({
    queryKey: ['blast', of.id],
    queryFn: async () => {
      const since = new Date(Date.now() - LATELY_MS).toISOString();
      const [identity, preview, lately] = await Promise.all([
        get('/api/identities/{id}', { path: { id: of.identity.id } }),
        post('/api/revocations', { body: { grain, target: of.id, preview: true } }),
        get('/api/incidents', { query: { ref: `credential:${of.id}`, since, limit: 100 } }),
      ]);
      return { identity, preview, lately };
    },
  });
  return (
    <section aria-label="What it reaches">
      <h3>What it reaches</h3>
      <Loaded of={asked} rows={4}>
        {({ identity, preview, lately }) => {
          const may = identity.allowed_actions.filter((one) => !identity.denied_actions.includes(one));
          const where = of.trust ? of.trust.environments : identity.environments;
          return (
            <Facts
              of={[
                ['Whoever has it is', identity.subject],
                ['And may', <Words key="may" of={may} none="do nothing" />],
                ['In', <Words key="in" of={where} none="no environment" />],
                [
                  'At',
                  <Words key="at" of={identity.audiences.map((one) => one.name)} none="no resource server" />,
                ],
                ['On', identity.resources.length > 0 && <Words key="on" of={identity.resources} />],
                [
                  'Alone',
                  identity.requires_approval ? 'only what reads; the rest is countersigned' : 'all of it',
                ],
                [
                  'Came lately from',
                  lately.sources.map((source) => source.address).join(', ') || 'nowhere on record',
                ],
                [
                  'Dies with it',
                  preview.live_tokens == null
                    ? count(preview.dies.length, 'thing')
                    : `${count(preview.live_tokens, 'token')} of the last hour`,
                ],
                ['Must respond', <Party key="respond" of={identity.sponsor} />],
              ]}
            />
          );
        }}
      </Loaded>
    </section>
  );
}
