// The guard: a small process of its own that owns one server (PostgreSQL or Kafka) and its folder.
//
//   parent ──stdin pipe──▶ guard ──child──▶ server
//
//   preparing ──▶ running ──▶ stopping ──▶ gone         restart: running ──▶ (server down) ──▶ running
//
// The pipe is the lease: whichever way the parent goes (return, Ctrl-C, crash, SIGKILL) the kernel closes it, and the guard
// stops the server and removes the folder. Nothing durable is kept. It is plain JavaScript because it also runs from source,
// where the compiler has not been.
//
// In: one JSON specification (src/guard.ts), then the lines `restart fast|immediate` and `stop`. Out: JSON lines.
import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/** How long a server may take to end after its polite signal; then SIGKILL. */
const STOP_MS_MAX = 15_000;

let specification;
let child;
let stopping = false;

const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
process.stdout.on('error', () => {}); // the parent is gone; the end of stdin says so too

function launch(command, args) {
  const { directory, owner, env } = specification;
  const started = spawn(command, args, {
    cwd: directory,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(owner ? { uid: owner.uid, gid: owner.gid } : {}),
  });
  for (const stream of [started.stdout, started.stderr]) {
    createInterface({ input: stream }).on('line', (line) => tell({ log: line }));
  }
  return started;
}

/** Resolves with the reason of the end; never rejects (a command that cannot be spawned ends too). */
const ended = (proc) =>
  new Promise((resolve) => {
    proc.once('error', (error) => resolve(error.message));
    proc.once('close', (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit code ${code}`)));
  });

function prepareFolder() {
  const { directory, owner, files } = specification;
  mkdirSync(directory, { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o600 });
    if (owner) chownSync(path, owner.uid, owner.gid);
  }
  if (owner) chownSync(directory, owner.uid, owner.gid);
}

async function prepare() {
  prepareFolder();
  for (const { command, args } of specification.before) {
    child = launch(command, args);
    const reason = await ended(child);
    child = undefined;
    if (stopping) return;
    if (reason !== undefined) throw new Error(`${command} ended with ${reason}`);
  }
  run();
}

function run() {
  const server = launch(specification.server.command, specification.server.args);
  child = server;
  void ended(server).then((reason) => {
    if (child === server) child = undefined;
    tell({ exited: reason ?? 'exit code 0' });
  });
  // For scripts/clean.mjs, should somebody kill the guard itself.
  if (server.pid !== undefined) writeFileSync(join(specification.directory, 'server.pid'), String(server.pid));
  tell({ started: server.pid ?? 0 });
}

async function end(signal) {
  const running = child;
  if (!running || running.exitCode !== null || running.signalCode !== null) return;
  const over = ended(running);
  running.kill(signal);
  const timer = setTimeout(() => running.kill('SIGKILL'), STOP_MS_MAX);
  await over;
  clearTimeout(timer);
  child = undefined;
}

/** The folder is thrown away, so the fastest way down is the right one. */
async function shutDown() {
  if (stopping) return;
  stopping = true;
  if (specification) {
    await end(specification.signals.immediate);
    rmSync(specification.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
  process.exit(0);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void shutDown());

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  if (!specification) {
    specification = JSON.parse(line);
    prepare().catch((error) => tell({ exited: error.message }));
  } else if (line === 'stop') void shutDown();
  else if (line.startsWith('restart ')) {
    void end(specification.signals[line.slice('restart '.length)]).then(() => (stopping ? undefined : run()));
  }
});
input.on('close', () => void shutDown());
process.stdin.on('error', () => void shutDown());
