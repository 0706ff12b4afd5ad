// Every page has an address: behind the `#`, so that the server needs to know none of them.
import {
  createHashHistory,
  createRootRoute,
  createRoute,
  createRouter,
  redirect,
} from '@tanstack/react-router';
import { ApprovalPage, ApprovalsPage, type ApprovalsSearch } from './approvals/ApprovalsPage';
import { IdentitiesPage, type IdentitiesSearch } from './identities/IdentitiesPage';
import { IdentityPage, type IdentitySearch } from './identities/IdentityPage';
import { EvidencePage } from './lineage/EvidencePage';
import { LineagePage, type LineageSearch } from './lineage/LineagePage';
import { Empty, Failed } from './ui/Loaded';
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

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/lineage' });
  },
});

const lineage = createRoute({
  getParentRoute: () => root,
  path: '/lineage',
  validateSearch: known<LineageSearch>('ref', 'view', 'node', 'names'),
  component: () => <LineagePage search={lineage.useSearch()} />,
});

const evidence = createRoute({
  getParentRoute: () => root,
  path: '/evidence/$id',
  component: () => <EvidencePage id={evidence.useParams().id} />,
});

const approvals = createRoute({
  getParentRoute: () => root,
  path: '/approvals',
  validateSearch: known<ApprovalsSearch>('show', 'after'),
  component: () => <ApprovalsPage search={approvals.useSearch()} />,
});

const approval = createRoute({
  getParentRoute: () => root,
  path: '/approvals/$id',
  component: () => <ApprovalPage id={approval.useParams().id} />,
});

const identities = createRoute({
  getParentRoute: () => root,
  path: '/identities',
  validateSearch: known<IdentitiesSearch>('project', 'status', 'kind', 'sponsor', 'incomplete', 'after'),
  component: () => <IdentitiesPage search={identities.useSearch()} />,
});

const identity = createRoute({
  getParentRoute: () => root,
  path: '/identities/$id',
  validateSearch: known<IdentitySearch>('tab', 'after'),
  component: () => <IdentityPage id={identity.useParams().id} search={identity.useSearch()} />,
});

export const router = createRouter({
  routeTree: root.addChildren([home, lineage, evidence, approvals, approval, identities, identity]),
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
