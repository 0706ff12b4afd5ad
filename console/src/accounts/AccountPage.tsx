// One account of another system: who answers for it, how it is used there, and the way to an identity of its own.
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { get, post, remove, type Schemas } from '../api/client';
import { useSession } from '../api/queries';
import { FindingItem } from '../findings/FindingItem';
import { Facts, Id, PageHead, Panel, Party, When, Words } from '../ui/bits';
import { useDialog } from '../ui/Dialogs';
import { Icon } from '../ui/icons';
import { Loaded, Problem } from '../ui/Loaded';
import { count } from '../words';
import { Answers, usedBy } from './AccountsPage';
import { conversion } from './conversion';

type Account = Schemas['ObservedAccount'];

export function AccountPage({ id }: { id: string }) {
  const account = useQuery({
    queryKey: ['observed', id],
    queryFn: () => get('/api/observed-accounts/{id}', { path: { id } }),
  });
  return <Loaded of={account}>{(account) => <Shown of={account} />}</Loaded>;
}

function Shown({ of }: { of: Account }) {
  return (
    <>
      <PageHead title={of.label} lead={`${of.form || 'An account'} in ${of.system}. It gets no token here.`}>
        <TakeOff of={of} />
      </PageHead>
      <Asked of={of} />
      <Convert of={of} />
      <div className="columns">
        <Panel title="Who answers">
          <Facts
            of={[
              ['Answers for it', <Answers key="who" of={of} />],
              ['Its owner there', of.owner],
              ['Used by', usedBy(of)],
              ['Replaced by', of.replaced_by && <Replaced of={of.replaced_by} />],
            ]}
          />
          {!of.sponsor && <Propose of={of} />}
        </Panel>
        <Panel title="What was seen there">
          <Facts
            of={[
              ['Its id there', <Id key="id" of={of.external_id} whole />],
              ['In', of.place],
              ['May', (of.privileges ?? []).length > 0 && <Words of={of.privileges ?? []} />],
              ['Made', of.made_there_at && <When at={of.made_there_at} />],
              ['Last used', <When key="used" at={of.last_used_at} none="not known" />],
              ['Its secret is of', of.secret_since && <When at={of.secret_since} />],
              ['Its secret ends', of.secret_ends_at && <When at={of.secret_ends_at} />],
              ['Switched off there', of.disabled_there && 'yes'],
              ['Sign-ins', of.sign_ins && <SignIns of={of.sign_ins} />],
              [
                'From',
                <>
                  line {of.provenance.line} of <code>{of.provenance.file_name}</code>, brought in by{' '}
                  {of.provenance.imported_by.name}, <When at={of.provenance.imported_at} />
                </>,
              ],
            ]}
          />
        </Panel>
      </div>
      {of.findings && of.findings.length > 0 && (
        <Panel title="What is weak about it">
          <ul className="findings">
            {of.findings.map((finding) => (
              <FindingItem key={finding.weakness + finding.says} of={finding} />
            ))}
          </ul>
        </Panel>
      )}
    </>
  );
}

const Replaced = ({ of }: { of: Schemas['Ref'] }) => (
  <Link to="/identities/$id" params={{ id: of.id }} className="link">
    {of.name}
  </Link>
);

function SignIns({ of }: { of: Schemas['SignIns'] }) {
  const programs = of.programs?.length
    ? ` (${of.programs.map((name) => name.replace(/\/$/, '')).join(', ')})`
    : '';
  return (
    <>
      {count(of.count, 'sign-in')} in {of.hours_of_day} of the 24 hours of the day, {of.by_program} by
      programs
      {programs}, <When at={of.first_at} /> to <When at={of.last_at} />
    </>
  );
}

/** Somebody was asked to answer for it, and says yes or no. */
function Asked({ of }: { of: Account }) {
  const session = useSession();
  const client = useQueryClient();
  const answer = useMutation({
    mutationFn: (verb: 'confirm' | 'decline') =>
      post(`/api/observed-accounts/{id}/${verb}`, { path: { id: of.id }, body: {} }),
    onSuccess: () => client.invalidateQueries(),
  });
  const asked = of.proposed;
  if (!asked) return null;
  const mine = asked.type === 'team' || asked.id === session.data?.user.id;
  return (
    <div className="notice warn">
      <Icon name="sponsor" size={18} />
      <div>
        <Party of={asked} /> was asked to answer for it, and has not said yes.
        {mine && (
          <div className="tools">
            <Button loading={answer.isPending} onClick={() => answer.mutate('confirm')}>
              Yes, I answer for it
            </Button>
            <Button variant="default" disabled={answer.isPending} onClick={() => answer.mutate('decline')}>
              No
            </Button>
          </div>
        )}
        <Problem error={answer.error} />
      </div>
    </div>
  );
}

function Propose({ of }: { of: Account }) {
  const client = useQueryClient();
  const [sponsor, setSponsor] = useState('');
  const propose = useMutation({
    mutationFn: () =>
      post('/api/observed-accounts/{id}/propose', { path: { id: of.id }, body: { sponsor: sponsor.trim() } }),
    onSuccess: () => client.invalidateQueries(),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    propose.mutate();
  };
  return (
    <form className="dialog" onSubmit={submit}>
      <TextInput
        label="Who could answer for it"
        description="An e-mail address, or team:NAME. They confirm it, or decline."
        value={sponsor}
        onChange={(event) => setSponsor(event.currentTarget.value)}
        autoComplete="off"
        required
        withAsterisk={false}
      />
      <Problem error={propose.error} />
      <div className="dialog-buttons">
        <Button type="submit" variant="default" loading={propose.isPending}>
          Ask them
        </Button>
      </div>
    </form>
  );
}

/** The steps from a person's account to an identity of the program's own, and how far one is. */
function Convert({ of }: { of: Account }) {
  const proposed = of.findings?.map(({ fix }) => conversion(fix)).find((found) => found !== undefined);
  if (!proposed && !of.replaced_by) return null;
  return (
    <Panel title="An identity of its own">
      <ol className="steps">
        <li>
          {of.replaced_by ? (
            <>
              Made: <Replaced of={of.replaced_by} />.
            </>
          ) : (
            <>
              Make an identity for the program that uses it.{' '}
              <Link to="/new-identity" search={proposed} className="link">
                Begin
              </Link>
            </>
          )}
        </li>
        <li>
          Say in its manifest what it may do and how its runs prove themselves, and move the program to it.
        </li>
        <li>
          End the program's access in {of.system}. The next import shows whether {of.label} is still used:
          last <When at={of.last_used_at} none="not known" />.
        </li>
      </ol>
    </Panel>
  );
}

function TakeOff({ of }: { of: Account }) {
  const open = useDialog();
  return (
    <Button
      variant="default"
      onClick={() =>
        open({
          title: `Take ${of.label} off this list`,
          body: (close) => <Confirm of={of} close={close} />,
        })
      }
    >
      Take it off the list
    </Button>
  );
}

function Confirm({ of, close }: { of: Account; close: () => void }) {
  const navigate = useNavigate();
  const end = useMutation({
    mutationFn: () => remove('/api/observed-accounts/{id}', { id: of.id }),
    onSuccess: () => {
      close();
      navigate({ to: '/accounts' });
    },
  });
  return (
    <div className="dialog">
      <p>
        Nothing changes in {of.system}: end it there first. It comes back with the next import, if it is still
        there.
      </p>
      <Problem error={end.error} />
      <div className="dialog-buttons">
        <Button variant="default" onClick={close}>
          Keep it
        </Button>
        <Button loading={end.isPending} onClick={() => end.mutate()}>
          Take it off
        </Button>
      </div>
    </div>
  );
}
