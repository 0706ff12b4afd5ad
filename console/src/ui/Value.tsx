// JSON for people: names and values, one below the other, to any depth.
import type { ReactNode } from 'react';
import { exact } from '../time';
import { capital, spoken } from '../words';
import { Facts } from './bits';

export function Show({ value }: { value: unknown }): ReactNode {
  if (value === null || value === undefined || value === '') return <span className="soft">none</span>;
  if (Array.isArray(value)) {
    if (value.length === 0) return <span className="soft">none</span>;
    const flat = value.every((one) => typeof one !== 'object');
    return flat ? (
      <span className="words">
        {value.map((one) => (
          <code key={String(one)}>{String(one)}</code>
        ))}
      </span>
    ) : (
      <ul className="plain-list">
        {value.map((one) => (
          <li key={JSON.stringify(one)}>
            <Show value={one} />
          </li>
        ))}
      </ul>
    );
  }
  if (typeof value === 'object') {
    const entries = Object.entries(value).filter(([, inner]) => inner !== null);
    if (entries.length === 0) return <span className="soft">nothing</span>;
    return (
      <Facts
        of={entries.map(([key, inner]) => [
          capital(spoken(key)),
          <Field key={key} name={key} value={inner} />,
        ])}
      />
    );
  }
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return <span className="value">{String(value)}</span>;
}

/** Times in records are whole microseconds. */
function Field({ name, value }: { name: string; value: unknown }) {
  if (typeof value === 'number' && name.endsWith('_at')) return exact(new Date(value / 1000).toISOString());
  return <Show value={value} />;
}
