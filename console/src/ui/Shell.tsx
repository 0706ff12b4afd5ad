// The frame: navigation at the left, the search that takes anything above, the page below.
import { ActionIcon, Drawer, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { base, type Session } from '../api/client';
import { useSession, useWaiting } from '../api/queries';
import { Dialogs } from './Dialogs';
import { Icon, type IconName } from './icons';
import { Search } from './Search';

const PLACES: { to: string; icon: IconName; label: string }[] = [
  { to: '/lineage', icon: 'lineage', label: 'Lineage' },
  { to: '/approvals', icon: 'approval', label: 'Approvals' },
  { to: '/identities', icon: 'identity', label: 'Identities' },
  { to: '/findings', icon: 'finding', label: 'Findings' },
  { to: '/accounts', icon: 'link', label: 'Other systems' },
  { to: '/people', icon: 'people', label: 'People' },
  { to: '/projects', icon: 'project', label: 'Teams & projects' },
  { to: '/automation', icon: 'automation', label: 'Automation' },
  { to: '/incident', icon: 'stop', label: 'Incident' },
  { to: '/log', icon: 'log', label: 'Log' },
  { to: '/settings', icon: 'settings', label: 'Settings' },
];

export function Shell() {
  const session = useSession();
  const [open, menu] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  // Who moves to another page by keyboard or screen reader begins at its top.
  // biome-ignore lint/correctness/useExhaustiveDependencies: runs because the path changed
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus();
    window.scrollTo(0, 0);
  }, [path]);
  return (
    <div className="shell">
      <button type="button" className="skip" onClick={() => main.current?.focus()}>
        Skip to the page
      </button>
      <aside className="side">
        <Brand tenant={session.data?.tenant.name} />
        <Places />
        <Person session={session.data} />
      </aside>
      <section className="top" aria-label="Search and colours">
        <ActionIcon
          className="burger"
          variant="subtle"
          color="gray"
          size="lg"
          aria-label="Menu"
          onClick={menu.open}
        >
          <Icon name="menu" size={20} />
        </ActionIcon>
        <Search />
        <Scheme />
      </section>
      <Drawer
        opened={open}
        onClose={menu.close}
        position="left"
        size={260}
        title={<Brand tenant={session.data?.tenant.name} />}
        className="side-drawer"
        closeButtonProps={{ 'aria-label': 'Close the menu' }}
      >
        <Places chosen={menu.close} />
        <Person session={session.data} />
      </Drawer>
      <main className="main" id="main" tabIndex={-1} ref={main}>
        <Dialogs>
          <Outlet />
        </Dialogs>
      </main>
    </div>
  );
}

function Brand({ tenant }: { tenant?: string }) {
  return (
    <div className="brand">
      <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
        <rect width="32" height="32" rx="8" fill="#0b5c55" />
        <path
          d="M8 17.500l4.200 4.200L19 12.500M15.500 19.500l2.200 2.200L25 12.500"
          fill="none"
          stroke="#fff"
          strokeWidth="2.400"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
      </svg>
      <div>
        <strong>Countersign</strong>
        <span className="soft">{tenant ?? '\u00a0'}</span>
      </div>
    </div>
  );
}

function Places({ chosen }: { chosen?: () => void }) {
  const waiting = useWaiting();
  const number = waiting.data?.items.length ?? 0;
  return (
    <nav aria-label="Main" className="places">
      {PLACES.map((place) => (
        <Link
          key={place.to}
          to={place.to}
          activeProps={{ className: 'on', 'aria-current': 'page' }}
          onClick={chosen}
        >
          <Icon name={place.icon} size={17} />
          <span>{place.label}</span>
          {place.to === '/approvals' && number > 0 && (
            <span className="number" title="waiting for you">
              {number}
              <span className="hidden"> waiting for you</span>
            </span>
          )}
        </Link>
      ))}
    </nav>
  );
}

function Person({ session }: { session?: Session }) {
  if (!session) return null;
  return (
    <div className="person">
      <Link to="/people/$id" params={{ id: session.user.id }} title="What you answer for">
        {session.user.email}
      </Link>
      <form method="post" action={`${base()}logout`}>
        <input type="hidden" name="token" value={session.csrf_token} />
        <button type="submit" className="plain">
          Sign out
        </button>
      </form>
    </div>
  );
}

function Scheme() {
  const { setColorScheme } = useMantineColorScheme();
  const now = useComputedColorScheme('light');
  const other = now === 'light' ? 'dark' : 'light';
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      aria-label={`Use ${other} colours`}
      onClick={() => setColorScheme(other)}
    >
      <Icon name={now === 'light' ? 'moon' : 'sun'} size={18} />
    </ActionIcon>
  );
}
