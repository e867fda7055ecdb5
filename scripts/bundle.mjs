// Puts the service and the command line, as compiled, into dist/: each starts in a quarter of the time that its 2,500 files of our own and of others
// take, and needs nothing but this folder. Does nothing while what it was made of is the same.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist');
const madeOf = join(out, 'made-of.json');
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

export async function bundle() {
  const known = existsSync(madeOf) ? JSON.parse(readFileSync(madeOf, 'utf8')) : {};
  if (Object.keys(known).length > 0 && Object.entries(known).every(([file, state]) => stateOf(file) === state)) return;
  // loaded when it is needed: whoever has nothing to bundle does not wait for it
  const { rolldown } = await import('rolldown');
  rmSync(out, { recursive: true, force: true });
  const made = await rolldown({
    cwd: root,
    input: entries,
    platform: 'node',
    external: optional,
    plugins: [sqlBesideTheBundle],
    onLog(level, log) {
      throw new Error(`${level}: ${log.message}`);
    },
  });
  await made.write({
    dir: out,
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
  cpSync(join(root, sql), join(out, 'sql'), { recursive: true });
  const inputs = [
    ...files.map((file) => relative(root, file)).filter((file) => !file.includes('node_modules')),
    ...readdirSync(join(root, sql)).map((name) => join(sql, name)),
    'package-lock.json',
    'scripts/bundle.mjs',
  ];
  writeFileSync(join(out, 'third-party-licences.txt'), licences(files));
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(madeOf, JSON.stringify(Object.fromEntries(inputs.map((file) => [file, stateOf(file)])), null, 1));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();
