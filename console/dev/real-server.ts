// For work on the console: a real server behind Vite, spoken to with a token from the environment.
//   COUNTERSIGN_URL=http://127.0.0.1:8400 COUNTERSIGN_TOKEN=$(countersign auth token) npm run dev
// In the product the browser has a session cookie and no token.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Plugin, ProxyOptions } from 'vite';

export const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'nonce-__CSP_NONCE__'",
  "worker-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

export function realServer(): Plugin {
  const target = process.env.COUNTERSIGN_URL ?? 'http://127.0.0.1:8400';
  const headers = { authorization: `Bearer ${process.env.COUNTERSIGN_TOKEN ?? ''}` };
  const through: ProxyOptions = { target, headers, changeOrigin: true };
  const proxy = { '/api': through, '/log/': through, '/login': through };

  /** What the server answers to a browser's session, made from the token's. */
  async function session(_request: IncomingMessage, response: ServerResponse) {
    const answer = await fetch(`${target}/api/sessions/current`, { headers });
    response.setHeader('content-type', 'application/json');
    response.statusCode = answer.status;
    const current = await answer.json();
    const { id, name, tenant, expires_at } = current;
    const told = { user: { id, name, email: name }, tenant, csrf_token: 'none', expires_at };
    response.end(JSON.stringify(answer.ok ? told : current));
  }

  return {
    name: 'real-server',
    config: () => ({
      server: { proxy },
      preview: { proxy, headers: { 'content-security-policy': POLICY } },
    }),
    configureServer: (server) => {
      server.middlewares.use('/api/console', session);
    },
    configurePreviewServer: (server) => {
      server.middlewares.use('/api/console', session);
    },
  };
}
