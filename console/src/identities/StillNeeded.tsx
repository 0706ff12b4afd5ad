// Whoever answers for it says twice a year that it is still needed as it is.
import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { post, type Schemas } from '../api/client';
import { Icon } from '../ui/icons';
import { Problem } from '../ui/Loaded';

export function StillNeeded({ of }: { of: Schemas['Identity'] }) {
  const client = useQueryClient();
  const confirm = useMutation({
    mutationFn: () =>
      post('/api/identities/{id}/review', { path: { id: of.id }, body: {}, version: of.version }),
    onSuccess: () => client.invalidateQueries(),
  });
  return (
    <>
      <Button
        variant="default"
        leftSection={<Icon name="check" size={14} />}
        loading={confirm.isPending}
        onClick={() => confirm.mutate()}
      >
        It is still needed as it is
      </Button>
      <Problem error={confirm.error} />
    </>
  );
}
