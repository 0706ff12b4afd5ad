// If this person leaves tomorrow: what breaks, until when it runs, and who could go on with it.
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { get, post, type Schemas } from '../api/client';
import { Badge, Panel, Party, When } from '../ui/bits';
import { useDialog } from '../ui/Dialogs';
import { Loaded, Problem } from '../ui/Loaded';
import { type Column, Table } from '../ui/Table';
import { capital, count } from '../words';
import { HandOver } from './HandOver';

type Departure = Schemas['Departure'];
type AtStake = Schemas['AtStake'];

const COLUMNS: Column<AtStake>[] = [
  {
    key: 'identity',
    head: 'Identity',
    cell: (row) => (
      <>
        <Link to="/identities/$id" params={{ id: row.identity.id }} className="row-link">
          {row.identity.name}
        </Link>
        <span className="below">{row.project.name}</span>
      </>
    ),
  },
  { key: 'as', head: 'They are its', cell: (row) => row.relations.join(', ') },
  { key: 'happens', head: 'What happens', cell: (row) => <Happens to={row} /> },
  {
    key: 'next',
    head: 'Who could go on with it',
    cell: (row) =>
      row.successor ? (
        <>
          <Party of={row.successor.user} />
          <span className="below">{row.successor.reason}</span>
        </>
      ) : (
        <span className="soft">{row.orphaned ? 'nobody is known' : 'nobody is needed'}</span>
      ),
  },
];

function Happens({ to: { orphaned, stops_at, undecided } }: { to: AtStake }) {
  if (!orphaned && !undecided) return <Badge tone="good">goes on</Badge>;
  return (
    <>
      {orphaned && <Badge tone="bad">orphaned</Badge>}{' '}
      {undecided && <Badge tone="warn">nobody can approve</Badge>}
      {orphaned && (
        <span className="below">
          {capital(orphaned)}
          {stops_at && (
            <>
              ; no more tokens <When at={stops_at} />
            </>
          )}
        </span>
      )}
      {undecided && (
        <span className="below">
          {`${undecided.left} of ${undecided.required} would be left who may countersign`}
          {undecided.waiting.length > 0 &&
            `; ${count(undecided.waiting.length, 'request waits', 'requests wait')} now`}
        </span>
      )}
    </>
  );
}

export function Leaving({ user }: { user: Schemas['User'] }) {
  const path = { id: user.id };
  const departure = useQuery({
    queryKey: ['departure', user.id],
    queryFn: () => get('/api/users/{id}/departure', { path, query: { limit: 50 } }),
    retry: false,
  });
  const left = user.status !== 'active';
  return (
    <Panel
      title={left ? 'Since they left' : 'If they leave tomorrow'}
      side={
        departure.data && (
          <span className="tools">
            {departure.data.counts.sponsors > 0 && <HandOver user={user} />}
            {!left && <Left user={user} departure={departure.data} />}
          </span>
        )
      }
    >
      <Loaded of={departure}>{(departure) => <Told departure={departure} />}</Loaded>
    </Panel>
  );
}

function Told({ departure }: { departure: Departure }) {
  const { counts } = departure;
  const breaks = counts.orphans + counts.undecided > 0;
  return (
    <>
      <p className={`notice ${breaks ? 'warn' : 'good'}`}>{departure.sentence}</p>
      <div className="big-numbers">
        <Figure of={counts.orphans} bad says="would be orphaned" />
        <Figure of={counts.undecided} bad says="could not be approved for" />
        <Figure of={counts.sponsors} says="they answer for" />
        <Figure of={counts.manages} says="they manage" />
        <Figure of={counts.approves} says="they may countersign for" />
        <Figure
          of={counts.sign_ins + counts.tokens + counts.passkeys}
          says="sign-ins, tokens and passkeys would end"
        />
      </div>
      {departure.warnings.length > 0 && (
        <ul className="plain-list">
          {departure.warnings.map((warning) => (
            <li key={warning} className="soft">
              {capital(warning)}
            </li>
          ))}
        </ul>
      )}
      {departure.projects.length > 0 && (
        <p>Nobody else owns {departure.projects.map((project) => project.name).join(', ')}.</p>
      )}
      {departure.teams.length > 0 && (
        <p>Empty would be {departure.teams.map((team) => `team ${team.name}`).join(', ')}.</p>
      )}
      {departure.items.length > 0 && (
        <Table
          label="What it means for each identity"
          columns={COLUMNS}
          rows={departure.items}
          rowKey={(row) => row.identity.id}
        />
      )}
      {(departure.next || departure.truncated) && (
        <p className="soft">There are more: countersign user departure lists all of them.</p>
      )}
    </>
  );
}

function Figure({ of, says, bad = false }: { of: number; says: string; bad?: boolean }) {
  return (
    <div>
      <strong className={bad && of > 0 ? 'bad' : ''}>{of}</strong>
      <span className="soft">{says}</span>
    </div>
  );
}

/** What was only a question becomes so. */
function Left({ user, departure }: { user: Schemas['User']; departure: Departure }) {
  const open = useDialog();
  return (
    <Button
      color="red"
      variant="light"
      onClick={() =>
        open({
          title: `${user.email} has left`,
          body: (close) => <Confirm user={user} departure={departure} close={close} />,
        })
      }
    >
      They have left…
    </Button>
  );
}

function Confirm({
  user,
  departure,
  close,
}: {
  user: Schemas['User'];
  departure: Departure;
  close: () => void;
}) {
  const [reason, setReason] = useState('');
  const disable = useMutation({
    mutationFn: () =>
      post('/api/users/{id}/disable', {
        path: { id: user.id },
        body: { reason: reason || null },
        version: user.version,
      }),
    onSuccess: close,
  });
  return (
    <form
      className="dialog"
      onSubmit={(event) => {
        event.preventDefault();
        disable.mutate();
      }}
    >
      <p>{departure.sentence}</p>
      <p className="soft">
        Their sign-ins end at once. Nothing that runs today stops at that moment. Evidence keeps their name.
      </p>
      <TextInput
        label="Why"
        description="Goes on record with your name."
        value={reason}
        maxLength={1000}
        onChange={(event) => setReason(event.currentTarget.value)}
        data-autofocus
      />
      <Problem error={disable.error} />
      <div className="dialog-buttons">
        <Button variant="default" onClick={close}>
          Not yet
        </Button>
        <Button color="red" type="submit" loading={disable.isPending}>
          Switch them off
        </Button>
      </div>
    </form>
  );
}
