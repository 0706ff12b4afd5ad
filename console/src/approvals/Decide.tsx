// Yes or no, on exactly the digest that was read.
import { Button, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { post } from '../api/client';
import { useDialog } from '../ui/Dialogs';
import { Icon } from '../ui/icons';
import { Problem } from '../ui/Loaded';
import { shortId } from '../words';
import { sign } from './passkey';
import type { Approval } from './request';

type Verb = 'approve' | 'deny';

export function Decide({ of }: { of: Approval }) {
  const open = useDialog();
  if (of.status !== 'pending') return null;
  const decide = (verb: Verb) =>
    open({
      title: verb === 'deny' ? 'Deny this request' : 'Approve exactly this',
      body: (close) => <Confirm of={of} verb={verb} close={close} />,
    });
  return (
    <div className="decide">
      <Button size="sm" leftSection={<Icon name="check" size={15} />} onClick={() => decide('approve')}>
        Approve…
      </Button>
      <Button
        size="sm"
        variant="default"
        leftSection={<Icon name="cross" size={15} />}
        onClick={() => decide('deny')}
      >
        Deny…
      </Button>
    </div>
  );
}

function Confirm({ of, verb, close }: { of: Approval; verb: Verb; close: () => void }) {
  const [reason, setReason] = useState('');
  const decide = useMutation({
    mutationFn: async () => {
      const about = { approved: verb === 'approve', digest: of.digest };
      const path = { id: of.id };
      const asked = await post('/api/approvals/{id}/challenge', { path, body: about });
      const passkey = { ceremony: asked.ceremony, credential: await sign(asked.options) };
      const body = { digest: of.digest, reason: reason || null, passkey };
      return post(`/api/approvals/{id}/${verb}`, { path, body });
    },
    onSuccess: close,
  });
  return (
    <form
      className="dialog"
      onSubmit={(event) => {
        event.preventDefault();
        decide.mutate();
      }}
    >
      <p className="request-line">{of.summary}</p>
      <p className="soft">
        Your passkey signs it: your name goes on record with its signature and the digest{' '}
        <code title={of.digest}>{shortId(of.digest)}</code>.{' '}
        {verb === 'approve'
          ? 'The run gets a token for this and nothing else, once. If anything of the request changes, this is void.'
          : 'The run is told that a person said no. It may ask again.'}
      </p>
      <Textarea
        label="Why"
        placeholder={verb === 'approve' ? 'What you checked' : 'What would have to change'}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        maxLength={1000}
        rows={3}
        data-autofocus
      />
      <Problem error={decide.error} />
      <div className="dialog-buttons">
        <Button variant="default" onClick={close}>
          Not yet
        </Button>
        <Button type="submit" color={verb === 'deny' ? 'red' : undefined} loading={decide.isPending}>
          {verb === 'deny' ? 'Deny with your passkey' : 'Approve with your passkey'}
        </Button>
      </div>
    </form>
  );
}
