import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { precompress } from './dev/precompress.ts';
import { realServer } from './dev/real-server.ts';

// The server gives the console out at `/`, or at `/t/TENANT/`: every address in it is relative.
export default defineConfig({
  base: './',
  plugins: [react(), realServer(), precompress()],
  build: {
    target: 'es2023',
    // Nothing may be inlined: the policy allows scripts and workers from the server alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    license: { fileName: 'licenses.md' },
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
