// Makes a clone runnable: right Node, dependencies as locked, TypeScript compiled and bundled. Does nothing that is already done.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const major = Number(process.versions.node.split('.')[0]);
if (major < 20) {
  console.error(
    `highwater needs Node 20 or newer; this is ${process.version}. Install a newer Node and run the command again.`,
  );
  process.exit(1);
}

const run = (command, args, why) => {
  console.error(`» ${why}`);
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status === 0) return;
  console.error(`${why} failed (${command} ${args.join(' ')}); the reason stands above.`);
  process.exit(done.status ?? 1);
};

const lockHash = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');
const stamp = join(root, 'node_modules', '.highwater-installed');
/** Packages that somebody installed by hand are as good as ours: never empty a node_modules that other processes may be running from. */
function sameAsLocked() {
  const hidden = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(hidden)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const found = JSON.parse(readFileSync(hidden, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([place, entry]) =>
      !place.includes('node_modules/') || entry.optional || entry.link || found[place]?.version === entry.version,
  );
}

const stamped = existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash;
if (!stamped) {
  if (!sameAsLocked())
    // nothing that a dependency wants to run is needed: neither its compiler nor its telemetry
    run(
      'npm',
      ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
      'installing dependencies (npm ci)',
    );
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(stamp, lockHash);
}
run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b'], 'compiling');
// whoever starts no program of ours needs no bundle
if (!process.argv.includes('--compile-only'))
  run(process.execPath, [join(root, 'scripts', 'bundle.mjs')], 'bundling the service and the command line');
