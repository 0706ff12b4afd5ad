// What somebody answers for, offered to who could go on with it. They accept or decline.
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { post, type Schemas } from '../api/client';
import { Parties } from '../ui/bits';
import { useDialog } from '../ui/Dialogs';
import { Loaded, Problem } from '../ui/Loaded';
import { count } from '../words';

type User = Schemas['User'];

export function HandOver({ user }: { user: User }) {
  const open = useDialog();
  return (
    <Button
      variant="default"
      onClick={() =>
        open({
          title: `Hand over what ${user.email} answers for`,
          body: (close) => <Offer user={user} close={close} />,
        })
      }
    >
      Hand over…
    </Button>
  );
}

function Offer({ user, close }: { user: User; close: () => void }) {
  const [to, setTo] = useState('');
  const [asked, setAsked] = useState('');
  const [reason, setReason] = useState('');
  const offer = (dry_run: boolean) =>
    post('/api/users/{id}/hand-over', {
      path: { id: user.id },
      body: { to: asked || null, identities: [], dry_run, reason: reason || null },
    });
  const preview = useQuery({
    queryKey: ['hand-over', user.id, asked],
    queryFn: () => offer(true),
    retry: false,
    gcTime: 0,
  });
  const give = useMutation({ mutationFn: () => offer(false) });
  if (give.data) {
    return (
      <div className="dialog">
        <p>
          <strong>{count(give.data.offers.length, 'identity is', 'identities are')} offered.</strong> Who was
          asked accepts or declines on the identity's page; until then {user.email} still answers.
        </p>
        {give.data.waiting.length > 0 && (
          <p>
            {count(give.data.waiting.length, 'offer waits', 'offers wait')} for a second person under
            Approvals.
          </p>
        )}
        <div className="dialog-buttons">
          <Button variant="default" onClick={close}>
            Close
          </Button>
        </div>
      </div>
    );
  }
  return (
    <form
      className="dialog"
      onSubmit={(event) => {
        event.preventDefault();
        give.mutate();
      }}
    >
      <TextInput
        label="To whom"
        description="An e-mail address or team:NAME. Left empty, each goes to the successor that is proposed."
        value={to}
        spellCheck={false}
        onChange={(event) => setTo(event.currentTarget.value)}
        onBlur={() => setAsked(to.trim())}
        data-autofocus
      />
      <Loaded of={preview} rows={4}>
        {(preview) => (
          <>
            <ul className="dies">
              {preview.offers.map((one) => (
                <li key={one.identity.id}>
                  {one.identity.name} <span className="soft">to</span> <Parties of={[one.to]} />{' '}
                  {one.reason && <span className="soft">{one.reason}</span>}
                </li>
              ))}
            </ul>
            {preview.without_successor.length > 0 && (
              <p className="notice warn">
                Nobody is known for {preview.without_successor.map((one) => one.name).join(', ')}: name
                somebody above.
              </p>
            )}
          </>
        )}
      </Loaded>
      <TextInput
        label="Why"
        description="Goes on record with your name."
        value={reason}
        maxLength={1000}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <Problem error={give.error} />
      <div className="dialog-buttons">
        <Button variant="default" onClick={close}>
          Not yet
        </Button>
        <Button
          type="submit"
          loading={give.isPending}
          disabled={!preview.data?.offers.length || to.trim() !== asked}
        >
          Offer them
        </Button>
      </div>
    </form>
  );
}
