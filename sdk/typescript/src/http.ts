/** What the guard needs of `fetch`; a test gives its own. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** `fetch` with a time limit, no redirects, and a body that cannot grow without bound. */
export function boundedFetch(fetch: Fetch, limits: { readonly bytes: number; readonly timeoutMs: number }): Fetch {
  return async (url, init = {}) => {
    const response = await fetch(url, { ...init, redirect: "error", signal: AbortSignal.timeout(limits.timeoutMs) });
    if (!response.body) return response;
    const reader = response.body.getReader();
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      length += chunk.value.byteLength;
      if (length > limits.bytes) {
        await reader.cancel();
        throw new TypeError(`the answer is longer than ${limits.bytes} bytes`);
      }
      chunks.push(chunk.value);
    }
    return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
  };
}

/** An issuer is reached over TLS, or on this machine. */
export function checkIssuer(issuer: string): void {
  const url = new URL(issuer);
  const loopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  const plain = url.search || url.hash || url.username || url.password || issuer.endsWith("/");
  if (plain || (url.protocol !== "https:" && !(url.protocol === "http:" && loopback))) {
    throw new TypeError("issuer must be an https URL (http on loopback) without query, fragment or slash at its end");
  }
}
