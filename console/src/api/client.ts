// The one way to the server: same origin, the session's cookie sent by the browser, no token anywhere.
import type { components, paths } from './schema.generated';

export type Schemas = components['schemas'];

type Content<T> = T extends { content: infer C } ? C[keyof C] : undefined;
type Answered<O> = O extends { responses: infer R }
  ? Content<R[Extract<keyof R, 200 | 201 | 202 | 204>]>
  : never;
type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
type With<M extends Method> = { [P in keyof paths]: paths[P][M] extends undefined ? never : P }[keyof paths];
type Answer<P extends keyof paths, M extends Method> = Answered<NonNullable<paths[P][M]>>;
type Body<O> = O extends { requestBody?: infer B } ? Content<NonNullable<B>> : never;
type Query<O> = O extends { parameters: { query?: infer Q } } ? Partial<NonNullable<Q>> : never;

/** A page of a list, as every list is answered. */
export interface Page<T> {
  items: T[];
  next?: string | null;
}

export interface Session {
  user: { id: string; name: string; email: string };
  tenant: { id: string; name: string };
  csrf_token: string;
  expires_at?: string;
}

/** What went wrong, as the server says it (RFC 9457), or as the network does. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly reasonCode: string,
    detail: string,
    readonly errors: { at: string; detail: string }[] = [],
    readonly instance?: string,
  ) {
    super(detail);
  }
}

/** Where the console is: `/`, or `/t/TENANT/`. */
export const base = () => new URL('.', window.location.href).pathname;

let csrfToken = '';

/** Who is signed in. Sends to the sign-in page when nobody is. */
export async function session(): Promise<Session> {
  const found = (await call('GET', `${base()}api/console`)) as Session;
  csrfToken = found.csrf_token;
  return found;
}

export function get<P extends With<'get'> & string>(
  path: P,
  given: {
    path?: Record<string, string>;
    query?: Query<NonNullable<paths[P]['get']>>;
    signal?: AbortSignal;
  } = {},
): Promise<Answer<P, 'get'>> {
  return call('GET', address(path, given.path, given.query), { signal: given.signal }) as Promise<
    Answer<P, 'get'>
  >;
}

interface Change<B> {
  path?: Record<string, string>;
  body: B;
  version?: number;
}

export function post<P extends With<'post'> & string>(
  path: P,
  given: Change<Body<NonNullable<paths[P]['post']>>>,
): Promise<Answer<P, 'post'>> {
  return change('POST', path, given) as Promise<Answer<P, 'post'>>;
}

/** Edits what is there: what it leaves out stays. */
export function patch<P extends With<'patch'> & string>(
  path: P,
  given: Change<Body<NonNullable<paths[P]['patch']>>>,
): Promise<Answer<P, 'patch'>> {
  return change('PATCH', path, given) as Promise<Answer<P, 'patch'>>;
}

function change(method: string, path: string, given: Change<unknown>): Promise<unknown> {
  return call(method, address(path, given.path), {
    body: JSON.stringify(given.body),
    headers: given.version === undefined ? {} : { 'if-match': `"${given.version}"` },
  });
}

/** Ends something that is named by its address alone. */
export async function remove<P extends With<'delete'> & string>(
  path: P,
  parts: Record<string, string>,
): Promise<void> {
  await call('DELETE', address(path, parts));
}

/** Plain text, as the log's own files are. */
export async function text(path: string): Promise<string> {
  const response = await send('GET', base() + path.slice(1), {});
  return response.text();
}

export function address(path: string, parts: Record<string, string> = {}, query: object = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ''));
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const search = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
  return base() + filled.slice(1) + (search ? `?${search}` : '');
}

async function call(method: string, url: string, given: RequestInit = {}): Promise<unknown> {
  const response = await send(method, url, given);
  const answered = await response.text();
  return answered === '' ? undefined : JSON.parse(answered, plain);
}

async function send(method: string, url: string, given: RequestInit): Promise<Response> {
  const headers = new Headers(given.headers);
  if (given.body) headers.set('content-type', 'application/json');
  if (method !== 'GET') headers.set('x-csrf-token', csrfToken);
  const response = await fetch(url, { ...given, method, headers, credentials: 'same-origin' }).catch(
    (error) => {
      if (given.signal?.aborted) throw error;
      throw new ApiError(0, 'unreachable', 'the server does not answer');
    },
  );
  if (response.status === 401) return toSignIn();
  if (!response.ok) throw await problem(response);
  return response;
}

function toSignIn(): Promise<never> {
  const here = window.location.pathname + window.location.hash;
  window.location.assign(`${base()}login?return=${encodeURIComponent(here)}`);
  // The page is leaving: nothing more is to be shown.
  return new Promise(() => {});
}

async function problem(response: Response): Promise<ApiError> {
  const said = await response.json().catch(() => ({}));
  const { reason_code: reason = 'internal', detail = response.statusText, errors, instance } = said;
  return new ApiError(response.status, reason, detail, errors, instance);
}

/** Names come from outside: what turns the direction of writing is left out, but where bytes are hashed. */
function plain(key: string, value: unknown): unknown {
  if (typeof value !== 'string' || HASHED.has(key)) return value;
  return value.replace(TURNING, '');
}

const HASHED = new Set(['body', 'value', 'salt']);
const TURNING = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
