// Times as people say them, with the exact one beside it.

const STEPS: [number, Intl.RelativeTimeFormatUnit][] = [
  [60, 'second'],
  [3600, 'minute'],
  [86_400, 'hour'],
  [86_400 * 30, 'day'],
  [86_400 * 365, 'month'],
  [Number.POSITIVE_INFINITY, 'year'],
];

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** `3 minutes ago`, `in 2 days`. */
export function ago(time: string, now: Date): string {
  const seconds = (new Date(time).getTime() - now.getTime()) / 1000;
  if (Number.isNaN(seconds)) return time;
  if (Math.abs(seconds) < 10) return 'just now';
  let unit = 1;
  for (const [below, name] of STEPS) {
    if (Math.abs(seconds) < below) return relative.format(Math.trunc(seconds / unit), name);
    unit = below;
  }
  return time;
}

/** `2026-11-22 18:57:03 UTC`: one form everywhere, so that times compare by eye. */
export function exact(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
