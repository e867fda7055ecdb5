import js from '@eslint/js';
import tseslint from 'typescript-eslint';

// Who may import whom stands here once; test/architecture.spec.ts proves that the rule bites.
const pureLibs = ['kernel', 'plan', 'derivation', 'migration', 'sweep', 'change-stream'];
const ioLibs = ['event-store', 'target-db', 'messaging'];
const apps = ['service', 'cli', 'console'];

/** Imports that would pull a framework, a driver or the operating system into a pure lib. */
const impure = ['node:*', 'pg', 'pg-*', 'kafkajs', 'typeorm', '@nestjs/*', 'pino', 'prom-client', 'rxjs'];
/** Each I/O lib owns its driver; nobody else touches it. */
const drivers = {
  'event-store': ['typeorm', 'pg'],
  'target-db': ['pg', 'pg-*'],
  messaging: ['kafkajs', 'cloudevents'],
};

const restrict = (patterns, message) => ({
  'no-restricted-imports': ['error', { patterns: [{ group: patterns, message }] }],
});

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'coverage/**', '**/*.generated.*'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  {
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        Buffer: 'readonly',
        fetch: 'readonly',
        AbortController: 'readonly',
        AbortSignal: 'readonly',
        performance: 'readonly',
      },
    },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-non-null-assertion': 'error',
      eqeqeq: ['error', 'always'],
    },
  },
  {
    files: pureLibs.map((lib) => `libs/${lib}/src/**/*.ts`),
    ignores: ['**/*.spec.ts'],
    rules: restrict(
      [
        ...impure,
        ...ioLibs.map((lib) => `@highwater/${lib}`),
        '@highwater/telemetry',
        '@highwater/roles',
        '@highwater/local-stack',
      ],
      'a pure lib decides on data it is given: no framework, driver, node:* or I/O lib',
    ),
  },
  ...ioLibs.map((lib) => ({
    files: [`libs/${lib}/src/**/*.ts`],
    ignores: ['**/*.spec.ts'],
    rules: restrict(
      [
        ...ioLibs.filter((other) => other !== lib).map((other) => `@highwater/${other}`),
        '@highwater/roles',
        '@highwater/local-stack',
        ...Object.entries(drivers)
          .filter(([owner]) => owner !== lib)
          .flatMap(([, names]) => names)
          .filter((name, index, all) => !drivers[lib].includes(name) && all.indexOf(name) === index),
      ],
      'I/O libs do not import each other (telemetry excepted), and each owns its driver',
    ),
  })),
  {
    files: ['libs/roles/src/**/*.ts', ...apps.map((app) => `apps/${app}/src/**/*.ts`)],
    ignores: ['**/*.spec.ts'],
    rules: restrict(
      ['pg', 'pg-*', 'kafkajs', 'typeorm', '@highwater/local-stack', ...apps.map((app) => `@highwater/app-${app}`)],
      'drivers belong to the I/O libs; apps never import apps; the product never imports the dev stack',
    ),
  },
);
