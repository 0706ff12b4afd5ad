// What stands in the place of data: a skeleton, what went wrong and what to do, or that there is none.
import { Button, Skeleton } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ApiError } from '../api/client';
import { capital } from '../words';
import { Icon, type IconName } from './icons';

export function Loaded<T>({
  of,
  rows = 5,
  children,
}: {
  of: UseQueryResult<T>;
  rows?: number;
  children: (data: T) => ReactNode;
}) {
  if (of.data !== undefined) return children(of.data);
  if (of.error) return <Failed error={of.error} again={() => of.refetch()} />;
  return <Waiting rows={rows} />;
}

export function Waiting({ rows }: { rows: number }) {
  return (
    <div className="waiting" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike
        <Skeleton key={row} height={18} width={`${92 - ((row * 17) % 40)}%`} />
      ))}
    </div>
  );
}

/** An empty state that says what would be here and how it comes here. */
export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} size={28} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Failed({ error, again }: { error: Error; again?: () => void }) {
  const { title, help } = told(error);
  return (
    <div className="empty failed" role="alert">
      <Icon name="finding" size={28} />
      <h2>{title}</h2>
      <p>{capital(error.message)}.</p>
      {help && <p className="soft">{help}</p>}
      {again && (
        <Button variant="default" onClick={again}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** A failure beside what was tried. */
export function Problem({ error }: { error: Error | null }) {
  if (!error) return null;
  const more = error instanceof ApiError ? error.errors : [];
  const { help } = told(error);
  return (
    <div className="problem" role="alert">
      <p>{capital(error.message)}.</p>
      {more.length > 0 && (
        <ul>
          {more.map((one) => (
            <li key={one.at + one.detail}>
              <code>{one.at}</code> {one.detail}
            </li>
          ))}
        </ul>
      )}
      {help && <p className="soft">{help}</p>}
    </div>
  );
}

function told(error: Error): { title: string; help?: string } {
  if (!(error instanceof ApiError))
    return {
      title: 'The console made a mistake',
      help: 'Reload the page. If it stays, tell whoever runs Countersign.',
    };
  const help = HELP[error.reasonCode];
  if (help) return { title: 'This needs somebody else', help };
  switch (error.status) {
    case 0:
      return {
        title: 'The server does not answer',
        help: 'Nothing is lost. It is asked again when you try again.',
      };
    case 403:
      return {
        title: 'This is not yours to see or do',
        help: 'An owner of the tenant or of the project can do it, or make you one. The refusal is on record.',
      };
    case 404:
      return {
        title: 'There is nothing here',
        help: 'It may be mistyped, deleted, or in a project that you do not belong to.',
      };
    case 409:
    case 412:
      return {
        title: 'It changed meanwhile',
        help: 'Somebody else was faster. Reload, and read it again before you decide.',
      };
    case 429:
      return { title: 'Too many requests', help: 'Wait a moment, then try again.' };
    default:
      return {
        title: error.status >= 500 ? 'The server failed' : 'That did not work',
        help:
          error.status >= 500 && error.instance ? `Its log names this failure ${error.instance}.` : undefined,
      };
  }
}

/** What to do about refusals that have one answer. */
const HELP: Record<string, string> = {
  self_approval: "Send a colleague who may decide the address of the request's page.",
};
