import { createTheme, type MantineColorsTuple } from '@mantine/core';

// One accent: the teal of the sign-in pages.
const teal: MantineColorsTuple = [
  '#e9f6f4',
  '#d3ebe8',
  '#a8d8d2',
  '#7ac5bc',
  '#5fc9bd',
  '#2f9d91',
  '#1a8478',
  '#126c63',
  '#0b5c55',
  '#074640',
];

// As Mantine has it, but with a shade for dark pages that white text is read on.
const red: MantineColorsTuple = [
  '#fff5f5',
  '#ffe3e3',
  '#ffc9c9',
  '#ffa8a8',
  '#ff8787',
  '#ff6b6b',
  '#fa5252',
  '#d32f2f',
  '#e03131',
  '#c92a2a',
];

// The greys of the dark pages, as in base.css.
const dark: MantineColorsTuple = [
  '#e6ebf0',
  '#c4cdd6',
  '#9fadba',
  '#6c7a88',
  '#37434d',
  '#2a343d',
  '#1f2830',
  '#171e24',
  '#12181d',
  '#0f1418',
];

export const theme = createTheme({
  primaryColor: 'teal',
  primaryShade: { light: 8, dark: 7 },
  colors: { teal, red, dark },
  defaultRadius: 'md',
  fontFamily: 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace',
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  radius: { sm: '4px', md: '6px', lg: '10px' },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: 'xs' } },
    Tooltip: { defaultProps: { openDelay: 250, withArrow: true } },
    TextInput: { defaultProps: { size: 'sm' } },
    Textarea: { defaultProps: { size: 'sm' } },
    NativeSelect: { defaultProps: { size: 'xs' } },
    Modal: { defaultProps: { centered: true, radius: 'lg', transitionProps: { duration: 120 } } },
    Drawer: { defaultProps: { position: 'right', transitionProps: { duration: 140 } } },
  },
});
