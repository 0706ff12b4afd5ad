// Why a run was not let in: rule by rule, claim by claim.
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { get, post, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { Badge, Panel, Said, When } from '../ui/bits';
import { Loaded, Problem } from '../ui/Loaded';
import { type Column, Table } from '../ui/Table';
import { capital } from '../words';

export function Refusals({ of }: { of: Schemas['Identity'] }) {
  const path = { id: of.id };
  const attempts = useQuery(
    listOptions(['attempts', of.id], () =>
      get('/api/identities/{id}/attempts', { path, query: { limit: 20 } }),
    ),
  );
  return (
    <Panel title="Why a run is let in, or is not">
      <Try of={of} />
      <h3>What was refused lately</h3>
      <Loaded of={attempts}>
        {(page) =>
          page.items.length === 0 ? (
            <p className="soft">Nothing. When a run is refused here, one finds out why, claim by claim.</p>
          ) : (
            <ul className="findings">
              {page.items.map((attempt) => (
                <Refusal key={attempt.id} of={attempt} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  );
}

function Try({ of }: { of: Schemas['Identity'] }) {
  const [token, setToken] = useState('');
  const explain = useMutation({
    mutationFn: () => post('/api/trust-tests', { body: { identity: of.id, token: token.trim() } }),
    onSettled: () => setToken(''),
  });
  return (
    <>
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          explain.mutate();
        }}
      >
        <TextInput
          className="wide"
          size="xs"
          type="password"
          label="The token of a run"
          description="It is sent to this server, which explains it, issues nothing for it and keeps none of it."
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          autoComplete="off"
          required
          withAsterisk={false}
        />
        <Button variant="default" type="submit" loading={explain.isPending}>
          Explain it
        </Button>
      </form>
      <Problem error={explain.error} />
      {explain.data && <Verdict of={explain.data} />}
    </>
  );
}

function Refusal({ of }: { of: Schemas['RefusedAttempt'] }) {
  const why = useMutation({ mutationFn: () => post('/api/trust-tests', { body: { attempt: of.id } }) });
  return (
    <li className="refusal">
      <div className="panel-head">
        <p>
          <Said text={capital(of.detail)} />{' '}
          <span className="soft">
            <When at={of.at} /> {of.source && `from ${of.source}`}
          </span>
        </p>
        <Button variant="default" loading={why.isPending} onClick={() => why.mutate()}>
          Why, claim by claim
        </Button>
      </div>
      <Problem error={why.error} />
      {why.data && <Verdict of={why.data} />}
    </li>
  );
}

const CLAIMS: Column<Schemas['ClaimCheck']>[] = [
  { key: 'claim', head: 'Claim', cell: (row) => <code>{row.claim}</code> },
  { key: 'expected', head: 'The rule accepts', cell: (row) => row.expected.join(' or ') },
  { key: 'got', head: 'The token says', cell: (row) => row.got ?? <span className="soft">nothing</span> },
  {
    key: 'fits',
    head: 'Fits',
    cell: (row) => <Badge tone={row.matched ? 'good' : 'bad'}>{row.matched ? 'yes' : 'no'}</Badge>,
  },
];

function Verdict({ of }: { of: Schemas['TrustVerdict'] }) {
  const failed = of.checks.filter((check) => !check.passed);
  return (
    <>
      {failed.map((check) => (
        <p key={check.what} className="notice warn">
          {capital(check.what)}: {check.detail}
        </p>
      ))}
      {of.rules.map((rule) => (
        <div key={rule.credential.id}>
          <p>
            Rule <code>{rule.credential.name}</code>{' '}
            <Badge tone={rule.matched ? 'good' : 'bad'}>{rule.matched ? 'matches' : 'does not match'}</Badge>
          </p>
          <Table
            label={`Claims of rule ${rule.credential.name}`}
            columns={CLAIMS}
            rows={rule.claims}
            rowKey={(row) => row.claim}
          />
        </div>
      ))}
    </>
  );
}
