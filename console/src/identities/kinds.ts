// The kinds, as one chooses among them: by the question that must be answered one day. As docs/choosing-a-kind.md has them.
import type { Schemas } from '../api/client';

export interface Choice {
  kind: Schemas['Kind'];
  question: string;
  bestFor: string;
  proves: string;
  weakness: string;
}

const one = (
  kind: Schemas['Kind'],
  question: string,
  bestFor: string,
  proves: string,
  weakness: string,
): Choice => ({ kind, question, bestFor, proves, weakness });

/** Each asks for more evidence than those before it. */
export const CHOICES: Choice[] = [
  one(
    'api_key',
    'How much did this caller read?',
    'metering and reading by one known caller',
    'possession of a string',
    'anybody who copies it is the caller',
  ),
  one(
    'oauth_client',
    'Which integration asked, and for which audience?',
    'a system integration with a client id and secret',
    'which client asked, for which audience',
    'a static secret, until it is rotated',
  ),
  one(
    'service_account',
    'Which service, sensor or job of ours did it?',
    'a service, sensor or job',
    'which service asked',
    'outlives the reason it was made for',
  ),
  one(
    'workload',
    'Which attested process called, and did its platform vouch for it?',
    'a process whose platform attests it',
    'which attested workload called',
    'only as good as the attestation',
  ),
  one(
    'pipeline',
    'Which run, of which repository and commit, changed production?',
    'a build or deploy pipeline',
    'which run of which repository acted',
    'changes production faster than people can react',
  ),
  one(
    'bot',
    'Which installation acted, and what event set it off?',
    'a bot in chat, tickets or repositories',
    'which installation acted on which event',
    'friendly to look at, and often privileged',
  ),
  one(
    'agent',
    'For whom did the agent act, on which task, and with which tools?',
    'an AI agent that acts for a principal on a task',
    'which agent acted, for whom, on which task',
    'its decisions are not deterministic',
  ),
];
