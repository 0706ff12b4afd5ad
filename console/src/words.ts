// The words of the product for what the server names by code.
import type { Schemas } from './api/client';
import type { IconName } from './ui/icons';

/** `shared_environments` as people read it. */
export const spoken = (code: string) => code.replaceAll('_', ' ').replaceAll('-', ' ');

export const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** How a status, an outcome or an urgency looks. */
export type Tone = 'bad' | 'good' | 'plain' | 'warn';

const TONES: Record<string, Tone> = {
  active: 'good',
  approved: 'good',
  allowed: 'good',
  done: 'good',
  redeemed: 'good',
  succeeded: 'good',
  verified: 'good',
  denied: 'bad',
  failed: 'bad',
  high: 'bad',
  irreversible: 'bad',
  lost: 'bad',
  orphaned: 'bad',
  refused: 'bad',
  timed_out: 'bad',
  claimed: 'warn',
  disabled: 'warn',
  expired: 'warn',
  medium: 'warn',
  pending: 'warn',
  reversible: 'warn',
  unproven: 'warn',
  voided: 'warn',
};

export const toneOf = (code: string): Tone => TONES[code] ?? 'plain';

/** Status words that say too little by themselves. */
const STATUS: Record<string, string> = {
  pending: 'waiting',
  redeemed: 'approved and used',
  voided: 'void',
};

export const statusWord = (code: string) => STATUS[code] ?? spoken(code);

export const KIND_WORDS: Record<string, string> = {
  agent: 'agent',
  api_key: 'API key',
  bot: 'bot',
  oauth_client: 'OAuth client',
  pipeline: 'pipeline',
  service_account: 'service account',
  workload: 'workload',
};

export const CREDENTIAL_WORDS: Record<string, string> = {
  'api-key': 'API key',
  'client-secret': 'client secret',
  'public-key': 'public key',
  'self-signed-tls-client-auth': 'pinned certificate',
  'tls-client-auth': 'certificate of an authority',
  'trust-rule': 'trust rule',
};

export const NODE_WORDS: Record<string, { word: string; icon: IconName }> = {
  action: { word: 'Result', icon: 'action' },
  approval: { word: 'Approval', icon: 'approval' },
  change: { word: 'Change', icon: 'log' },
  commit: { word: 'Commit', icon: 'commit' },
  credential: { word: 'Credential', icon: 'credential' },
  decision: { word: 'Decision', icon: 'check' },
  event: { word: 'Event', icon: 'automation' },
  execution: { word: 'Execution', icon: 'execution' },
  gap: { word: 'Gap', icon: 'gap' },
  identity: { word: 'Identity', icon: 'identity' },
  key: { word: 'Key read', icon: 'key' },
  rule: { word: 'Rule', icon: 'automation' },
  run: { word: 'Run', icon: 'run' },
  schedule: { word: 'Schedule', icon: 'automation' },
  sponsor: { word: 'Must respond', icon: 'sponsor' },
  team: { word: 'Team', icon: 'people' },
  token: { word: 'Token', icon: 'token' },
  user: { word: 'Person', icon: 'user' },
};

export const nodeWord = (type: string) =>
  NODE_WORDS[type] ?? { word: capital(spoken(type)), icon: 'log' as const };

/** Every weakness: one that the server learns is missing here until it has words. */
export const WEAKNESS_WORDS: Record<Schemas['Weakness'], string> = {
  broad_roles: 'Broad roles',
  chain_ends_soon: 'Renewals end soon',
  changed_alone: 'Changed by one person alone',
  deploys_and_administers: 'Deploys and administers',
  credential_ends_soon: 'Credential ends soon',
  dormant: 'Dormant',
  ends_soon: 'Ends soon',
  left_out: 'Left at defaults',
  many_sources: 'Used from many networks',
  not_reviewed: 'Powerful and never looked at',
  old_secret: 'Old secret',
  orphaned: 'Orphaned',
  renewal_overdue: 'Renewal overdue',
  renewed_twice: 'Renewed twice',
  review_overdue: 'Review overdue',
  rotation_due: 'Rotation due',
  rule_too_wide: 'Trusts too many runs',
  secret_instead_of_run: 'Secret where a run could prove itself',
  sensitive_powers: 'Sensitive powers',
  shared_by_people: 'Shared by several people',
  shared_environments: 'Shared across environments',
  single_manager: 'One manager alone',
  unanswered: 'Nobody answers',
  unguarded_secret: 'Secret nobody countersigns',
  unused_privileges: 'Unused privileges',
  used_by_program: 'Used by a program',
};

export const weaknessWord = (code: string) =>
  WEAKNESS_WORDS[code as Schemas['Weakness']] ?? capital(spoken(code));

/** `3 identities`, `1 identity`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

/** A long id in short; the whole stands in the title. */
export function shortId(text: string): string {
  return text.length > 20 ? `${text.slice(0, 8)}…${text.slice(-4)}` : text;
}

/** A duration in the unit that people would use. */
export function duration(seconds: number): string {
  if (seconds % 86_400 === 0) return count(seconds / 86_400, 'day');
  if (seconds % 3600 === 0) return count(seconds / 3600, 'hour');
  if (seconds % 60 === 0) return count(seconds / 60, 'minute');
  return count(seconds, 'second');
}
