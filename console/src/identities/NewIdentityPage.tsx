// A new identity: it begins with the question that must be answered one day.
import { Button, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { get, post, type Schemas } from '../api/client';
import { listOptions } from '../api/queries';
import { Facts, PageHead, Panel } from '../ui/bits';
import { Problem } from '../ui/Loaded';
import { capital, KIND_WORDS } from '../words';
import { CHOICES, type Choice } from './kinds';

export interface NewIdentitySearch {
  kind?: Schemas['Kind'];
  name?: string;
  replaces?: string;
}

export function NewIdentityPage({ search }: { search: NewIdentitySearch }) {
  const chosen = CHOICES.find((choice) => choice.kind === search.kind);
  return (
    <>
      <PageHead
        title="A new identity"
        lead="Which of these must you be able to answer afterwards? When two fit, take the lower one: evidence cannot be added later."
      />
      <Panel>
        <nav aria-label="The question" className="questions">
          {CHOICES.map((choice) => (
            <Link
              key={choice.kind}
              to="/new-identity"
              search={{ ...search, kind: choice.kind }}
              className={choice === chosen ? 'on' : ''}
              aria-current={choice === chosen ? 'true' : undefined}
            >
              {choice.question}
              <span className="soft">{KIND_WORDS[choice.kind]}</span>
            </Link>
          ))}
        </nav>
      </Panel>
      {chosen && <Make key={chosen.kind} choice={chosen} search={search} />}
    </>
  );
}

function Make({ choice, search }: { choice: Choice; search: NewIdentitySearch }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const projects = useQuery(
    listOptions(['projects', 'all'], () => get('/api/projects', { query: { limit: 500 } })),
  );
  const [name, setName] = useState(search.name ?? '');
  const [purpose, setPurpose] = useState('');
  const [project, setProject] = useState('');
  const create = useMutation({
    mutationFn: () =>
      post('/api/identities', {
        body: {
          kind: choice.kind,
          name: name.trim(),
          purpose: purpose.trim() || null,
          project: project || null,
          replaces: search.replaces ?? null,
        },
      }),
    onSuccess: (made) => {
      client.invalidateQueries();
      if ('id' in made) navigate({ to: '/identities/$id', params: { id: String(made.id) } });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  const word = KIND_WORDS[choice.kind] ?? choice.kind;
  return (
    <div className="columns">
      <Panel title={`${capital(word)}, for this`}>
        <Facts
          of={[
            ['Best for', choice.bestFor],
            ['It proves', choice.proves],
            ['Its weakness', choice.weakness],
          ]}
        />
      </Panel>
      <Panel title="What it is">
        <form className="dialog" onSubmit={submit}>
          <TextInput
            label="Name"
            description="Unique, and never given out again."
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            spellCheck={false}
            autoComplete="off"
            required
            withAsterisk={false}
          />
          <Textarea
            label="What it is for"
            value={purpose}
            onChange={(event) => setPurpose(event.currentTarget.value)}
            rows={2}
            required
            withAsterisk={false}
          />
          <NativeSelect
            label="Project"
            value={project}
            onChange={(event) => setProject(event.currentTarget.value)}
            data={[{ value: '', label: 'your own' }, ...(projects.data?.items ?? []).map((one) => one.name)]}
          />
          {search.replaces && (
            <p className="soft">
              It takes the place of{' '}
              <Link to="/accounts/$id" params={{ id: search.replaces }} className="link">
                an account of another system
              </Link>
              , which stays on the list until its own system has it no more.
            </p>
          )}
          <p className="soft">
            You answer for it until somebody else says that they do. It may do nothing yet: what it may do,
            and how its runs prove themselves, goes into its manifest.
          </p>
          <Problem error={create.error} />
          <div className="dialog-buttons">
            <Button type="submit" loading={create.isPending}>
              Create it
            </Button>
          </div>
        </form>
      </Panel>
    </div>
  );
}
