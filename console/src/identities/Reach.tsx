// Person, account and resource, side by side: who answers for it, what it is, and what it reaches.
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Schemas } from '../api/client';
import { Party, Words } from '../ui/bits';
import { Icon, type IconName } from '../ui/icons';
import { KIND_WORDS } from '../words';

type Identity = Schemas['Identity'];

export function Reach({ of }: { of: Identity }) {
  const managers = of.managers.filter((manager) => manager.id !== of.sponsor.id);
  const where = of.environments.join(', ') || 'in no environment';
  return (
    <section className="reach" aria-label="Who answers for it, and what it reaches">
      <Box icon="sponsor" says={of.sponsor.type === 'team' ? 'Team' : 'Person'}>
        <strong>
          <Party of={of.sponsor} />
        </strong>
        {managers.length > 0 && (
          <span className="soft">with {managers.map((manager) => manager.name).join(', ')}</span>
        )}
      </Box>
      <Arrow says="answers for" />
      <Box icon="identity" says={KIND_WORDS[of.kind] ?? of.kind} own>
        <strong>{of.name}</strong>
        <Words
          of={of.allowed_actions.filter((action) => !of.denied_actions.includes(action))}
          none="may do nothing"
        />
      </Box>
      <Arrow says={[where, of.requires_approval && 'countersigned'].filter(Boolean).join(', ')} />
      <Box icon="project" says="Resource">
        <strong>{of.audiences.map((audience) => audience.name).join(', ') || 'no resource server'}</strong>
        {of.resources.length > 0 && <Words of={of.resources} />}
        <Link
          to="/identities/$id"
          params={{ id: of.id }}
          search={{ tab: 'evidence' } as never}
          className="link"
        >
          What it did there
        </Link>
      </Box>
    </section>
  );
}

function Box({
  icon,
  says,
  own = false,
  children,
}: {
  icon: IconName;
  says: string;
  own?: boolean;
  children: ReactNode;
}) {
  return (
    <div className={own ? 'reach-box own' : 'reach-box'}>
      <span className="hop-head">
        <Icon name={icon} size={13} />
        {says}
      </span>
      {children}
    </div>
  );
}

function Arrow({ says }: { says: string }) {
  return (
    <div className="reach-arrow">
      <span>{says}</span>
    </div>
  );
}
