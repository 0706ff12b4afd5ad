// Accounts of other systems, as exports brought them in: who answers for each, and what is weak about it.
import { Checkbox, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { get, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { Badge, PageHead, Panel, Party, When } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { type Column, Paging, Table } from '../ui/Table';
import { toneOf, weaknessWord } from '../words';

export interface AccountsSearch {
  system?: string;
  unanswered?: string;
  after?: string;
}

type Account = Schemas['ObservedAccount'];

const COLUMNS: Column<Account>[] = [
  {
    key: 'account',
    head: 'Account',
    cell: (row) => (
      <>
        <Link to="/accounts/$id" params={{ id: row.id }} className="row-link">
          {row.label}
        </Link>
        <span className="below">
          {row.system} {row.place}
        </span>
      </>
    ),
  },
  { key: 'what', head: 'What it is', cell: (row) => row.form || usedBy(row) },
  { key: 'who', head: 'Answers for it', cell: (row) => <Answers of={row} /> },
  { key: 'used', head: 'Last used', cell: (row) => <When at={row.last_used_at} none="not known" /> },
  {
    key: 'findings',
    head: 'Findings',
    cell: ({ findings = [] }) =>
      findings.length === 0 ? (
        <span className="soft">none</span>
      ) : (
        <span className="list">
          {findings.map((finding) => (
            <Badge key={finding.weakness} tone={toneOf(finding.severity)}>
              {weaknessWord(finding.weakness)}
            </Badge>
          ))}
        </span>
      ),
  },
];

/** Who has it there, as the export says. */
export const usedBy = ({ account_type: type }: Account) =>
  ({ person: 'a person', program: 'a program', shared: 'several people', unknown: 'not said' })[type];

/** Who answers, or who was asked to. */
export function Answers({ of }: { of: Account }) {
  if (of.sponsor) return <Party of={of.sponsor} />;
  if (!of.proposed) return <span className="soft">nobody</span>;
  return (
    <>
      <Party of={of.proposed} /> <span className="soft">was asked</span>
    </>
  );
}

export function AccountsPage({ search }: { search: AccountsSearch }) {
  const navigate = useNavigate();
  const change = (next: Partial<AccountsSearch>) =>
    navigate({ to: '/accounts', search: { ...search, after: undefined, ...next } });
  const accounts = useQuery(
    listOptions(['observed', search], () =>
      get('/api/observed-accounts', {
        query: {
          system: search.system,
          unanswered: search.unanswered ? true : undefined,
          after: search.after,
          limit: 100,
        },
      }),
    ),
  );
  return (
    <>
      <PageHead
        title="Other systems"
        lead="Accounts that exports of other systems brought in. They get no token here: somebody answers for them, until an identity takes their place."
      />
      <div className="filters">
        <TextInput
          label="System"
          defaultValue={search.system ?? ''}
          placeholder="github"
          onBlur={(event) => change({ system: event.currentTarget.value.trim() || undefined })}
          onKeyDown={(event) => event.key === 'Enter' && event.currentTarget.blur()}
        />
        <Checkbox
          label="Nobody answers"
          checked={Boolean(search.unanswered)}
          onChange={(event) => change({ unanswered: event.currentTarget.checked ? 'true' : undefined })}
        />
      </div>
      <Panel>
        <Loaded of={accounts}>
          {(page) =>
            page.items.length === 0 ? (
              <Empty icon="link" title="No accounts like that">
                <p>What GitHub, a cluster or any list as CSV knows comes in from a command line:</p>
                <code>countersign import github FILE --dry-run</code>
              </Empty>
            ) : (
              <>
                <Table
                  label="Accounts of other systems"
                  columns={COLUMNS}
                  rows={page.items}
                  rowKey={(row) => row.id}
                  dim={(row) => Boolean(row.disabled_there || row.replaced_by)}
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
