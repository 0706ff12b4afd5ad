// What stands behind one hop: its record, or the thing itself with what one can do about it.
import { Drawer } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { get } from '../api/client';
import { CredentialFacts } from '../identities/Credentials';
import { Disable } from '../identities/Disable';
import { Investigate } from '../incident/Investigate';
import { Facts, Id, LineageLink, Party, Status, When, Words } from '../ui/bits';
import { Icon } from '../ui/icons';
import { Loaded } from '../ui/Loaded';
import { Stop } from '../ui/Stop';
import { KIND_WORDS, nodeWord } from '../words';
import { Evidence } from './Evidence';
import { isTeam, keyOf, type Node } from './graph';

export function NodeDrawer({ node, close }: { node?: Node; close: () => void }) {
  const { word, icon } = nodeWord(node?.type ?? '');
  return (
    <Drawer
      opened={node !== undefined}
      onClose={close}
      size="min(560px, 100%)"
      withOverlay={false}
      lockScroll={false}
      trapFocus
      closeButtonProps={{ 'aria-label': 'Close' }}
      title={
        <span className="drawer-title">
          <Icon name={icon} size={18} /> {word}
        </span>
      }
    >
      {node && <Behind node={node} />}
    </Drawer>
  );
}

function Behind({ node }: { node: Node }): ReactNode {
  if (node.gap && !node.evidence_id) return <Missing of={node} />;
  switch (node.type) {
    case 'credential':
      return <Credential id={keyOf(node)} said={node.label} />;
    case 'identity':
      return <Identity id={keyOf(node)} />;
    case 'sponsor':
    case 'team':
    case 'user':
      return <Answering node={node} />;
    case 'run':
      return <Run node={node} />;
    case 'commit':
      return (
        <>
          <p className="lead">
            <Id of={node.label} whole label="commit" />
          </p>
          <LineageLink of={`commit:${keyOf(node)}`}>Everything else that this commit did</LineageLink>
        </>
      );
    default:
      return node.evidence_id ? (
        <WithRecord node={node} id={node.evidence_id} />
      ) : (
        <p className="lead">{node.label}</p>
      );
  }
}

function WithRecord({ node, id }: { node: Node; id: string }) {
  return (
    <>
      {node.type === 'token' && (
        <div className="drawer-actions">
          <Stop grain="token" target={id} name={node.label} />
          <LineageLink of={`token:${id}`}>What this token did</LineageLink>
          <Investigate of={`token:${id}`} />
        </div>
      )}
      <Evidence id={id} />
    </>
  );
}

function Missing({ of }: { of: Node }) {
  return (
    <>
      <p className="lead">{of.label}</p>
      <p>
        A link that should be here is not on record. It was never reported, it came from where Countersign
        does not see, or it is of a kind that this program cannot prove.
      </p>
      <p>
        <Link to="/findings" className="link">
          The findings
        </Link>{' '}
        say which programs leave such gaps, and what closes them.
      </p>
    </>
  );
}

function Credential({ id, said }: { id: string; said: string }) {
  const credential = useQuery({
    queryKey: ['credential', id],
    queryFn: () => get('/api/credentials/{id}', { path: { id } }),
  });
  return (
    <>
      <p className="lead">{said}</p>
      <Loaded of={credential}>{(credential) => <CredentialFacts of={credential} />}</Loaded>
    </>
  );
}

function Identity({ id }: { id: string }) {
  const identity = useQuery({
    queryKey: ['identity', id],
    queryFn: () => get('/api/identities/{id}', { path: { id } }),
  });
  return (
    <Loaded of={identity}>
      {(identity) => (
        <>
          <p className="lead">
            {identity.subject} <Status of={identity.status} />
          </p>
          <p>{identity.purpose}</p>
          <div className="drawer-actions">
            <Disable of={[identity]} />
            <Link to="/identities/$id" params={{ id: identity.id }} className="link">
              All about it
            </Link>
          </div>
          <Facts
            of={[
              ['Kind', KIND_WORDS[identity.kind]],
              ['Answers for it now', <Party of={identity.sponsor} />],
              ['Runs it', <Party of={identity.owner} />],
              ['Project', identity.project.name],
              ['May do', <Words of={identity.allowed_actions} />],
              ['Must never', <Words of={identity.denied_actions} />],
              ['Where', <Words of={identity.environments} />],
              ['Last seen', <When at={identity.last_seen_at} />],
            ]}
          />
        </>
      )}
    </Loaded>
  );
}

function Answering({ node }: { node: Node }) {
  const id = keyOf(node);
  const team = isTeam(node);
  return (
    <>
      <p className="lead">{node.label}</p>
      {node.now && node.type !== 'sponsor' && <p>Now called {node.now}.</p>}
      {node.type === 'sponsor' && (
        <p>
          {node.now ? `Answered for it then; ${node.now} answers` : 'Answers'} for the identity that acted,
          and must respond when it goes wrong.
        </p>
      )}
      {team ? (
        <Link to="/teams/$id" params={{ id }} className="link">
          The team, and all that it answers for
        </Link>
      ) : (
        <Link to="/people/$id" params={{ id }} className="link">
          All that they answer for, and what breaks if they leave
        </Link>
      )}
    </>
  );
}

function Run({ node }: { node: Node }) {
  const key = keyOf(node);
  return (
    <>
      <p className="lead">{node.label}</p>
      <div className="drawer-actions">
        <Stop grain="run" target={key} name={node.label} />
        <LineageLink of={`run:${key}`}>Everything that this run did</LineageLink>
        <Investigate of={`run:${key}`} />
      </div>
      <Facts of={[['Key', <Id of={key} whole label="run key" />]]} />
    </>
  );
}
