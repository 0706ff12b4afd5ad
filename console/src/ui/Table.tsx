// The one table: columns that one chooses, rows that are links, rows that one picks, pages by cursor. Narrow, each row is a card.
import { Button, Checkbox, Popover } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

export interface Column<T> {
  key: string;
  head: string;
  cell: (row: T) => ReactNode;
  /** Shown only when somebody chooses it. */
  extra?: boolean;
}

export interface Picks {
  picked: ReadonlySet<string>;
  change: (picked: Set<string>) => void;
}

export function Table<T>({
  label,
  columns,
  rows,
  rowKey,
  picks,
  dim,
}: {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  picks?: Picks;
  dim?: (row: T) => boolean;
}) {
  const keys = rows.map(rowKey);
  const all = picks !== undefined && keys.length > 0 && keys.every((key) => picks.picked.has(key));
  const turn = (key: string) => {
    const next = new Set(picks?.picked);
    if (!next.delete(key)) next.add(key);
    picks?.change(next);
  };
  return (
    <div className="table-box">
      <table className="table">
        <caption className="hidden">{label}</caption>
        <thead>
          <tr>
            {picks && (
              <th className="pick">
                <Checkbox
                  size="xs"
                  aria-label="Pick all on this page"
                  checked={all}
                  onChange={() => picks.change(all ? new Set() : new Set(keys))}
                />
              </th>
            )}
            {columns.map((column) => (
              <th key={column.key} scope="col">
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => {
            const key = keys[index] as string;
            return (
              <tr key={key} className={dim?.(row) ? 'dim' : ''}>
                {picks && (
                  <td className="pick">
                    <Checkbox
                      size="xs"
                      aria-label="Pick this row"
                      checked={picks.picked.has(key)}
                      onChange={() => turn(key)}
                    />
                  </td>
                )}
                {columns.map((column) => (
                  <td key={column.key} data-head={column.head}>
                    <div>{column.cell(row)}</div>
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** The columns of a table that somebody chose, kept in this browser. */
export function useColumns<T>(name: string, columns: Column<T>[]) {
  const [hidden, setHidden] = useLocalStorage<string[]>({
    key: `countersign.columns.${name}`,
    defaultValue: columns.filter((column) => column.extra).map((column) => column.key),
  });
  const turn = (key: string) =>
    setHidden(hidden.includes(key) ? hidden.filter((one) => one !== key) : [...hidden, key]);
  const chooser = (
    <Popover position="bottom-end" trapFocus>
      <Popover.Target>
        <Button variant="default">Columns</Button>
      </Popover.Target>
      <Popover.Dropdown className="chooser">
        {columns.slice(1).map(({ key, head }) => (
          <Checkbox
            key={key}
            size="xs"
            label={head}
            checked={!hidden.includes(key)}
            onChange={() => turn(key)}
          />
        ))}
      </Popover.Dropdown>
    </Popover>
  );
  return { shown: columns.filter((column) => !hidden.includes(column.key)), chooser };
}

/** Forward by the server's cursor; back is the browser's. */
export function Paging({ after, next, shown }: { after?: string; next?: string | null; shown: number }) {
  if (!after && !next) return null;
  return (
    <nav className="paging" aria-label="Pages">
      <span className="soft">{shown} on this page</span>
      {after && (
        <Link to="." search={((now: object) => ({ ...now, after: undefined })) as never} className="link">
          First page
        </Link>
      )}
      {next && (
        <Link to="." search={((now: object) => ({ ...now, after: next })) as never} className="link">
          Next page
        </Link>
      )}
    </nav>
  );
}
