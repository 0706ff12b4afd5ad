// Line icons of 24 by 24, drawn in the colour of the text.
import type { SVGProps } from 'react';

const PATHS = {
  action: 'M13 3L5 14h6l-1 7 8-11h-6z',
  approval: 'M4 12.5l4 4L16 8M13 14.5l2 2L22 9',
  automation:
    'M12 8.5a3.5 3.5 0 100 7 3.5 3.5 0 000-7zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2',
  check: 'M4 12.5l5 5L20 6.5',
  chevron: 'M9 5l7 7-7 7',
  close: 'M6 6l12 12M18 6L6 18',
  commit: 'M12 8.5a3.5 3.5 0 100 7 3.5 3.5 0 000-7zM2 12h6.5M15.5 12H22',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  credential: 'M8 11.5a4.5 4.5 0 100 9 4.5 4.5 0 000-9zM11.2 12.8L20 4M16 8l3 3',
  cross: 'M7 7l10 10M17 7L7 17',
  download: 'M12 4v11M7 10.5l5 5 5-5M4 20h16',
  execution: 'M7 4l13 8-13 8z',
  finding: 'M12 3.5L22 20H2zM12 10v4.5M12 17.2v.3',
  gap: 'M9 9a3 3 0 114.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.3',
  identity: 'M5 8h14v11H5zM12 8V4M9 12.5v1.5M15 12.5v1.5M2 13v3M22 13v3',
  key: 'M8 11.5a4.5 4.5 0 100 9 4.5 4.5 0 000-9zM11.2 12.8L20 4M16 8l3 3',
  lineage: 'M3.5 9.5h5v5h-5zM15.5 4h5v5h-5zM15.5 15h5v5h-5zM8.5 12h3.5M12 6.5v11M12 6.5h3.5M12 17.5h3.5',
  link: 'M10 14a4 4 0 005.7 0l3.6-3.6a4 4 0 00-5.7-5.7L12 6.3M14 10a4 4 0 00-5.7 0l-3.6 3.6a4 4 0 005.7 5.7l1.6-1.6',
  log: 'M6 3h9l4 4v14H6zM15 3v4h4M9 12h7M9 16h7',
  menu: 'M4 7h16M4 12h16M4 17h16',
  moon: 'M20 14.5A8.5 8.5 0 119.5 4a7 7 0 0010.5 10.5z',
  people:
    'M9 4.5a3.5 3.5 0 100 7 3.5 3.5 0 000-7zM2.5 20c.5-4 3-6 6.5-6s6 2 6.5 6M16 5a3.2 3.2 0 010 6.2M18 14.5c2 .8 3.2 2.600 3.500 5.500',
  print: 'M7 9V3h10v6M7 17H4v-8h16v8h-3M7 14h10v7H7z',
  project: 'M3 6h6l2 2.500h10V19H3z',
  run: 'M4 5h16v14H4zM7.500 9.500L10 12l-2.500 2.500M12.500 15H16',
  search: 'M11 4a7 7 0 100 14 7 7 0 000-14zM16.200 16.200L21 21',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500v5M9 14.500v5',
  sponsor: 'M12 4a4 4 0 100 8 4 4 0 000-8zM4 21c.6-4.700 3.600-7 8-7s7.400 2.300 8 7',
  stop: 'M8 3h8l5 5v8l-5 5H8l-5-5V8zM9 9l6 6M15 9l-6 6',
  sun: 'M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2.500M12 19.500V22M2 12h2.500M19.500 12H22M5 5l1.700 1.700M17.300 17.300L19 19M19 5l-1.700 1.700M6.700 17.300L5 19',
  token: 'M3 8h18v8H3zM7 12h.1M11 12h6',
  user: 'M12 4a4 4 0 100 8 4 4 0 000-8zM4 21c.6-4.700 3.600-7 8-7s7.400 2.300 8 7',
} as const;

export type IconName = keyof typeof PATHS;

/** The path of an icon, for pictures that are not made by React. */
export const iconPath = (name: IconName) => PATHS[name];

export function Icon({
  name,
  size = 16,
  ...rest
}: { name: IconName; size?: number } & SVGProps<SVGSVGElement>) {
  return (
    <svg
      viewBox="0 0 24 24"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
      {...rest}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
