import { Tooltip } from '@mantine/core';
import type { Verdict } from '../log/verify';
import { capital } from '../words';
import { Icon } from './icons';

const WORDS = { good: 'Verified here', bad: 'Not what was logged', unknown: 'Not checked' } as const;

/** Green or red, by what this browser found; words beside the colour. */
export function Mark({ verdict, word = true }: { verdict?: Verdict; word?: boolean }) {
  if (!verdict) return <span className="mark waiting-mark">{word ? 'Checking…' : ''}</span>;
  const icon = verdict.mark === 'good' ? 'check' : verdict.mark === 'bad' ? 'cross' : 'gap';
  return (
    <Tooltip label={capital(verdict.says)} multiline maw={320}>
      <span className={`mark ${verdict.mark}`}>
        <Icon name={icon} size={13} />
        <span className={word ? undefined : 'hidden'}>{WORDS[verdict.mark]}</span>
      </span>
    </Tooltip>
  );
}
