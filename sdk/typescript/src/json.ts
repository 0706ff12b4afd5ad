/**
 * Parses JSON that came from outside: UTF-8 without errors, no member twice, bounded in depth and members. `JSON.parse`
 * keeps the last of two equal members, and another reader of the same bytes may keep the first.
 */
export function parseStrict(bytes: Uint8Array): unknown {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const value: unknown = JSON.parse(text);
  checkMembers(text);
  return value;
}

/** The value as an object, or `undefined`. */
export function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

/** Walks a text that `JSON.parse` has accepted: only strings and brackets are left to look at. */
function checkMembers(text: string): void {
  const open: (Set<string> | null)[] = [];
  let members = 0;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === "{" || letter === "[") {
      open.push(letter === "{" ? new Set() : null);
      if (open.length > MAX_DEPTH) throw new SyntaxError("nested too deeply");
    } else if (letter === "}" || letter === "]") {
      open.pop();
    } else if (letter === '"') {
      const end = endOfString(text, at);
      const object = open.at(-1);
      if (object && /^\s*:/.test(text.slice(end + 1, end + 1 + MAX_SPACE))) {
        const name = JSON.parse(text.slice(at, end + 1)) as string;
        if (object.has(name)) throw new SyntaxError("a member is given twice");
        object.add(name);
        members += 1;
        if (members > MAX_MEMBERS) throw new SyntaxError("too many members");
      } else if (object && /^\s{64}/.test(text.slice(end + 1))) {
        throw new SyntaxError("too much space");
      }
      at = end;
    }
  }
}

/** The index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

const MAX_DEPTH = 16;
const MAX_MEMBERS = 256;
const MAX_SPACE = 64;
