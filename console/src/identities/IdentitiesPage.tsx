// Every identity: filters that stand in the address, columns that one chooses, several switched off at once.
import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { get, type Schemas } from '../api/client';
import { filledOptions, listOptions } from '../api/queries';
import { Badge, PageHead, Panel, Party, Status, When, Words } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { type Column, Paging, Table, useColumns } from '../ui/Table';
import { KIND_WORDS, spoken, toneOf } from '../words';
import { Disable } from './Disable';

export interface IdentitiesSearch {
  project?: string;
  status?: Schemas['Status'];
  kind?: Schemas['Kind'];
  environment?: string;
  name?: string;
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
    findings: true,
    limit: 50,
  };
  const page = useQuery(
    filledOptions(
      ['identities', query],
      (after) => get('/api/identities', { query: { ...query, after } }),
      search.after,
    ),
  );
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const { shown, chooser } = useColumns('identities', COLUMNS);
  const rows = page.data?.items ?? [];
  const chosen = rows.filter((row) => picked.has(row.id));
  const filtered = Object.values(filters).some(Boolean) || incomplete || review_due;
  return (
    <>
      <PageHead title="Identities" lead="Every automated program, and who answers for it.">
        <Disable of={chosen} done={() => setPicked(new Set())} />
        {chooser}
        <Link to="/new-identity" className="button">
          New identity
        </Link>
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

const COLUMNS: Column<Identity>[] = [
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
  {
    key: 'kind',
    head: 'Kind',
    cell: (row) => (
      <>
        <Like filter={{ kind: row.kind }}>{KIND_WORDS[row.kind]}</Like>
        <span className="below">
          of <Like filter={{ project: row.project.name }}>{row.project.name}</Like>
        </span>
      </>
    ),
  },
  {
    key: 'status',
    head: 'Status',
    cell: (row) => (
      <Like filter={{ status: row.status }}>
        <Status of={row.status} title={row.status_reason ?? undefined} />
      </Like>
    ),
  },
  {
    key: 'sponsor',
    head: 'Answers for it',
    cell: (row) => (
      <>
        <Party of={row.sponsor} />
        {row.owner.id !== row.sponsor.id && (
          <span className="below">
            run by <Party of={row.owner} />
          </span>
        )}
      </>
    ),
  },
  { key: 'owner', head: 'Runs it', cell: (row) => <Party of={row.owner} />, extra: true },
  {
    key: 'where',
    head: 'Where',
    cell: (row) =>
      row.environments.length === 0 ? (
        <span className="soft">none</span>
      ) : (
        <span className="words">
          {row.environments.map((environment) => (
            <Like key={environment} filter={{ environment }}>
              <code>{environment}</code>
            </Like>
          ))}
        </span>
      ),
  },
  {
    key: 'age',
    head: 'Oldest credential',
    cell: (row) => <When at={row.oldest_credential_at} none="none" />,
  },
  { key: 'seen', head: 'Last seen', cell: (row) => <When at={row.last_seen_at} /> },
  { key: 'findings', head: 'Findings', cell: (row) => <Weak of={row.findings ?? []} /> },
  {
    key: 'risk',
    head: 'Risk',
    cell: (row) => <Badge tone={toneOf(row.risk_tier)}>{row.risk_tier}</Badge>,
    extra: true,
  },
  {
    key: 'may',
    head: 'May do',
    cell: (row) => <Words of={row.allowed_actions} />,
    extra: true,
  },
  {
    key: 'approval',
    head: 'Countersigned',
    cell: (row) => (row.requires_approval ? `by ${row.approval_rule.required}` : 'no'),
    extra: true,
  },
  { key: 'made', head: 'Made', cell: (row) => <When at={row.created_at} />, extra: true },
  { key: 'due', head: 'To be confirmed', cell: (row) => <When at={row.review_due_at} />, extra: true },
  { key: 'ends', head: 'Expires', cell: (row) => <When at={row.expires_at} />, extra: true },
];

/** What one sees of an identity, as the filter for all that are like it. */
function Like({ filter, children }: { filter: IdentitiesSearch; children: ReactNode }) {
  return (
    <Link
      to="/identities"
      search={((now: IdentitiesSearch) => ({ ...now, ...filter, after: undefined })) as never}
      className="like"
      title="Only those that are like this"
    >
      {children}
    </Link>
  );
}

function Weak({ of }: { of: Schemas['Finding'][] }) {
  if (of.length === 0) return <span className="soft">none</span>;
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
  const environments = useQuery(
    listOptions(['environments', 'all'], () => get('/api/environments', { query: { limit: 500 } })),
  );
  const change = (next: Partial<IdentitiesSearch>) =>
    navigate({ to: '/identities', search: { ...search, after: undefined, ...next } });
  return (
    <form
      className="filters"
      onSubmit={(event) => {
        event.preventDefault();
        const given = new FormData(event.currentTarget);
        const text = (name: string) => String(given.get(name) ?? '').trim() || undefined;
        change({ name: text('name'), sponsor: text('sponsor') });
      }}
    >
      <TextInput
        key={`name ${search.name}`}
        name="name"
        size="xs"
        label="Name"
        placeholder="begins with"
        defaultValue={search.name}
        spellCheck={false}
      />
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
      <NativeSelect
        label="Where"
        value={search.environment ?? ''}
        onChange={(event) => change({ environment: event.currentTarget.value || undefined })}
        data={[{ value: '', label: 'any' }, ...(environments.data?.items ?? []).map(({ name }) => name)]}
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
      <p>
        <Link to="/new-identity" className="link">
          Begin with the question
        </Link>{' '}
        that you will ask one day: which run did this, and who answers?
      </p>
    </Empty>
  );
}
