// Several switched off at once: first what dies, then each, with what came of it.
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQueries } from '@tanstack/react-query';
import { useState } from 'react';
import { post, type Schemas } from '../api/client';
import { useDialog } from '../ui/Dialogs';
import { Icon } from '../ui/icons';
import { capital, count } from '../words';

type Identity = Schemas['Identity'];

/** Offered for those of them that are on. */
export function Disable({ of, done }: { of: Identity[]; done?: () => void }) {
  const open = useDialog();
  const on = of.filter(({ status }) => status === 'active');
  if (on.length === 0) return null;
  const name = (one?: string) => (on.length > 1 ? count(on.length, 'identity', 'identities') : one);
  return (
    <Button
      color="red"
      variant="light"
      leftSection={<Icon name="stop" size={14} />}
      onClick={() =>
        open({
          title: `Disable ${name(on[0]?.name)}`,
          body: (close) => <Confirm of={on} close={close} />,
          closed: done,
        })
      }
    >
      Disable {name('it')}
    </Button>
  );
}

function Confirm({ of, close }: { of: Identity[]; close: () => void }) {
  const [reason, setReason] = useState('');
  const [told, setTold] = useState<Record<string, string>>({});
  const previews = useQueries({
    queries: of.map((identity) => ({
      queryKey: ['revocation', 'identity', identity.id],
      queryFn: () =>
        post('/api/revocations', { body: { grain: 'identity', target: identity.id, preview: true } }),
      gcTime: 0,
    })),
  });
  const live = previews.reduce((sum, preview) => sum + (preview.data?.live_tokens ?? 0), 0);
  const disable = useMutation({
    mutationFn: async () => {
      for (const identity of of) {
        const path = { id: identity.id };
        await post('/api/identities/{id}/disable', {
          path,
          body: { reason: reason || null },
          version: identity.version,
        }).then(
          () => setTold((now) => ({ ...now, [identity.id]: 'disabled' })),
          (error: Error) => setTold((now) => ({ ...now, [identity.id]: error.message })),
        );
      }
    },
  });
  return (
    <form
      className="dialog"
      onSubmit={(event) => {
        event.preventDefault();
        disable.mutate();
      }}
    >
      <p>
        They get no more tokens, and{' '}
        {live === 0 ? 'those that they have' : `the ${count(live, 'token')} of the last hour`} are refused at
        once. They can be enabled again.
      </p>
      <ul className="dies">
        {of.map((identity, at) => (
          <li key={identity.id}>
            {identity.name}{' '}
            <span className="soft">
              {told[identity.id]
                ? capital(told[identity.id] ?? '')
                : dying(identity.purpose, previews[at]?.data)}
            </span>
          </li>
        ))}
      </ul>
      {!disable.isSuccess && (
        <TextInput
          label="Why"
          description="Goes on record with your name."
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          maxLength={1000}
          data-autofocus
        />
      )}
      <div className="dialog-buttons">
        <Button variant="default" onClick={close}>
          {disable.isSuccess ? 'Close' : 'Leave them on'}
        </Button>
        {!disable.isSuccess && (
          <Button color="red" type="submit" loading={disable.isPending}>
            Disable now
          </Button>
        )}
      </div>
    </form>
  );
}

/** What it is for, and how many of its tokens die. */
function dying(purpose: string, preview?: Schemas['Revocation']): string {
  const live = preview?.live_tokens;
  return live ? `${purpose} · ${count(live, 'token')} of the last hour` : purpose;
}
