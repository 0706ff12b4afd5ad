// Everything that a person or team answers for.
import { Link } from '@tanstack/react-router';
import type { Schemas } from '../api/client';
import { Status, When, Words } from '../ui/bits';
import { Empty } from '../ui/Loaded';
import { type Column, Table } from '../ui/Table';
import { KIND_WORDS } from '../words';

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
  const projects = Map.groupBy(of, (one) => one.project.name);
  return [...projects].map(([project, rows]) => (
    <div key={project}>
      <h2 className="group-head">
        {project} <span className="soft">{rows.length}</span>
      </h2>
      <Table
        label={`What ${who} answers for in ${project}`}
        columns={COLUMNS}
        rows={rows}
        rowKey={(row) => row.identity.id}
      />
    </div>
  ));
}
