import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { evidenceOptions } from '../api/queries';
import { PageHead, Panel } from '../ui/bits';
import { Evidence } from './Evidence';

export function EvidencePage({ id }: { id: string }) {
  const record = useQuery(evidenceOptions(id));
  const ref =
    record.data &&
    (record.data.kind === 'token_issued'
      ? `token:${id}`
      : record.data.kind === 'action'
        ? `action:${id}`
        : undefined);
  return (
    <>
      <PageHead title="A record">
        {ref && (
          <Link to="/lineage" search={{ ref }} className="button">
            Its lineage
          </Link>
        )}
      </PageHead>
      <Panel>
        <Evidence id={id} />
      </Panel>
    </>
  );
}
