import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const pure = ['kernel', 'plan', 'derivation', 'migration', 'sweep', 'change-stream'];
const io = ['event-store', 'target-db', 'messaging'];
const driverOwner: Record<string, readonly string[]> = {
  pg: ['target-db', 'event-store', 'local-stack'],
  'pg-logical-replication': ['target-db'],
  kafkajs: ['messaging', 'local-stack'],
  typeorm: ['event-store'],
};

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (name === 'node_modules' || name === 'dist') return [];
    if (statSync(path).isDirectory()) return sources(path);
    return /\.ts$/.test(name) && !/\.spec\.ts$/.test(name) ? [path] : [];
  });
}

/** Static imports and re-exports (the line that names the module), side-effect imports, dynamic imports. */
const importLine = /^(?:import|export|\})[^'\n]*? from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm;
const importsOf = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(importLine)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

const libs = readdirSync(join(root, 'libs')).filter((name) => statSync(join(root, 'libs', name)).isDirectory());
const apps = readdirSync(join(root, 'apps')).filter((name) => statSync(join(root, 'apps', name)).isDirectory());

describe('architecture', () => {
  it.each(pure)('libs/%s is pure: it imports neither node:*, driver, framework nor an I/O lib', (lib) => {
    const allowed = new Set([...pure.map((name) => `@highwater/${name}`), 'zod', 'yaml']);
    const foreign = sources(join(root, 'libs', lib, 'src')).flatMap((file) =>
      importsOf(file)
        .filter((name) => !name.startsWith('.') && !allowed.has(name))
        .map((name) => `${relative(root, file)} imports ${name}`),
    );
    expect(foreign).toEqual([]);
  });

  it.each(io)('libs/%s imports no other I/O lib', (lib) => {
    const others = new Set(
      [...io.filter((name) => name !== lib), 'roles', 'local-stack'].map((name) => `@highwater/${name}`),
    );
    const wrong = sources(join(root, 'libs', lib, 'src')).flatMap((file) =>
      importsOf(file)
        .filter((name) => others.has(name))
        .map((name) => `${relative(root, file)} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('each driver is touched by its owner alone', () => {
    const wrong = [
      ...libs.map((name) => ['libs', name] as const),
      ...apps.map((name) => ['apps', name] as const),
    ].flatMap(([kind, name]) =>
      sources(join(root, kind, name, 'src')).flatMap((file) =>
        importsOf(file)
          .filter(
            (imported) =>
              driverOwner[imported] !== undefined && !(kind === 'libs' && driverOwner[imported].includes(name)),
          )
          .map((imported) => `${relative(root, file)} imports ${imported}`),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('apps import no app', () => {
    const wrong = apps.flatMap((app) =>
      sources(join(root, 'apps', app, 'src')).flatMap((file) =>
        importsOf(file).filter(
          (name) => name.includes('apps/') || apps.some((other) => name === `@highwater/${other}`),
        ),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('every import of a lib goes through its index and is declared in package.json', () => {
    const wrong = [...libs.map((name) => join('libs', name)), ...apps.map((name) => join('apps', name))].flatMap(
      (place) => {
        const declared = new Set(
          Object.keys(
            (JSON.parse(readFileSync(join(root, place, 'package.json'), 'utf8')) as { dependencies?: object })
              .dependencies ?? {},
          ),
        );
        return sources(join(root, place, 'src')).flatMap((file) =>
          importsOf(file)
            .filter((name) => name.startsWith('@highwater/') && !declared.has(name))
            .map((name) => `${relative(root, file)} imports ${name}`),
        );
      },
    );
    expect(wrong).toEqual([]);
  });

  it('no folder is called by a word that says nothing', () => {
    const empty = new Set(['utils', 'common', 'helpers', 'core', 'shared', 'services', 'types', 'misc']);
    const folders = [...libs, ...apps].concat(
      [...libs.map((name) => join('libs', name, 'src')), ...apps.map((name) => join('apps', name, 'src'))].flatMap(
        (place) => readdirSync(join(root, place)).filter((name) => statSync(join(root, place, name)).isDirectory()),
      ),
    );
    expect(folders.filter((name) => empty.has(name))).toEqual([]);
  });

  it('nest-cli.json and tsconfig.json name every lib and app, each with the folders it says', () => {
    const nest = JSON.parse(readFileSync(join(root, 'nest-cli.json'), 'utf8')) as {
      projects: Record<string, { root: string; sourceRoot: string; compilerOptions: { tsConfigPath: string } }>;
    };
    const places = [...libs.map((name) => `libs/${name}`), ...apps.map((name) => `apps/${name}`)].sort();
    expect(
      Object.values(nest.projects)
        .map((project) => project.root)
        .sort(),
    ).toEqual(places);
    for (const project of Object.values(nest.projects)) {
      expect(statSync(join(root, project.sourceRoot)).isDirectory()).toBe(true);
      expect(statSync(join(root, project.compilerOptions.tsConfigPath)).isFile()).toBe(true);
    }
    const references = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as {
      references: { path: string }[];
    };
    expect(references.references.map((reference) => reference.path).sort()).toEqual([...places, 'examples'].sort());
  });

  it('an example knows its own team alone: of ours it imports nothing but what examples build upon', () => {
    const allowed = new Set(['@highwater/local-stack/example', 'pg']);
    const foreign = sources(join(root, 'examples')).flatMap((file) =>
      importsOf(file)
        .filter((name) => !name.startsWith('./') && !name.startsWith('node:') && !allowed.has(name))
        .map((name) => `${relative(root, file)} imports ${name}`),
    );
    expect(foreign).toEqual([]);
  });
});
