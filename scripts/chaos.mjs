// Random faults against the demo's world with its old application writing, then the checker of the invariants (docs/chaos.md).
//
//   npm run chaos -- --seed 7 --minutes 4 --kills 50 --faults 20
//
// The same seed gives the same schedule. Ends with 0 when the run was enforced and no invariant was broken, 1 otherwise, 64 on bad usage.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const usage = 'usage: npm run chaos -- [--seed N] [--minutes 4] [--kills 50] [--faults 20] [--rows 20000]';

let values;
try {
  ({ values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
      minutes: { type: 'string', default: '4' },
      kills: { type: 'string', default: '50' },
      faults: { type: 'string', default: '20' },
      rows: { type: 'string', default: '20000' },
    },
  }));
} catch (error) {
  console.error(`${error.message}\n${usage}`);
  process.exit(64);
}
const wrong = Object.entries(values).find(([, value]) => !/^\d+(\.\d+)?$/.test(value));
if (wrong) {
  console.error(`--${wrong[0]} ${wrong[1]}: expected a number\n${usage}`);
  process.exit(64);
}

const settings = Object.fromEntries(
  Object.entries(values).map(([name, value]) => [`HIGHWATER_CHAOS_${name.toUpperCase()}`, value]),
);
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const child = spawn(
  process.execPath,
  [vitest, 'run', '--project', 'chaos-long', 'test/chaos/random.chaos.spec.ts', '--disable-console-intercept'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ...settings } },
);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
