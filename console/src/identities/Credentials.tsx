// How an identity proves itself, and how one stops it.
import type { Schemas } from '../api/client';
import { Investigate } from '../incident/Investigate';
import { Facts, Id, Status, When, Words } from '../ui/bits';
import { Stop } from '../ui/Stop';
import { Show } from '../ui/Value';
import { CREDENTIAL_WORDS } from '../words';
import { Blast } from './Blast';

type Credential = Schemas['Credential'];

/** A trust rule is revoked as one: its grain is its own. */
const grainOf = (credential: Credential) => (credential.type === 'trust-rule' ? 'trust_rule' : 'credential');

export function StopCredential({ of }: { of: Credential }) {
  if (of.status !== 'active') return null;
  return <Stop grain={grainOf(of)} target={of.id} name={of.label || of.name} label="Stop this credential" />;
}

export function CredentialFacts({ of }: { of: Credential }) {
  return (
    <>
      <div className="drawer-actions">
        <StopCredential of={of} />
        <Investigate of={`credential:${of.id}`} />
      </div>
      <Facts
        of={[
          ['Type', CREDENTIAL_WORDS[of.type]],
          ['Status', <Status of={of.status} />],
          ['Label', of.label],
          ['Public id', <Id of={of.name} whole label="public id" />],
          ['Made', <When at={of.created_at} />],
          ['Made by', of.created_by?.name],
          ['Ends', of.expires_at ? <When at={of.expires_at} /> : 'when it is rotated or stopped'],
          ['Last used', <When at={of.last_used_at} />],
          ['From', of.last_used_source],
          ['Stopped because', of.revoked_because],
        ]}
      />
      {of.trust && <TrustRule of={of.trust} />}
      <Blast of={of} grain={grainOf(of)} />
    </>
  );
}

export function TrustRule({ of }: { of: Schemas['Trust'] }) {
  return (
    <>
      <h3>Who is trusted</h3>
      <p>
        Runs with a token of <code>{of.issuer.name}</code> whose claims are exactly these. A match yields{' '}
        {of.environments.length > 0 ? <Words of={of.environments} /> : 'no environment'}.
      </p>
      <Show value={of.match} />
    </>
  );
}
