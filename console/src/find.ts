// What somebody pasted into the search box, as references to look up. A token or secret never leaves the browser:
// only the id that stands in it does.

export interface Looked {
  /** References to try in this order, as `GET /api/lineage` takes them. */
  refs: string[];
  /** A credential's public id. */
  credential?: string;
  /** The name or id of an identity that may have no story yet. */
  identity?: string;
  /** What was kept back, to say so. */
  kept?: string;
}

const KINDS = /^(token|chain|action|run|approval|execution|commit|digest|resource|identity|user|team):(.+)$/s;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const SECRET = /^cs[a-z]{1,3}_([A-Za-z0-9]+)_[A-Za-z0-9]+_[A-Za-z0-9]+$/;
const JWT = /^[\w-]+\.([\w-]+)\.[\w-]*$/;
const EMAIL = /^[^\s@/]+@[^\s@/]+$/;

/** Pages of CI platforms and forges, and what of their address is a reference. */
const PAGES: [RegExp, string][] = [
  [/\/actions\/runs\/(\d+)/, 'run'],
  [/\/-\/(?:pipelines|jobs)\/(\d+)/, 'run'],
  [/\/builds\/(\d+)/, 'run'],
  [/\/commits?\/([0-9a-f]{40})\b/, 'commit'],
];

export function look(typed: string): Looked {
  const text = typed.trim().replace(/^Bearer\s+/i, '');
  if (text === '') return { refs: [] };
  if (/^https?:\/\//i.test(text)) return ofAddress(text);
  const jwt = JWT.exec(text);
  const jti = jwt?.[1] && jtiOf(jwt[1]);
  if (jti)
    return { refs: [`token:${jti}`], kept: 'the token stayed in this browser; only its id was looked up' };
  const secret = SECRET.exec(text);
  if (secret?.[1]) {
    return {
      refs: [],
      credential: secret[1],
      kept: 'the secret stayed in this browser; only its public id was looked up',
    };
  }
  const kind = KINDS.exec(text);
  const credential = /^credential:(.+)$/s.exec(text);
  if (credential?.[1]) return { refs: [], credential: credential[1] };
  if (kind && kind[1] === 'identity') return { refs: [text], identity: kind[2] };
  if (kind) return { refs: [text] };
  if (UUID.test(text)) {
    const kinds = ['action', 'approval', 'execution', 'chain', 'identity', 'user', 'team'];
    return { refs: kinds.map((name) => `${name}:${text.toLowerCase()}`), identity: text, credential: text };
  }
  if (/^sha256:[0-9a-f]{64}$/i.test(text)) return { refs: [`digest:${text.toLowerCase()}`] };
  if (/^[0-9a-f]{64}$/i.test(text))
    return { refs: [`digest:sha256:${text.toLowerCase()}`, `commit:${text.toLowerCase()}`] };
  if (/^[0-9a-f]{40}$/i.test(text)) return { refs: [`commit:${text.toLowerCase()}`] };
  if (/^\d+$/.test(text)) return { refs: [`run:${text}`] };
  if (EMAIL.test(text)) return { refs: [`user:${text}`] };
  return ofName(text);
}

function ofAddress(text: string): Looked {
  const own = /#\/lineage\?(.*)$/.exec(text);
  const ref = own?.[1] && new URLSearchParams(own[1]).get('ref')?.replace(/^"|"$/g, '');
  if (ref) return { refs: [ref] };
  for (const [pattern, kind] of PAGES) {
    const found = pattern.exec(text);
    if (found) return { refs: [`${kind}:${found[1]}`] };
  }
  return { refs: [`run:${text}`, `resource:${text}`] };
}

/** A subject ends with the name: `pipeline://payments/release`. */
function ofName(text: string): Looked {
  const name = text.includes('://') ? (text.split('/').at(-1) ?? text) : text;
  return {
    refs: [`identity:${name}`, `team:${name}`, `user:${text}`, `resource:${text}`, `run:${text}`],
    identity: name,
    credential: name,
  };
}

function jtiOf(payload: string): string | undefined {
  try {
    const claims = JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/')));
    return typeof claims.jti === 'string' ? claims.jti : undefined;
  } catch {
    return undefined;
  }
}
