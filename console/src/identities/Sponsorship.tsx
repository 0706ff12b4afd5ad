// Somebody was asked to answer for it, and says yes or no.
import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { post, type Schemas } from '../api/client';
import { useSession } from '../api/queries';
import { Party, When } from '../ui/bits';
import { Icon } from '../ui/icons';
import { Problem } from '../ui/Loaded';

export function Sponsorship({ of, named = false }: { of: Schemas['Identity']; named?: boolean }) {
  const session = useSession();
  const client = useQueryClient();
  const answer = useMutation({
    mutationFn: (verb: 'accept' | 'decline') =>
      post(`/api/identities/{id}/${verb}-sponsorship`, { path: { id: of.id }, body: {} }),
    onSuccess: () => client.invalidateQueries(),
  });
  const asked = of.pending_sponsor;
  if (!asked) return null;
  const mine = asked.party.type === 'team' || asked.party.id === session.data?.user.id;
  return (
    <div className="notice warn">
      <Icon name="sponsor" size={18} />
      <div>
        {asked.asked_by.name} asked <Party of={asked.party} /> to answer for{' '}
        {named ? (
          <Link to="/identities/$id" params={{ id: of.id }} className="link">
            {of.name}
          </Link>
        ) : (
          'it'
        )}
        , <When at={asked.asked_at} />. Until then it stays with <Party of={of.sponsor} />.
        {mine && (
          <div className="tools">
            <Button loading={answer.isPending} onClick={() => answer.mutate('accept')}>
              Accept: I answer for it
            </Button>
            <Button variant="default" disabled={answer.isPending} onClick={() => answer.mutate('decline')}>
              Decline
            </Button>
          </div>
        )}
        <Problem error={answer.error} />
      </div>
    </div>
  );
}
