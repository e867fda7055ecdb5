// Shows which specs depend on timing: runs them while the servers beside them stall, as they do on a machine with too much to do. About a third of all
// PostgreSQL and Kafka processes below the run are stopped (SIGSTOP) for 0.1 to 2.5 s, about once a second. Linux only: who descends from whom is read
// in /proc.
//
//   npm run test:stalls -- --project integration test/integration/sweep.int.spec.ts
//   npm run test:stalls -- --seed 7 …    the same stalls again, as far as the machine's own timing lets them be
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const given = process.argv.slice(2);
const at = given.indexOf('--seed');
const seed = at < 0 ? Math.floor(Math.random() * 2 ** 31) : Number(given[at + 1]);
const args = at < 0 ? given : given.toSpliced(at, 2);
if (!Number.isInteger(seed) || args.length === 0 || !existsSync('/proc/self/stat')) {
  console.error(
    'usage: npm run test:stalls -- [--seed <whole number>] <what vitest run takes: projects, files>; needs Linux',
  );
  process.exit(64);
}

/** Between 0 and 1, the same sequence for the same seed (mulberry32, public domain). */
let state = seed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

const stalled = new Set(['postgres', 'java']);
const stallsMs = [100, 300, 300, 600, 600, 1_000, 2_500];
const share = 0.33;

/** Processes below `root` that may be stalled: `pid (name) state parent …`; who is stopped already was stopped by a test. */
function candidates(root) {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [, name, status, parent] =
          /^\d+ \((.*)\) (\w) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
        return [{ pid: Number(pid), name, status, parent: Number(parent) }];
      } catch {
        return []; // it has ended meanwhile
      }
    });
  const below = new Set([root]);
  for (let before = 0; below.size > before;) {
    before = below.size;
    for (const one of processes) if (below.has(one.parent)) below.add(one.pid);
  }
  return processes.filter((one) => below.has(one.pid) && stalled.has(one.name) && one.status !== 'T');
}

function signal(pids, name) {
  for (const pid of pids)
    try {
      process.kill(pid, name);
    } catch {
      // it has ended meanwhile
    }
}

console.error(`seed ${seed}`);
const run = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...args], { stdio: 'inherit' });
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => run.kill(name));
let stalls = 0;
while (run.exitCode === null && run.signalCode === null) {
  const stopped = candidates(run.pid)
    .filter(() => random() < share)
    .map(({ pid }) => pid);
  signal(stopped, 'SIGSTOP');
  await pause(stallsMs[Math.floor(random() * stallsMs.length)]);
  signal(stopped, 'SIGCONT');
  stalls += stopped.length;
  await pause(200 + 800 * random());
}
console.error(`seed ${seed}: ${stalls} stalls`);
process.exitCode = run.exitCode ?? 1;
