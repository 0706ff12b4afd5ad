// Everything that a person or team answers for.
import { NativeSelect } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Schemas } from '../api/client';
import { Status, When, Words } from '../ui/bits';
import { Empty } from '../ui/Loaded';
import { type Column, Table } from '../ui/Table';
import { capital, KIND_WORDS } from '../words';

type AnswersFor = Schemas['AnswersFor'];

const COLUMNS: Column<AnswersFor>[] = [
  {
    key: 'identity',
    head: 'Identity',
    cell: (row) => (
      <Link to="/identities/$id" params={{ id: row.identity.id }} className="row-link">
        {row.identity.name}
      </Link>
    ),
  },
  { key: 'kind', head: 'Kind', cell: (row) => KIND_WORDS[row.kind] },
  { key: 'status', head: 'Status', cell: (row) => <Status of={row.status} /> },
  { key: 'as', head: 'As', cell: (row) => row.relations.join(', ') },
  { key: 'where', head: 'Where', cell: (row) => <Words of={row.environments} /> },
  { key: 'may', head: 'May do', cell: (row) => <Words of={row.allowed_actions} none="nothing" /> },
  { key: 'seen', head: 'Last seen', cell: (row) => <When at={row.last_seen_at} /> },
];

export function AnswersForTable({ of, who }: { of: AnswersFor[]; who: string }) {
  if (of.length === 0) {
    return (
      <Empty icon="sponsor" title={`${who} answers for nothing`}>
        <p>Who is named as sponsor, owner or manager of an identity stands here with it.</p>
      </Empty>
    );
  }
  return <Grouped of={of} who={who} />;
}

function Grouped({ of, who }: { of: AnswersFor[]; who: string }) {
  const [by, setBy] = useState<Way>('project');
  const groups = new Map<string, AnswersFor[]>();
  for (const one of of)
    for (const group of WAYS[by](one)) groups.set(group, [...(groups.get(group) ?? []), one]);
  return (
    <>
      <NativeSelect
        className="group-by"
        size="xs"
        label="Grouped by"
        value={by}
        onChange={(event) => setBy(event.currentTarget.value as Way)}
        data={Object.keys(WAYS)}
      />
      {[...groups].map(([group, rows]) => (
        <div key={group}>
          <h2 className="group-head">
            {group} <span className="soft">{rows.length}</span>
          </h2>
          <Table
            label={`What ${who} answers for: ${group}`}
            columns={COLUMNS}
            rows={rows}
            rowKey={(row) => row.identity.id}
          />
        </div>
      ))}
    </>
  );
}

/** Under what an identity stands; under several where it may do several things. */
const WAYS = {
  project: (one: AnswersFor) => [one.project.name],
  kind: (one: AnswersFor) => [capital(KIND_WORDS[one.kind] ?? one.kind)],
  environment: (one: AnswersFor) => some(one.environments, 'No environment'),
  privilege: (one: AnswersFor) => some(one.allowed_actions, 'No action'),
  'last use': (one: AnswersFor) => [lastUse(one.last_seen_at, new Date())],
};

type Way = keyof typeof WAYS;

const some = (of: readonly string[], none: string) => (of.length > 0 ? [...of] : [none]);

const SPANS: [number, string][] = [
  [7, 'In the last 7 days'],
  [30, 'In the last 30 days'],
  [90, 'In the last 90 days'],
];

export function lastUse(at: string | null | undefined, now: Date): string {
  if (!at) return 'Never used';
  const days = (now.getTime() - new Date(at).getTime()) / 86_400_000;
  return SPANS.find(([most]) => days <= most)?.[1] ?? 'Longer ago';
}
