// The small things that every page is made of.
import { Anchor, CopyButton, Tooltip, UnstyledButton } from '@mantine/core';
import { useInterval } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { ago, exact } from '../time';
import { shortId, statusWord, type Tone, toneOf } from '../words';
import { Icon } from './icons';

export function PageHead({
  title,
  lead,
  children,
}: {
  title: ReactNode;
  lead?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <header className="page-head">
      <div>
        <h1>{title}</h1>
        {lead && <p className="lead">{lead}</p>}
      </div>
      {children && <div className="page-actions">{children}</div>}
    </header>
  );
}

export function Panel({
  title,
  side,
  children,
  id,
}: {
  title?: ReactNode;
  side?: ReactNode;
  children: ReactNode;
  id?: string;
}) {
  return (
    <section className="panel" id={id}>
      {title && (
        <div className="panel-head">
          <h2>{title}</h2>
          {side}
        </div>
      )}
      {children}
    </section>
  );
}

/** Name and value, one below the other or side by side. What is not known is left out. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  const known = of.filter(
    ([, value]) => value !== undefined && value !== null && value !== '' && value !== false,
  );
  return (
    <dl className="facts">
      {known.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Badge({ tone, children, title }: { tone: Tone; children: ReactNode; title?: string }) {
  return (
    <span className={`badge ${tone}`} title={title}>
      {children}
    </span>
  );
}

export const Status = ({ of, title }: { of: string; title?: string }) => (
  <Badge tone={toneOf(of)} title={title}>
    {statusWord(of)}
  </Badge>
);

/** A time as it was, counted from now; the exact one in its title. */
export function When({ at, none = 'never' }: { at?: string | null; none?: string }) {
  const [now, setNow] = useState(() => new Date());
  useInterval(() => setNow(new Date()), 20_000, { autoInvoke: true });
  if (!at) return <span className="soft">{none}</span>;
  return (
    <time dateTime={at} title={exact(at)} className="when">
      {ago(at, now)}
    </time>
  );
}

/** An id, shortened, with a button that copies the whole. */
export function Id({ of, whole = false, label = 'id' }: { of: string; whole?: boolean; label?: string }) {
  return (
    <span className="id">
      <code title={of}>{whole ? of : shortId(of)}</code>
      <Copy text={of} label={label} />
    </span>
  );
}

export function Copy({ text, label }: { text: string; label: string }) {
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : `Copy ${label}`}>
          <UnstyledButton
            className="copy"
            onClick={copy}
            aria-label={copied ? `${label} copied` : `Copy ${label}`}
          >
            <Icon name={copied ? 'check' : 'copy'} size={13} />
          </UnstyledButton>
        </Tooltip>
      )}
    </CopyButton>
  );
}

interface PartyRef {
  type?: string;
  id: string;
  name: string;
}

/** A user or team, as a link to what they answer for. */
export function Party({ of }: { of: PartyRef }) {
  return of.type === 'team' ? (
    <Link to="/teams/$id" params={{ id: of.id }} className="link">
      team {of.name}
    </Link>
  ) : (
    <Link to="/people/$id" params={{ id: of.id }} className="link">
      {of.name}
    </Link>
  );
}

export function Parties({ of, none = 'nobody' }: { of: PartyRef[]; none?: string }) {
  if (of.length === 0) return <span className="soft">{none}</span>;
  return (
    <span className="list">
      {of.map((party) => (
        <Party key={party.id} of={party} />
      ))}
    </span>
  );
}

/** A sentence in which what stands between backticks is to be read letter by letter. */
export function Said({ text }: { text: string }) {
  const parts = text.split('`').map((part, index) => ({ part, key: index, code: index % 2 === 1 }));
  return parts.map(({ part, key, code }) => (code ? <code key={key}>{part}</code> : part));
}

/** Names in a row: actions, environments. */
export function Words({ of, none = 'none' }: { of: readonly string[]; none?: string }) {
  if (of.length === 0) return <span className="soft">{none}</span>;
  return (
    <span className="words">
      {of.map((word) => (
        <code key={word}>{word}</code>
      ))}
    </span>
  );
}

/** A choice that stands in the address, so that it can be sent to somebody. */
export function LinkTabs({
  of,
  label,
}: {
  of: { label: ReactNode; to: string; search?: object; on: boolean }[];
  label: string;
}) {
  return (
    <nav className="tabs" aria-label={label}>
      {of.map((tab) => (
        <Link
          key={String(tab.to) + JSON.stringify(tab.search ?? {})}
          to={tab.to}
          search={tab.search as never}
          className={tab.on ? 'on' : ''}
          aria-current={tab.on ? 'page' : undefined}
        >
          {tab.label}
        </Link>
      ))}
    </nav>
  );
}

export const LineageLink = ({ of, children }: { of: string; children: ReactNode }) => (
  <Link to="/lineage" search={{ ref: of }} className="link">
    {children}
  </Link>
);

export const External = ({ href, children }: { href: string; children: ReactNode }) => (
  <Anchor href={href}>{children}</Anchor>
);
