// Stopping something: first what dies with it, then the one button.
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { post, type Schemas } from '../api/client';
import { count, spoken } from '../words';
import { useDialog } from './Dialogs';
import { Icon } from './icons';
import { Loaded, Problem } from './Loaded';

type Grain = Schemas['Grain'];

export function Stop({
  grain,
  target,
  name,
  label,
  quiet = false,
}: {
  grain: Grain;
  target: string;
  name: string;
  label?: string;
  quiet?: boolean;
}) {
  const open = useDialog();
  const title = label ?? `Stop this ${spoken(grain)}`;
  return (
    <Button
      color={quiet ? undefined : 'red'}
      variant={quiet ? 'default' : 'light'}
      leftSection={<Icon name="stop" size={14} />}
      onClick={() =>
        open({
          title: `${title}: ${name}`,
          body: (close) => <Confirm grain={grain} target={target} close={close} />,
        })
      }
    >
      {title}
    </Button>
  );
}

function Confirm({ grain, target, close }: { grain: Grain; target: string; close: () => void }) {
  const [reason, setReason] = useState('');
  const preview = useQuery({
    queryKey: ['revocation', grain, target],
    queryFn: () => post('/api/revocations', { body: { grain, target, preview: true } }),
    gcTime: 0,
  });
  const revoke = useMutation({
    mutationFn: () =>
      post('/api/revocations', { body: { grain, target, preview: false, reason: reason || null } }),
  });
  if (revoke.data) {
    return (
      <div className="dialog">
        <p>
          <strong>Done.</strong> Every replica refuses it within a second, and every guard as soon as it has
          followed the feed.
        </p>
        <div className="dialog-buttons">
          {revoke.data.evidence_id && (
            <Link to="/evidence/$id" params={{ id: revoke.data.evidence_id }} className="link">
              The record of it
            </Link>
          )}
          <Button variant="default" onClick={close}>
            Close
          </Button>
        </div>
      </div>
    );
  }
  return (
    <Loaded of={preview} rows={4}>
      {(preview) => (
        <form
          className="dialog"
          onSubmit={(event) => {
            event.preventDefault();
            revoke.mutate();
          }}
        >
          <p>
            {preview.dies.length === 0 ? 'Nothing that is on record dies with it.' : 'With it dies:'}
            {!!preview.live_tokens &&
              ` ${count(preview.live_tokens, 'token')} issued in the last hour ${preview.live_tokens === 1 ? 'is' : 'are'} refused from then on.`}
          </p>
          <ul className="dies">
            {preview.dies.map((one) => (
              <li key={one.what + one.id}>
                <span className="soft">{spoken(one.what)}</span> {one.name ?? one.id}
              </li>
            ))}
          </ul>
          <TextInput
            label="Why"
            description="Goes on record with your name."
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
            maxLength={1000}
            data-autofocus
          />
          <p className="soft">{CONSEQUENCE[grain] ?? 'Nothing brings back the tokens that die.'}</p>
          <Problem error={revoke.error} />
          <div className="dialog-buttons">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button color="red" type="submit" loading={revoke.isPending}>
              Do it now
            </Button>
          </div>
        </form>
      )}
    </Loaded>
  );
}

/** What goes on afterwards, and what does not. */
const CONSEQUENCE: Partial<Record<Grain, string>> = {
  credential:
    'It never works again, and the tokens that it gave are refused. The identity keeps its other credentials.',
  identity: 'Every token that it has is refused. It can get new ones: disable it to stop that too.',
  run: 'Every token of this run is refused, and it gets no more. Other runs of the same program go on.',
  token: 'This token is refused from now on. The program can get another one.',
  trust_rule:
    'No run gets in by this rule any more, and the tokens that it gave are refused. Other rules go on.',
};
