// All of an incident in one document: each record with its proof, to be checked and kept elsewhere.
import { get, type Schemas } from '../api/client';

/** So many are asked for at the same time. */
const AT_ONCE = 8;
/** More records than this are the work of `countersign incident --bundle`. */
const MOST = 2000;

export async function bundle(incident: Schemas['Incident']) {
  const items = [...incident.items];
  let after = incident.next;
  while (after && items.length < MOST) {
    const { ref, since, until } = incident;
    const page = await get('/api/incidents', { query: { ref, since, until, after, limit: 500 } });
    items.push(...page.items);
    after = page.next;
  }
  const records: Schemas['EvidenceRecord'][] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    const some = items.slice(at, at + AT_ONCE);
    records.push(...(await Promise.all(some.map(({ id }) => get('/api/evidence/{id}', { path: { id } })))));
  }
  return { ...incident, items, next: after, log_key: await get('/api/log/key'), records };
}
