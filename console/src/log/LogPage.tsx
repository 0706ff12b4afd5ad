// The log: its newest head, whether the pinned key signed it, and what went into it.
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { text } from '../api/client';
import { EvidenceList } from '../lineage/EvidenceList';
import { type Trust, trustOptions } from '../lineage/proofs';
import { Facts, Id, PageHead, Panel, When } from '../ui/bits';
import { Icon } from '../ui/icons';
import { Loaded, Problem } from '../ui/Loaded';
import { count, spoken } from '../words';
import { toHex } from './bytes';
import { parseCheckpoint, parseVerifierKey, signatureOf } from './checkpoint';
import { grown, pin } from './pin';

export interface LogSearch {
  kind?: string;
  outcome?: string;
  after?: string;
}

const KINDS = [
  'action',
  'approval_decided',
  'approval_opened',
  'changed',
  'decision',
  'erased',
  'gap',
  'key_read',
  'refused',
  'revoked',
  'signed_in',
  'signing_key',
  'started',
  'token_issued',
  'token_used',
];
const OUTCOMES = ['allowed', 'approved', 'denied', 'done', 'failed', 'refused'];

export function LogPage({ search }: { search: LogSearch }) {
  const navigate = useNavigate();
  const change = (next: Partial<LogSearch>) =>
    navigate({ to: '/log', search: { ...search, after: undefined, ...next } });
  const select = (name: 'kind' | 'outcome', values: string[]) => (
    <NativeSelect
      aria-label={name}
      value={search[name] ?? ''}
      onChange={(event) => change({ [name]: event.currentTarget.value || undefined })}
      data={[
        { value: '', label: `any ${name}` },
        ...values.map((value) => ({ value, label: spoken(value) })),
      ]}
    />
  );
  return (
    <>
      <PageHead
        title="Log"
        lead="Everything that happened, in one tree of hashes that only grows. Whoever changes or takes away a record changes the root, and the signature no longer fits."
      />
      <Head />
      <Panel
        title="Records"
        side={
          <span className="tools">
            {select('kind', KINDS)}
            {select('outcome', OUTCOMES)}
          </span>
        }
      >
        <EvidenceList filter={{ kind: search.kind, outcome: search.outcome }} after={search.after} />
      </Panel>
    </>
  );
}

function Head() {
  const trust = useQuery(trustOptions);
  const head = useQuery({
    queryKey: ['checkpoint', trust.data?.pinned.verifierKey],
    queryFn: async () => {
      const note = await text('/log/checkpoint');
      const checkpoint = parseCheckpoint(note);
      const signature = await signatureOf(note, await parseVerifierKey(trust.data?.pinned.verifierKey ?? ''));
      return { checkpoint, signature, before: grown(checkpoint, signature === 'good', new Date()) };
    },
    enabled: trust.data !== undefined,
    refetchInterval: 10_000,
    retry: false,
  });
  return (
    <div className="columns">
      <Panel title="The newest checkpoint">
        <Loaded of={head}>
          {({ checkpoint, signature, before }) => {
            const shrunk = before !== undefined && before.size > checkpoint.size;
            const good = signature === 'good' && !shrunk;
            return (
              <>
                <p className={`notice ${good ? 'good' : 'warn'}`}>
                  <Icon name={good ? 'check' : 'finding'} size={18} />
                  <span>
                    {shrunk
                      ? `The log was longer when this browser last looked: ${count(before.size, 'record')}. Records were taken away.`
                      : SAYS[signature]}
                  </span>
                </p>
                <Facts
                  of={[
                    ['Records', checkpoint.size.toLocaleString('en')],
                    ['Root', <Id of={toHex(checkpoint.root)} label="root hash" />],
                    ['Origin', checkpoint.origin],
                    [
                      'Last looked',
                      before && (
                        <span>
                          {count(before.size, 'record')}, <When at={before.at} />
                        </span>
                      ),
                    ],
                  ]}
                />
              </>
            );
          }}
        </Loaded>
      </Panel>
      <Panel title="The key that is pinned here">
        <Loaded of={trust}>{(trust) => <Key of={trust} />}</Loaded>
      </Panel>
    </div>
  );
}

const SAYS = {
  good: 'The pinned key signed it: verified in this browser just now.',
  bad: 'Its signature is not good. Do not trust what this server says until somebody has looked.',
  other_key:
    'It is signed by another key than the one that is pinned here. After a restore the log begins anew with a new origin; else somebody should look.',
  unsupported:
    'This browser cannot check the signature: it has no Ed25519. The command line can: countersign log verify.',
} as const;

function Key({ of }: { of: Trust }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState('');
  const bring = useMutation({
    mutationFn: () => pin(of.origin, typed, true, new Date()),
    onSuccess: () => {
      setTyped('');
      return client.invalidateQueries();
    },
  });
  const other = of.told !== of.pinned.verifierKey;
  return (
    <>
      <Facts
        of={[
          ['Key', <Id of={of.pinned.verifierKey} whole label="verifier key" />],
          ['Pinned', <When at={of.pinned.since} />],
          [
            'From',
            of.pinned.brought
              ? 'you brought it from elsewhere'
              : 'this server, when this browser first asked',
          ],
        ]}
      />
      {other && <p className="notice warn">The server now names another key: {of.told}</p>}
      <form
        className="form-row"
        onSubmit={(event) => {
          event.preventDefault();
          bring.mutate();
        }}
      >
        <TextInput
          label="A key from elsewhere"
          description="From a colleague, or from where you signed in: countersign login pins it."
          placeholder="origin+id+key"
          value={typed}
          spellCheck={false}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Button type="submit" size="sm" variant="default" disabled={typed.trim() === ''}>
          Pin it
        </Button>
      </form>
      <Problem error={bring.error} />
      <p className="soft">
        Offline, all of it: <code>countersign log export DIR</code>, then{' '}
        <code>countersign log verify DIR --key KEY</code>.
      </p>
    </>
  );
}
