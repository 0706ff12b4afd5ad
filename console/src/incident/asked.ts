// About what one asks, and when.
import { look } from '../find';

export const HOUR_MS = 3_600_000;

const ABOUT = /^(chain|credential|identity|run|token|user):./s;
const GUESSED = /^(identity|run|token|user):/;

/** What somebody typed, as what an incident can be about. A token or secret stays in the browser. */
export function aboutOf(typed: string): string | undefined {
  const text = typed.trim();
  if (ABOUT.test(text)) return text;
  const looked = look(text);
  if (looked.credential && looked.refs.length === 0) return `credential:${looked.credential}`;
  return looked.refs.find((ref) => GUESSED.test(ref));
}

/** A time in UTC, whether or not it says so. */
export function timeOf(text: string): Date | undefined {
  const plain = text.replace(/\s*UTC$/, '').replace(' ', 'T');
  const time = new Date(/(Z|[+-]\d\d:\d\d)$/.test(plain) ? plain : `${plain}Z`);
  return text === '' || Number.isNaN(time.getTime()) ? undefined : time;
}
