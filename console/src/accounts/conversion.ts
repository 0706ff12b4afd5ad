// From an account of another system to an identity of its own.
import type { Schemas } from '../api/client';

export interface Conversion {
  name: string;
  kind: Schemas['Kind'];
  replaces: string;
}

const COMMAND = /^countersign identity create (\S+) --kind ([a-z_]+) --replaces (\S+)$/;

/** What a finding proposes to make, when that is its fix. */
export function conversion(fix?: string | null): Conversion | undefined {
  const [, name, kind, replaces] = COMMAND.exec(fix ?? '') ?? [];
  if (!name || !kind || !replaces) return undefined;
  return { name: name === 'NAME' ? '' : name, kind: kind as Conversion['kind'], replaces };
}
