// The identity as a document, to be kept beside the code that it guards.
import { useQuery } from '@tanstack/react-query';
import { type Schemas, text } from '../api/client';
import { Copy, Panel } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';

export function Manifest({ of }: { of: Schemas['Identity'] }) {
  const documents = useQuery({
    queryKey: ['manifest', of.project.name],
    queryFn: () => text(`/api/manifests/export?project=${encodeURIComponent(of.project.name)}`),
  });
  return (
    <Loaded of={documents}>
      {(documents) => {
        const found = documentOf(documents, of.name);
        return (
          <Panel title="Manifest" side={found && <Copy text={found} label="manifest" />}>
            {found ? (
              <>
                <p className="soft">
                  Applied as it stands, this changes nothing: <code>countersign apply -f FILE</code>. What was
                  never chosen is left out.
                </p>
                <pre className="document">{found}</pre>
              </>
            ) : (
              <Empty icon="identity" title="It has no document">
                <p>What is deleted, or made by a pack for one of its actions, is not exported.</p>
              </Empty>
            )}
          </Panel>
        );
      }}
    </Loaded>
  );
}

/** The one document of several that names this identity. */
export function documentOf(documents: string, name: string): string | undefined {
  const wanted = new RegExp(`^\\s+name: ["']?${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}["']?$`, 'm');
  return documents
    .split(/^---$/m)
    .map((one) => one.trim())
    .find((one) => /^(pipeline_)?identity:/m.test(one) && wanted.test(one));
}
