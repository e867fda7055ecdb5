// Puts the service and the command line, as compiled, into dist/: each starts in a quarter of the time that its 2,500 files of our own and of others
// take, and needs nothing but this folder. Does nothing while what it was made of is the same.
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist');
const madeOf = 'made-of.json';
const entries = { service: 'apps/service/dist/main.js', highwater: 'apps/cli/dist/main.js' };
const sql = 'libs/target-db/sql';

/** What frameworks look for when it is there; none of it is. Anything else that cannot be found is an error. */
const optional = [
  /^@nestjs\/(microservices|websockets)(\/|$)/,
  'class-validator',
  'class-transformer',
  '@fastify/static',
];

/** Size and time of a file: what a compiler that writes it again changes. */
const stateOf = (file) => {
  const found = statSync(join(root, file), { throwIfNoEntry: false });
  return found && `${found.size} ${found.mtimeMs}`;
};

/** The schema's SQL is read from the disk: from the library's folder by the library, from beside the bundle by the bundle. */
const sqlBesideTheBundle = {
  name: 'sql-beside-the-bundle',
  transform(code, id) {
    if (!id.endsWith('/target-db/dist/install/install-schema.js')) return null;
    const [before, after, ...more] = code.split("'../../sql/'");
    if (after === undefined || more.length > 0) throw new Error(`${id} does not name its SQL as expected`);
    return { code: `${before}'./sql/'${after}` };
  },
};

/** The licences of what is in the bundle: most ask that their text goes along. */
function licences(files) {
  const folders = new Set(files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]).filter(Boolean));
  const notices = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const texts = readdirSync(folder).filter(
      (file) => /^(licen[cs]e|notice|copying)/i.test(file) && statSync(join(folder, file)).isFile(),
    );
    const parts = [`${name} ${version}`, `Licence: ${license ?? 'see its text'}`];
    return [...parts, ...texts.map((file) => readFileSync(join(folder, file), 'utf8').trim())].join('\n\n');
  });
  return `${notices.sort().join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/** Whether the bundle is whole and of what there is now. A list that cannot be read is of a run that was interrupted. */
function isCurrent() {
  if (!Object.keys(entries).every((name) => existsSync(join(out, `${name}.js`)))) return false;
  try {
    return Object.entries(JSON.parse(readFileSync(join(out, madeOf), 'utf8'))).every(
      ([file, state]) => stateOf(file) === state,
    );
  } catch {
    return false;
  }
}

async function write(folder) {
  const beganMs = Date.now();
  // loaded when it is needed: whoever has nothing to bundle does not wait for it
  const { rolldown } = await import('rolldown');
  const made = await rolldown({
    cwd: root,
    input: entries,
    platform: 'node',
    tsconfig: false, // what is bundled is compiled already
    external: optional,
    plugins: [sqlBesideTheBundle],
    onLog(level, log) {
      throw new Error(`${level}: ${log.message}`);
    },
  });
  await made.write({
    dir: folder,
    format: 'esm',
    chunkFileNames: '[name].js',
    // a call site in a log says whose code it is in
    codeSplitting: {
      groups: [
        { name: 'highwater-libs', test: /\/libs\/[^/]+\/dist\//, minShareCount: 2 },
        { name: 'others', test: /\/node_modules\//, minShareCount: 2, priority: 1 },
      ],
    },
  });
  const files = await made.watchFiles;
  await made.close();
  cpSync(join(root, sql), join(folder, 'sql'), { recursive: true });
  writeFileSync(join(folder, 'third-party-licences.txt'), licences(files));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const inputs = [
    ...files.map((file) => relative(root, file)).filter((file) => !file.includes('node_modules')),
    // the folder too: a file that is added changes it
    sql,
    ...readdirSync(join(root, sql)).map((name) => join(sql, name)),
    // what is installed, which may not be what is locked
    'node_modules/.package-lock.json',
    'scripts/bundle.mjs',
  ];
  // what was changed while it was read is read again the next time
  const changed = inputs.some(
    (file) => (statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0) >= beganMs,
  );
  if (!changed)
    writeFileSync(
      join(folder, madeOf),
      JSON.stringify(Object.fromEntries(inputs.map((file) => [file, stateOf(file)]))),
    );
}

// Put in place whole: programs are started from it meanwhile, and whoever interrupts this leaves the bundle that was there.
if (!isCurrent()) {
  const folder = join(root, 'node_modules', `.highwater-bundle-${process.pid}`);
  try {
    await write(folder);
    if (existsSync(out)) renameSync(out, `${folder}-before`);
    renameSync(folder, out);
  } finally {
    for (const left of [folder, `${folder}-before`]) rmSync(left, { recursive: true, force: true });
  }
}
