// What an identity is, in one sentence.
import type { Schemas } from '../api/client';
import { duration, KIND_WORDS } from '../words';

type Identity = Schemas['Identity'];

export function sentenceOf(identity: Identity): string {
  const actions = [...identity.allowed_actions].filter((action) => !identity.denied_actions.includes(action));
  const may = actions.length === 0 ? 'It may do nothing by itself' : `It may ${some(actions)}`;
  const where = identity.environments.length > 0 ? ` in ${identity.environments.join(' and ')}` : '';
  const approval =
    identity.requires_approval && actions.length > 0
      ? ', after a person countersigns what is more than reading'
      : '';
  const kind = KIND_WORDS[identity.kind] ?? identity.kind;
  const article = /^[aeiou]/i.test(kind) ? 'an' : 'a';
  const answers =
    identity.status === 'orphaned'
      ? `${nameOf(identity.sponsor)} answered for it and has left`
      : `${nameOf(identity.sponsor)} answers for it`;
  return `${identity.name} is ${article} ${kind} of project ${identity.project.name}; ${answers}. ${may}${where}${approval}, with tokens of ${duration(identity.token_ttl_seconds)}.`;
}

const MOST = 4;

function some(actions: string[]): string {
  const rest = actions.length - MOST;
  return rest > 0 ? `${actions.slice(0, MOST).join(', ')} and ${rest} more` : actions.join(', ');
}

const nameOf = (party: { type?: string; name: string }) =>
  party.type === 'team' ? `team ${party.name}` : party.name;
