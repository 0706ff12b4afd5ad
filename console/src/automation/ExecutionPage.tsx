// One execution: how it came about, how it ended, what it wrote.
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { get, post } from '../api/client';
import { listOptions } from '../api/queries';
import { Facts, Id, PageHead, Panel, Status, When } from '../ui/bits';
import { Loaded, Problem } from '../ui/Loaded';
import { Show } from '../ui/Value';

const GOING = new Set(['scheduled', 'running']);

export function ExecutionPage({ id }: { id: string }) {
  const client = useQueryClient();
  const execution = useQuery(
    listOptions(['execution', id], () => get('/api/executions/{id}', { path: { id } })),
  );
  const cancel = useMutation({
    mutationFn: () => post('/api/executions/{id}/cancel', { path: { id }, body: {} }),
    onSuccess: () => client.invalidateQueries(),
  });
  return (
    <Loaded of={execution}>
      {(execution) => (
        <>
          <PageHead
            title={
              <>
                {execution.action_ref} <Status of={execution.status} />
              </>
            }
            lead={execution.reason ?? undefined}
          >
            {GOING.has(execution.status) && (
              <Button color="red" variant="light" loading={cancel.isPending} onClick={() => cancel.mutate()}>
                Cancel it: its token dies now
              </Button>
            )}
            <Link to="/lineage" search={{ ref: `execution:${id}` }} className="button">
              Its lineage
            </Link>
          </PageHead>
          <Problem error={cancel.error} />
          <div className="columns">
            <Panel title="How it came about">
              <Facts
                of={[
                  [
                    'Runs as',
                    <Link to="/identities/$id" params={{ id: execution.identity_id }} className="link">
                      its service account
                    </Link>,
                  ],
                  ['Rule', execution.rule],
                  ['Event', execution.event_id && <Id of={execution.event_id} label="event id" />],
                  [
                    'Started by',
                    execution.workflow_id && (
                      <Link to="/executions/$id" params={{ id: execution.workflow_id }} className="link">
                        another execution
                      </Link>
                    ),
                  ],
                  ['Worker', execution.worker ?? 'none yet'],
                  ['Attempt', String(execution.attempt)],
                  ['Due', <When at={execution.created_at} />],
                  ['Began', <When at={execution.started_at} none="not yet" />],
                  ['Ended', <When at={execution.ended_at} none="not yet" />],
                  ['Exit status', execution.exit_code?.toString()],
                  ['Id', <Id of={execution.id} label="execution id" />],
                ]}
              />
            </Panel>
            <Panel title="What it was given">
              <Show value={execution.parameters} />
            </Panel>
          </div>
          {execution.result != null && (
            <Panel title="What came of it">
              <Show value={execution.result} />
            </Panel>
          )}
          {execution.stdout && (
            <Panel title="What it wrote">
              <pre className="output">{execution.stdout}</pre>
            </Panel>
          )}
          {execution.stderr && (
            <Panel title="What it complained about">
              <pre className="output">{execution.stderr}</pre>
            </Panel>
          )}
        </>
      )}
    </Loaded>
  );
}
