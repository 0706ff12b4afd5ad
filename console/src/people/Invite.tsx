// Letting somebody in: whom, into what, and the invitations that are still open.
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { get, post, remove, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { Copy, Panel, When } from '../ui/bits';
import { useDialog } from '../ui/Dialogs';
import { Loaded, Problem } from '../ui/Loaded';
import { type Column, Table } from '../ui/Table';
import { spoken } from '../words';

type Invitation = Schemas['Invitation'];

export function Invite() {
  const open = useDialog();
  return (
    <Button onClick={() => open({ title: 'Invite somebody', body: (close) => <InviteForm close={close} /> })}>
      Invite…
    </Button>
  );
}

function InviteForm({ close }: { close: () => void }) {
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Schemas['TenantRole']>('member');
  const [project, setProject] = useState('');
  const [projectRole, setProjectRole] = useState<Schemas['ProjectRole']>('viewer');
  const projects = useQuery({
    queryKey: ['projects', 'to-invite-into'],
    queryFn: () => get('/api/projects', { query: { limit: 500 } }),
  });
  const invite = useMutation({
    mutationFn: () =>
      post('/api/invitations', {
        body: {
          email: email.trim().toLowerCase(),
          role,
          ...(project && { project, project_role: projectRole }),
        },
      }),
  });
  if (invite.data) return <Made of={invite.data} close={close} />;
  // A personal project is one person's.
  const names = (projects.data?.items ?? []).map((one) => one.name).filter((name) => !name.startsWith('~'));
  return (
    <form
      className="dialog"
      onSubmit={(event) => {
        event.preventDefault();
        invite.mutate();
      }}
    >
      <TextInput
        label="E-mail address"
        type="email"
        required
        maxLength={128}
        value={email}
        spellCheck={false}
        onChange={(event) => setEmail(event.currentTarget.value)}
        data-autofocus
      />
      <NativeSelect
        label="Project"
        description="Only owners of the tenant invite without one."
        value={project}
        data={[{ value: '', label: 'No project yet' }, ...names]}
        onChange={(event) => setProject(event.currentTarget.value)}
      />
      {project ? (
        <NativeSelect
          label="Role in the project"
          value={projectRole}
          data={['viewer', 'editor', 'owner']}
          onChange={(event) => setProjectRole(event.currentTarget.value as Schemas['ProjectRole'])}
        />
      ) : (
        <NativeSelect
          label="Role"
          value={role}
          data={['member', 'auditor']}
          onChange={(event) => setRole(event.currentTarget.value as Schemas['TenantRole'])}
        />
      )}
      <Problem error={invite.error} />
      <div className="dialog-buttons">
        <Button variant="default" onClick={close}>
          Not yet
        </Button>
        <Button type="submit" loading={invite.isPending} disabled={!email.includes('@')}>
          Invite
        </Button>
      </div>
    </form>
  );
}

function Made({ of, close }: { of: Invitation; close: () => void }) {
  return (
    <div className="dialog">
      {of.url ? (
        <>
          <p>
            <strong>Hand this to {of.email} alone:</strong> whoever opens it comes in. It is good once, ends{' '}
            <When at={of.expires_at} />, and is shown only now.
          </p>
          <p className="invitation-link">
            <code>{of.url}</code> <Copy text={of.url} label="the link" />
          </p>
        </>
      ) : (
        <p>
          <strong>The link goes to {of.email} by e-mail,</strong> and is good once. It ends{' '}
          <When at={of.expires_at} />.
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

const COLUMNS: Column<Invitation>[] = [
  { key: 'email', head: 'Person', cell: (row) => row.email },
  {
    key: 'into',
    head: 'Into',
    cell: (row) =>
      row.project ? `${row.project.name}, as ${row.project_role}` : `the tenant, as ${spoken(row.role)}`,
  },
  { key: 'by', head: 'Invited by', cell: (row) => row.invited_by.name },
  { key: 'until', head: 'Good until', cell: (row) => <When at={row.expires_at} /> },
  { key: 'back', head: 'Take back', cell: (row) => <TakeBack of={row} /> },
];

function TakeBack({ of }: { of: Invitation }) {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => remove('/api/invitations/{id}', { id: of.id }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['invitations'] }),
  });
  return (
    <>
      <Button
        variant="default"
        size="compact-sm"
        loading={revoke.isPending}
        aria-label={`Take back the invitation of ${of.email}`}
        onClick={() => revoke.mutate()}
      >
        Take back
      </Button>
      <Problem error={revoke.error} />
    </>
  );
}

/** The invitations that nobody has used yet; nothing where there are none. */
export function Invitations() {
  const open = useQuery(listOptions(['invitations'], () => get('/api/invitations')));
  if (!open.data?.items.length) return null;
  return (
    <Panel title="Invited, and not here yet">
      <Loaded of={open}>
        {(open) => <Table label="Invitations" columns={COLUMNS} rows={open.items} rowKey={(row) => row.id} />}
      </Loaded>
    </Panel>
  );
}
