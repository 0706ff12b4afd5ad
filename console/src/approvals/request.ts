// A request as one reads it before one decides: what it is exactly, and what is new since the last one.
import type { Schemas } from '../api/client';

export type Approval = Schemas['Approval'];

export interface Difference {
  field: string;
  before: string;
  now: string;
}

const OF: [string, (approval: Approval) => string][] = [
  ['Actions', (approval) => approval.actions?.map((action) => action.name).join(', ') ?? ''],
  ['Environment', (approval) => approval.environment ?? ''],
  ['Resource server', (approval) => approval.audience ?? ''],
  ['Resource', (approval) => approval.resource ?? ''],
  ['Commit', (approval) => approval.commit ?? ''],
  ['Artifact', (approval) => approval.artifact_digest ?? ''],
  ['Workflow', (approval) => approval.run?.workflow ?? ''],
  ['Ref', (approval) => approval.run?.ref ?? ''],
  ['Repository', (approval) => approval.run?.project_name ?? approval.run?.project ?? ''],
];

/** The newest one before it that people said yes to. */
export function lastApproved(approval: Approval, others: Approval[]): Approval | undefined {
  return others
    .filter((other) => other.id !== approval.id && other.type === approval.type)
    .filter((other) => other.status === 'approved' || other.status === 'redeemed')
    .filter((other) => other.opened_at < approval.opened_at)
    .sort((a, b) => (a.opened_at < b.opened_at ? 1 : -1))[0];
}

export function differences(approval: Approval, before: Approval): Difference[] {
  return OF.map(([field, of]) => ({ field, before: of(before), now: of(approval) })).filter(
    (one) => one.before !== one.now,
  );
}

/** How much it can hurt: the worst of its actions. What nobody classed counts as the worst. */
export function riskOf(approval: Approval): string | undefined {
  const order = ['irreversible', 'reversible', 'read'];
  const classes = approval.actions?.map((action) => action.class) ?? [];
  return order.find((one) => classes.includes(one as (typeof classes)[number]));
}

/** What a change sets, with names where the request has ids. */
export function changes(
  approval: Approval,
): { verb: string; loosens: string[]; set: [string, unknown][] } | undefined {
  const change = approval.change;
  if (!change) return undefined;
  const { verb, loosens, set, brings, ...rest } = change.does as Record<string, unknown>;
  const named = (value: unknown) =>
    JSON.parse(JSON.stringify(value), (_, one) =>
      typeof one === 'string' ? (change.names[one] ?? one) : one,
    );
  const members = { ...(set as object | undefined), ...(brings ? { brings } : {}), ...rest };
  return {
    verb: String(verb ?? 'change'),
    loosens: Array.isArray(loosens) ? loosens.map(String) : [],
    set: Object.entries(members).map(([key, value]) => [key, named(value)]),
  };
}
