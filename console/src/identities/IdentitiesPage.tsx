// Every identity: filters that stand in the address, columns that one chooses, several switched off at once.
import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { get, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { Badge, PageHead, Panel, Party, Status, When, Words } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { type Column, Paging, Table, useColumns } from '../ui/Table';
import { KIND_WORDS, spoken, toneOf } from '../words';
import { Disable } from './Disable';
import { useFindingsOf } from './findings';

export interface IdentitiesSearch {
  project?: string;
  status?: Schemas['Status'];
  kind?: Schemas['Kind'];
  sponsor?: string;
  incomplete?: string;
  review_due?: string;
  after?: string;
}

type Identity = Schemas['Identity'];

const STATUSES = ['active', 'disabled', 'orphaned', 'expired', 'deleted'];

export function IdentitiesPage({ search }: { search: IdentitiesSearch }) {
  const { incomplete, review_due, ...filters } = search;
  const query = {
    ...filters,
    incomplete: incomplete === 'true' ? true : undefined,
    review_due: review_due === 'true' ? true : undefined,
    limit: 50,
  };
  const page = useQuery(listOptions(['identities', query], () => get('/api/identities', { query })));
  const findings = useFindingsOf({ project: search.project, kind: search.kind, sponsor: search.sponsor });
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const { shown, chooser } = useColumns('identities', columns(findings));
  const rows = page.data?.items ?? [];
  const chosen = rows.filter((row) => picked.has(row.id));
  const filtered = Object.values(filters).some(Boolean) || incomplete || review_due;
  return (
    <>
      <PageHead title="Identities" lead="Every automated program, and who answers for it.">
        <Disable of={chosen} done={() => setPicked(new Set())} />
        {chooser}
      </PageHead>
      <Panel>
        <Filters search={search} />
        <Loaded of={page} rows={8}>
          {(page) =>
            page.items.length === 0 ? (
              <None filtered={Boolean(filtered)} />
            ) : (
              <>
                <Table
                  label="Identities"
                  columns={shown}
                  rows={page.items}
                  rowKey={(row) => row.id}
                  picks={{ picked, change: setPicked }}
                  dim={(row) => row.status === 'deleted'}
                />
                <Paging after={search.after} next={page.next} shown={page.items.length} />
              </>
            )
          }
        </Loaded>
      </Panel>
    </>
  );
}

function columns(findings: ReturnType<typeof useFindingsOf>): Column<Identity>[] {
  return [
    {
      key: 'name',
      head: 'Name',
      cell: (row) => (
        <>
          <Link to="/identities/$id" params={{ id: row.id }} className="row-link">
            {row.name}
          </Link>
          <span className="below">{row.purpose}</span>
        </>
      ),
    },
    { key: 'kind', head: 'Kind', cell: (row) => KIND_WORDS[row.kind] },
    {
      key: 'status',
      head: 'Status',
      cell: (row) => <Status of={row.status} title={row.status_reason ?? undefined} />,
    },
    { key: 'sponsor', head: 'Answers for it', cell: (row) => <Party of={row.sponsor} /> },
    { key: 'owner', head: 'Runs it', cell: (row) => <Party of={row.owner} />, extra: true },
    { key: 'project', head: 'Project', cell: (row) => row.project.name },
    { key: 'where', head: 'Where', cell: (row) => <Words of={row.environments} /> },
    { key: 'may', head: 'May do', cell: (row) => <Words of={row.allowed_actions} />, extra: true },
    {
      key: 'approval',
      head: 'Countersigned',
      cell: (row) => (row.requires_approval ? `by ${row.approval_rule.required}` : 'no'),
      extra: true,
    },
    { key: 'risk', head: 'Risk', cell: (row) => <Badge tone={toneOf(row.risk_tier)}>{row.risk_tier}</Badge> },
    { key: 'findings', head: 'Findings', cell: (row) => <Weak of={findings.get(row.id)} /> },
    { key: 'seen', head: 'Last seen', cell: (row) => <When at={row.last_seen_at} /> },
    { key: 'made', head: 'Made', cell: (row) => <When at={row.created_at} />, extra: true },
    { key: 'due', head: 'To be confirmed', cell: (row) => <When at={row.review_due_at} />, extra: true },
    { key: 'ends', head: 'Expires', cell: (row) => <When at={row.expires_at} />, extra: true },
  ];
}

function Weak({ of }: { of?: Schemas['Finding'][] }) {
  if (!of) return <span className="soft">none</span>;
  return (
    <span title={of.map((finding) => finding.says).join('\n')}>
      <Badge tone={toneOf(of[0]?.severity ?? '')}>{of.length}</Badge>
    </span>
  );
}

function Filters({ search }: { search: IdentitiesSearch }) {
  const navigate = useNavigate();
  const projects = useQuery(
    listOptions(['projects', 'all'], () => get('/api/projects', { query: { limit: 500 } })),
  );
  const change = (next: Partial<IdentitiesSearch>) =>
    navigate({ to: '/identities', search: { ...search, after: undefined, ...next } });
  return (
    <form
      className="filters"
      onSubmit={(event) => {
        event.preventDefault();
        change({
          sponsor: String(new FormData(event.currentTarget).get('sponsor') ?? '').trim() || undefined,
        });
      }}
    >
      <NativeSelect
        label="Kind"
        value={search.kind ?? ''}
        onChange={(event) =>
          change({ kind: (event.currentTarget.value || undefined) as IdentitiesSearch['kind'] })
        }
        data={[
          { value: '', label: 'any' },
          ...Object.entries(KIND_WORDS).map(([value, label]) => ({ value, label })),
        ]}
      />
      <NativeSelect
        label="Status"
        value={search.status ?? ''}
        onChange={(event) =>
          change({ status: (event.currentTarget.value || undefined) as IdentitiesSearch['status'] })
        }
        data={[{ value: '', label: 'any' }, ...STATUSES.map((value) => ({ value, label: spoken(value) }))]}
      />
      <NativeSelect
        label="Project"
        value={search.project ?? ''}
        onChange={(event) => change({ project: event.currentTarget.value || undefined })}
        data={[{ value: '', label: 'any' }, ...(projects.data?.items ?? []).map((project) => project.name)]}
      />
      <TextInput
        key={search.sponsor}
        name="sponsor"
        size="xs"
        label="Answers for it"
        placeholder="e-mail or team:NAME"
        defaultValue={search.sponsor}
        spellCheck={false}
      />
      <Checkbox
        size="xs"
        label="Left at defaults"
        checked={search.incomplete === 'true'}
        onChange={(event) => change({ incomplete: event.currentTarget.checked ? 'true' : undefined })}
      />
      <Checkbox
        size="xs"
        label="To be confirmed"
        checked={search.review_due === 'true'}
        onChange={(event) => change({ review_due: event.currentTarget.checked ? 'true' : undefined })}
      />
      <Button variant="default" type="submit">
        Filter
      </Button>
    </form>
  );
}

function None({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty icon="identity" title="None of them is like that">
      <Link to="/identities" className="link">
        Show all
      </Link>
    </Empty>
  ) : (
    <Empty icon="identity" title="No program has an identity yet">
      <p>Write one down as a manifest and apply it, or make one by hand:</p>
      <code>countersign identity create NAME --purpose "What it is for"</code>
      <p>Begin with the question that you will ask one day: which run did this, and who answers?</p>
    </Empty>
  );
}
