// Every page has an address: behind the `#`, so that the server needs to know none of them.
import {
  createHashHistory,
  createRootRoute,
  createRoute,
  createRouter,
  redirect,
} from '@tanstack/react-router';
import { type FunctionComponent, lazy, Suspense } from 'react';
import type { AccountsSearch } from './accounts/AccountsPage';
import { ApprovalPage, ApprovalsPage, type ApprovalsSearch } from './approvals/ApprovalsPage';
import type { AutomationSearch } from './automation/AutomationPage';
import type { FindingsSearch } from './findings/FindingsPage';
import type { IdentitiesSearch } from './identities/IdentitiesPage';
import type { IdentitySearch } from './identities/IdentityPage';
import type { NewIdentitySearch } from './identities/NewIdentityPage';
import type { IncidentSearch } from './incident/IncidentPage';
import { EvidencePage } from './lineage/EvidencePage';
import { LineagePage, type LineageSearch } from './lineage/LineagePage';
import type { LogSearch } from './log/LogPage';
import type { ListSearch } from './people/PeoplePage';
import type { PersonSearch } from './people/PersonPage';
import { Empty, Failed, Waiting } from './ui/Loaded';
import { Shell } from './ui/Shell';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => <Empty icon="lineage" title="There is no such page" />,
});

/** Of what stands in the address, what a page knows; all of it text. */
const known =
  <T extends object>(...keys: (keyof T & string)[]) =>
  (given: Record<string, unknown>): T =>
    Object.fromEntries(
      keys.flatMap((key) => (given[key] == null || given[key] === '' ? [] : [[key, String(given[key])]])),
    ) as T;

/** A page that one does not begin with: it is fetched when one goes there. */
function later<P extends object>(load: () => Promise<FunctionComponent<P>>): FunctionComponent<P> {
  const Page = lazy(async () => ({ default: await load() }));
  return (props) => (
    <Suspense fallback={<Waiting rows={6} />}>
      <Page {...props} />
    </Suspense>
  );
}

const Identities = later(() => import('./identities/IdentitiesPage').then((module) => module.IdentitiesPage));
const NewIdentity = later(() =>
  import('./identities/NewIdentityPage').then((module) => module.NewIdentityPage),
);
const Identity = later(() => import('./identities/IdentityPage').then((module) => module.IdentityPage));
const Findings = later(() => import('./findings/FindingsPage').then((module) => module.FindingsPage));
const Accounts = later(() => import('./accounts/AccountsPage').then((module) => module.AccountsPage));
const Account = later(() => import('./accounts/AccountPage').then((module) => module.AccountPage));
const People = later(() => import('./people/PeoplePage').then((module) => module.PeoplePage));
const Person = later(() => import('./people/PersonPage').then((module) => module.PersonPage));
const Teams = later(() => import('./people/TeamsPage').then((module) => module.TeamsPage));
const Team = later(() => import('./people/TeamsPage').then((module) => module.TeamPage));
const Project = later(() => import('./people/TeamsPage').then((module) => module.ProjectPage));
const Automation = later(() => import('./automation/AutomationPage').then((module) => module.AutomationPage));
const Execution = later(() => import('./automation/ExecutionPage').then((module) => module.ExecutionPage));
const Incident = later(() => import('./incident/IncidentPage').then((module) => module.IncidentPage));
const Log = later(() => import('./log/LogPage').then((module) => module.LogPage));
const Settings = later(() => import('./pages/SettingsPage').then((module) => module.SettingsPage));

/** A page about one thing, which its address names. */
const one = <S extends object>(
  path: string,
  Page: FunctionComponent<{ id: string; search: S }>,
  ...keys: (keyof S & string)[]
) => {
  const route = createRoute({
    getParentRoute: () => root,
    path: `${path}/$id`,
    validateSearch: known<S>(...keys),
    component: () => <Page id={(route.useParams() as { id: string }).id} search={route.useSearch() as S} />,
  });
  return route;
};

/** A page about many things. */
const many = <S extends object>(
  path: string,
  Page: FunctionComponent<{ search: S }>,
  ...keys: (keyof S & string)[]
) => {
  const route = createRoute({
    getParentRoute: () => root,
    path,
    validateSearch: known<S>(...keys),
    component: () => <Page search={route.useSearch() as S} />,
  });
  return route;
};

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/lineage' as never });
  },
});

const pages = [
  home,
  many<LineageSearch>('/lineage', LineagePage, 'ref', 'view', 'node', 'names'),
  one('/evidence', EvidencePage),
  many<ApprovalsSearch>('/approvals', ApprovalsPage, 'show', 'after'),
  one('/approvals', ApprovalPage),
  many<IdentitiesSearch>(
    '/identities',
    Identities,
    'project',
    'status',
    'kind',
    'environment',
    'name',
    'sponsor',
    'incomplete',
    'review_due',
    'after',
  ),
  many<NewIdentitySearch>('/new-identity', NewIdentity, 'kind', 'name', 'replaces'),
  one<IdentitySearch>('/identities', Identity, 'tab', 'after'),
  many<FindingsSearch>('/findings', Findings, 'severity', 'weakness', 'kind', 'sponsor', 'project'),
  many<AccountsSearch>('/accounts', Accounts, 'system', 'unanswered', 'after'),
  one('/accounts', Account),
  many<ListSearch>('/people', People, 'after'),
  one<PersonSearch>('/people', Person, 'tab', 'after'),
  many('/projects', Teams),
  one('/projects', Project),
  one('/teams', Team),
  many<AutomationSearch>('/automation', Automation, 'show', 'after'),
  one('/executions', Execution),
  many<IncidentSearch>('/incident', Incident, 'ref', 'since', 'until', 'after'),
  many<LogSearch>('/log', Log, 'kind', 'outcome', 'after'),
  many('/settings', Settings),
];

export const router = createRouter({
  routeTree: root.addChildren(pages),
  history: createHashHistory(),
  defaultErrorComponent: ({ error, reset }) => <Failed error={error as Error} again={reset} />,
  // The texts of an address as they are: no quotation marks around what looks like a number.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const pairs = Object.entries(search).filter(([, value]) => value !== undefined && value !== '');
    const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
    return text && `?${text}`;
  },
  scrollRestoration: false,
});
