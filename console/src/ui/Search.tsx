// One box that takes anything, and leads to its lineage.
import { Kbd, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { ApiError, get } from '../api/client';
import { look } from '../find';
import { Icon } from './icons';

type Found = { ref: string } | { identity: string; tab?: 'credentials' };

export function Search({ large = false }: { large?: boolean }) {
  const box = useRef<HTMLInputElement>(null);
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (large) return;
    const focus = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
      event.preventDefault();
      box.current?.focus();
    };
    document.addEventListener('keydown', focus);
    return () => document.removeEventListener('keydown', focus);
  }, [large]);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const typed = box.current?.value ?? '';
    if (typed.trim() === '' || busy) return;
    setBusy(true);
    setSaid('');
    try {
      const found = await find(typed);
      // A token or secret does not stay on the screen.
      if (box.current && look(typed).kept) box.current.value = '';
      if ('ref' in found) await navigate({ to: '/lineage', search: { ref: found.ref } });
      else
        await navigate({
          to: '/identities/$id',
          params: { id: found.identity },
          search: { tab: found.tab } as never,
        });
    } catch (error) {
      setSaid((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <search aria-label={large ? 'Look anything up' : 'Search'} className={large ? 'search large' : 'search'}>
      <form onSubmit={submit}>
        <TextInput
          ref={box}
          size={large ? 'md' : 'sm'}
          aria-label={large ? 'What to look up' : 'Search'}
          placeholder={
            large
              ? 'Paste a token, run URL, commit, digest, approval, e-mail address or name'
              : 'Paste anything: token, run URL, commit, digest, name'
          }
          leftSection={<Icon name="search" />}
          rightSection={large ? undefined : <Kbd size="xs">/</Kbd>}
          disabled={busy}
          autoComplete="off"
          spellCheck={false}
          onChange={() => setSaid('')}
          aria-describedby={said ? 'search-said' : undefined}
        />
        {said && (
          <p className="search-said" id="search-said" role="alert">
            {said}
          </p>
        )}
      </form>
    </search>
  );
}

/** Whether a key that is pressed there becomes text. */
const writes = (place: EventTarget | null) =>
  place instanceof HTMLTextAreaElement ||
  (place instanceof HTMLInputElement && ['text', 'search'].includes(place.type));

/** What was typed, as something that is there. All it may be is asked at once; the first in order wins. */
async function find(typed: string): Promise<Found> {
  const looked = look(typed);
  const asked = looked.refs.map((ref) =>
    get('/api/lineage', { query: { ref } }).then(
      (lineage) => ({ ref, told: lineage.nodes.length > 0 }),
      (error: Error) => {
        if (error instanceof ApiError && TOLERATED.has(error.status)) return undefined;
        throw error;
      },
    ),
  );
  const credential =
    looked.credential &&
    get('/api/credentials/{id}', { path: { id: looked.credential } }).catch(() => undefined);
  for (const answer of await Promise.all(asked)) if (answer?.told) return { ref: answer.ref };
  const found = await credential;
  if (found) return { identity: found.identity.id, tab: 'credentials' };
  if (looked.identity) {
    const identity = await get('/api/identities/{id}', { path: { id: looked.identity } }).catch(
      () => undefined,
    );
    if (identity) return { identity: identity.id };
  }
  const kept = looked.kept ? ` (${looked.kept})` : '';
  throw new Error(
    `Nothing on record fits this, or it is not yours to see${kept}. Names, commits and digests must be whole.`,
  );
}

/** No such thing, or not that kind of thing: the next one may fit. */
const TOLERATED = new Set([400, 403, 404, 422]);
