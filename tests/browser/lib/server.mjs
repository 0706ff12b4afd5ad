// A server of our own on this machine, in a directory that is gone afterwards, and the command line that belongs to it.

import { spawn, execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);
const program = process.env.COUNTERSIGN_PROGRAM ?? new URL("../../../target/debug/countersign", import.meta.url).pathname;

/** A server that answers at a name: browsers have no passkeys for addresses of numbers. */
export async function startServer() {
  const folder = await mkdtemp(join(tmpdir(), "countersign-browser-"));
  const data = join(folder, "data");
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const env = { ...process.env, COUNTERSIGN_FEDERATION__ALLOW_LOOPBACK_ISSUERS: "true" };
  const child = spawn(program, ["serve", "--data", data, "--listen", `127.0.0.1:${port}`, "--issuer", url], { env, stdio: ["ignore", "pipe", "pipe"] });
  const said = [];
  const ready = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        said.push(line);
        if (line.includes("listening on")) resolve();
      });
    }
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${said.join("\n")}`)));
    child.once("error", reject);
  });
  await ready;
  const server = { url, data, said };
  const envOf = (home) => {
    const env = { ...process.env, COUNTERSIGN_HOME: join(folder, home), NO_COLOR: "1" };
    delete env.COUNTERSIGN_TOKEN;
    return env;
  };

  /** Runs the command line as the person with this home, and answers what it prints. */
  server.cli = async (home, ...parameters) => {
    const { stdout } = await run(program, parameters, { env: envOf(home), timeout: 30_000 });
    return stdout.trim();
  };

  /** Starts a command line that waits to be confirmed in a browser: the code that it shows, and its end. */
  server.wait = (home, ...parameters) => {
    const waiting = spawn(program, parameters, { env: envOf(home), stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
    const result = { over: false };
    result.code = new Promise((resolve, reject) => {
      for (const stream of [waiting.stdout, waiting.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          const shown = line.match(/code of this sign-in: (\S+)/);
          if (shown) resolve(shown[1]);
        });
      }
      waiting.once("exit", (code) => reject(new Error(`the command line ended with ${code}`)));
    });
    result.done = new Promise((resolve, reject) => {
      waiting.once("exit", (code) => {
        result.over = true;
        code === 0 ? resolve() : reject(new Error(`the command line ended with ${code}`));
      });
    });
    return result;
  };

  /** A one-time code, as whoever holds the data directory makes one. */
  server.code = (email, ...more) => server.cli("admin", "admin", "enrol", email, ...more, "--data", data);

  /** Signs the command line of this home in. */
  server.signIn = async (home, email, ...more) => server.cli(home, "login", "--server", url, "--code", await server.code(email, ...more));

  server.stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  return server;
}

async function freePort() {
  const socket = createServer();
  await new Promise((resolve) => socket.listen(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise((resolve) => socket.close(resolve));
  return port;
}
