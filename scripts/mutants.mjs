// Proves that the protections are tested: applies each patch of test/mutants/ (one protection taken out) to a copy of the project and
// expects the named test to go red. A mutant that stays green is a hole in the tests and makes the run fail.
//
//   npm run mutants             all of them
//   npm run mutants -- 01 gate  those whose file name contains one of the words
//   npm run mutants -- --check  runs no test: names the patches that no longer apply, within seconds
//
// A patch starts with lines `# test: <spec file>` (and `-t <name>` after it, optional) and `# takes out: <what>`. `# says: <word>` asks for
// a certain failure: the word must stand in its message, a test that is red for another reason kills nothing.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'test', 'mutants');
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const checkOnly = process.argv.includes('--check');
const patches = readdirSync(folder)
  .filter((name) => name.endsWith('.patch') && (words.length === 0 || words.some((word) => name.includes(word))))
  .sort();
if (patches.length === 0) {
  console.error(`no mutant matches ${words.join(', ')}; there are: ${readdirSync(folder).join(', ')}`);
  process.exit(64);
}

/** node_modules by links, with our own packages pointing into the copy: a mutant must not test the original. */
function linkDependencies(copy) {
  const from = join(root, 'node_modules');
  const to = join(copy, 'node_modules');
  mkdirSync(to);
  for (const name of readdirSync(from)) if (name !== '@highwater') symlinkSync(join(from, name), join(to, name));
  mkdirSync(join(to, '@highwater'));
  for (const kind of ['libs', 'apps'])
    for (const name of readdirSync(join(copy, kind))) {
      symlinkSync(join(copy, kind, name), join(to, '@highwater', name));
      const own = join(root, kind, name, 'node_modules');
      if (existsSync(own)) symlinkSync(own, join(copy, kind, name, 'node_modules'));
    }
}

/** Vitest's global setup does not know the source condition: it takes the local stack, which no mutant changes, as built here. */
function linkStack(copy) {
  for (const name of ['kernel', 'local-stack']) {
    const dist = join(root, 'libs', name, 'dist');
    if (existsSync(dist)) symlinkSync(dist, join(copy, 'libs', name, 'dist'));
  }
}

function copyProject() {
  const copy = mkdtempSync(join(tmpdir(), 'highwater-mutant-'));
  const listed = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  for (const file of listed.stdout.split('\n').filter((name) => name && existsSync(join(root, name)))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  linkDependencies(copy);
  return copy;
}

const header = (text, name) => text.match(new RegExp(`^# ${name}: (.+)$`, 'm'))?.[1];

function run(name) {
  const text = readFileSync(join(folder, name), 'utf8');
  const test = header(text, 'test');
  const what = header(text, 'takes out');
  if (!test || !what)
    return { name, what: what ?? '?', verdict: 'BROKEN', why: 'the patch lacks its "# test:" or "# takes out:" line' };
  const copy = copyProject();
  try {
    if (header(text, 'build') !== 'yes') linkStack(copy);
    const applied = spawnSync('git', ['apply', '--recount', '--unidiff-zero', join(folder, name)], {
      cwd: copy,
      encoding: 'utf8',
      env: { ...process.env, GIT_DIR: join(copy, '.nogit'), GIT_CEILING_DIRECTORIES: dirname(copy) },
    });
    if (applied.status !== 0)
      return {
        name,
        what,
        verdict: 'BROKEN',
        why: `the patch does not apply: ${applied.stderr.trim().split('\n')[0]}`,
      };
    if (header(text, 'build') === 'yes') {
      const built = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b'], {
        cwd: copy,
        encoding: 'utf8',
      });
      if (built.status !== 0)
        return { name, what, verdict: 'BROKEN', why: `it does not compile: ${built.stdout.trim().split('\n')[0]}` };
      const bundled = spawnSync(process.execPath, [join(copy, 'scripts', 'bundle.mjs')], {
        cwd: copy,
        encoding: 'utf8',
      });
      if (bundled.status !== 0)
        return {
          name,
          what,
          verdict: 'BROKEN',
          why: `it cannot be bundled: ${bundled.stderr.trim().split('\n').at(-1)}`,
        };
    }
    const [file, ...rest] = test.split(/\s+-t\s+/);
    const args = [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      file,
      ...(rest.length > 0 ? ['-t', rest.join(' ')] : []),
      '--reporter=json',
    ];
    const tested = spawnSync(process.execPath, args, {
      cwd: copy,
      encoding: 'utf8',
      // most mutants are seen by what never comes
      env: { HIGHWATER_TEST_PATIENCE_MS: '30000', ...process.env },
      timeout: 600_000,
      maxBuffer: 64 << 20,
    });
    let report;
    try {
      report = JSON.parse(tested.stdout.slice(tested.stdout.indexOf('{"')));
    } catch {
      return {
        name,
        what,
        verdict: 'BROKEN',
        why: `the runner printed no report: ${tested.stderr.trim().split('\n').at(-1) ?? ''}`,
      };
    }
    if (report.numTotalTests === 0) return { name, what, verdict: 'BROKEN', why: 'no test ran' };
    if (report.numFailedTests === 0)
      return { name, what, verdict: 'SURVIVED', why: `${report.numPassedTests} tests stayed green` };
    const failed = report.testResults
      .flatMap((result) => result.assertionResults)
      .find((one) => one.status === 'failed');
    const says = header(text, 'says');
    const message = failed.failureMessages[0] ?? '';
    if (says && !message.includes(says))
      return { name, what, verdict: 'SURVIVED', why: `red, but ${says} was not said: ${message.split('\n')[0]}` };
    return {
      name,
      what,
      verdict: 'killed',
      why: `${failed.title}: ${message.split('\n')[0]}`.slice(0, 200),
    };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

if (checkOnly) {
  const stale = patches.filter(
    (name) =>
      spawnSync('git', ['apply', '--check', '--recount', '--unidiff-zero', join(folder, name)], { cwd: root })
        .status !== 0,
  );
  for (const name of stale) console.error(`${name} does not apply any more`);
  console.log(`${patches.length - stale.length} of ${patches.length} patches apply`);
  process.exit(stale.length === 0 ? 0 : 1);
}

const results = [];
for (const name of patches) {
  const result = run(name);
  results.push(result);
  console.log(`${result.verdict.padEnd(8)} ${name}: without ${result.what}\n         ${result.why}`);
}
const killed = results.filter((result) => result.verdict === 'killed').length;
console.log(`${killed} of ${results.length} mutants killed`);
process.exit(killed === results.length ? 0 : 1);
