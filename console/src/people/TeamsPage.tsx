// Projects, where identities live, and teams, which answer together.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { get, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { AnswersForTable } from '../lineage/AnswersFor';
import { Facts, Id, PageHead, Panel, Parties, Status, When, Words } from '../ui/bits';
import { Empty, Loaded } from '../ui/Loaded';
import { type Column, Table } from '../ui/Table';

type Project = Schemas['Project'];
type Team = Schemas['Team'];

const PROJECTS: Column<Project>[] = [
  {
    key: 'name',
    head: 'Project',
    cell: (row) => (
      <>
        <Link to="/projects/$id" params={{ id: row.id }} className="row-link">
          {row.name}
        </Link>
        <span className="below">{row.description}</span>
      </>
    ),
  },
  {
    key: 'owners',
    head: 'Owned by',
    cell: (row) => <Parties of={ownersOf(row)} none="owners of the tenant" />,
  },
  { key: 'made', head: 'Made', cell: (row) => <When at={row.created_at} /> },
];

const TEAMS: Column<Team>[] = [
  {
    key: 'name',
    head: 'Team',
    cell: (row) => (
      <Link to="/teams/$id" params={{ id: row.id }} className="row-link">
        {row.name}
      </Link>
    ),
  },
  { key: 'members', head: 'Members', cell: (row) => <Parties of={row.members} /> },
];

const ownersOf = (project: Project) =>
  project.personal_of
    ? [project.personal_of]
    : project.members.filter((member) => member.role === 'owner').map((member) => member.user);

export function TeamsPage() {
  const projects = useQuery(
    listOptions(['projects', 'all'], () => get('/api/projects', { query: { limit: 500 } })),
  );
  const teams = useQuery(listOptions(['teams', 'all'], () => get('/api/teams', { query: { limit: 500 } })));
  return (
    <>
      <PageHead
        title="Teams & projects"
        lead="An identity lives in a project, which pays for it; a person or a team answers for it."
      />
      <Panel title="Projects">
        <Loaded of={projects}>
          {(page) => <Table label="Projects" columns={PROJECTS} rows={page.items} rowKey={(row) => row.id} />}
        </Loaded>
      </Panel>
      <Panel title="Teams">
        <Loaded of={teams}>
          {(page) =>
            page.items.length === 0 ? (
              <Empty icon="people" title="There are no teams yet">
                <p>
                  A team that answers for a program goes on answering when one of them leaves. In a manifest:
                </p>
                <code>{'team: {name: platform, members: [dana@example.com, lee@example.com]}'}</code>
              </Empty>
            ) : (
              <Table label="Teams" columns={TEAMS} rows={page.items} rowKey={(row) => row.id} />
            )
          }
        </Loaded>
      </Panel>
    </>
  );
}

export function TeamPage({ id }: { id: string }) {
  const team = useQuery(listOptions(['team', id], () => get('/api/teams/{id}', { path: { id } })));
  const lineage = useQuery(
    listOptions(['lineage', `team:${id}`], () => get('/api/lineage', { query: { ref: `team:${id}` } })),
  );
  return (
    <Loaded of={team}>
      {(team) => (
        <>
          <PageHead title={`Team ${team.name}`} lead={lineage.data?.sentence} />
          <Panel title="Members">
            <Parties of={team.members} />
          </Panel>
          <Panel title="What they answer for together">
            <Loaded of={lineage}>
              {(lineage) => <AnswersForTable of={lineage.answers_for ?? []} who={`team ${team.name}`} />}
            </Loaded>
          </Panel>
        </>
      )}
    </Loaded>
  );
}

const MEMBERS: Column<Project['members'][number]>[] = [
  {
    key: 'user',
    head: 'Member',
    cell: (row) => (
      <Link to="/people/$id" params={{ id: row.user.id }} className="row-link">
        {row.user.name}
      </Link>
    ),
  },
  { key: 'role', head: 'As', cell: (row) => row.role },
  { key: 'by', head: 'Added by', cell: (row) => row.added_by?.name },
  { key: 'when', head: 'Added', cell: (row) => <When at={row.added_at} /> },
];

export function ProjectPage({ id }: { id: string }) {
  const project = useQuery(listOptions(['project', id], () => get('/api/projects/{id}', { path: { id } })));
  return (
    <Loaded of={project}>
      {(project) => (
        <>
          <PageHead
            title={
              <>
                Project {project.name} <Status of={project.status} />
              </>
            }
            lead={project.description}
          >
            <Link to="/identities" search={{ project: project.name }} className="button">
              Its identities
            </Link>
            <Link to="/findings" search={{ project: project.name }} className="button">
              Its findings
            </Link>
          </PageHead>
          <Panel title="Who belongs to it">
            {project.members.length === 0 ? (
              <p className="soft">
                Nobody but {project.personal_of ? project.personal_of.name : 'the owners of the tenant'}.
              </p>
            ) : (
              <Table label="Members" columns={MEMBERS} rows={project.members} rowKey={(row) => row.user.id} />
            )}
          </Panel>
          <Panel title="What its identities may do at most">
            <Facts
              of={[
                [
                  'Actions',
                  project.allowed_actions ? (
                    <Words of={project.allowed_actions} none="nothing" />
                  ) : (
                    'anything that an identity of it is allowed'
                  ),
                ],
                ['Made', <When at={project.created_at} />],
                ['Id', <Id of={project.id} label="project id" />],
              ]}
            />
          </Panel>
        </>
      )}
    </Loaded>
  );
}
