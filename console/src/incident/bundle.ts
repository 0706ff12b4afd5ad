// All of an incident in one document: each record with its proof, to be checked and kept elsewhere.
import { get, type Schemas } from '../api/client';
import { joined } from './pages';

/** So many are asked for at the same time. */
const AT_ONCE = 8;
/** More records than this are the work of `countersign incident --bundle`. */
const MOST = 2000;

export async function bundle(incident: Schemas['Incident']) {
  let all = incident;
  while (all.next && all.items.length < MOST) {
    const { ref, since, until, next: after } = all;
    const page = await get('/api/incidents', { query: { ref, since, until, after, limit: 500 } });
    all = joined(all, [page]);
  }
  const { items } = all;
  const records: Schemas['EvidenceRecord'][] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    const some = items.slice(at, at + AT_ONCE);
    records.push(...(await Promise.all(some.map(({ id }) => get('/api/evidence/{id}', { path: { id } })))));
  }
  return { ...all, log_key: await get('/api/log/key'), records };
}
