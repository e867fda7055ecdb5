import { describe, expect, it } from 'vitest';
import { exportedAs, exportFormats } from './formats.js';
import { schemaChange } from './schema-change.js';

const table = 'app."O""rders"';
const made = [
  { kind: 'notNull', table, ident: '"tenantId"', definition: '' },
  { kind: 'policy', table, ident: 'isolation', definition: `using ("tenantId" = 'a?b')` },
  { kind: 'index', table, ident: 'idx', definition: `CREATE INDEX idx ON ${table} USING btree ("tenantId")` },
  { kind: 'rowSecurity', table, ident: '""', definition: '' },
  { kind: 'constraint', table, ident: 'fk', definition: 'FOREIGN KEY ("tenantId") REFERENCES app.tenants(id)' },
  { kind: 'column', table, ident: '"tenantId"', definition: 'uuid' },
] as const;
const input = {
  migration: 'price-history',
  change: schemaChange(made),
  at: new Date('2026-03-04T05:06:07.089Z'),
  sha256: (text: string) => `sha of ${text.length}`,
  history: undefined,
};

describe('schemaChange', () => {
  it('makes in the order of need and takes back in reverse', () => {
    expect(input.change).toEqual({
      up: [
        `alter table ${table} add column "tenantId" uuid`,
        `alter table ${table} add constraint fk FOREIGN KEY ("tenantId") REFERENCES app.tenants(id)`,
        `CREATE INDEX idx ON ${table} USING btree ("tenantId")`,
        `alter table ${table} alter column "tenantId" set not null`,
        `alter table ${table} enable row level security`,
        `create policy isolation on ${table} using ("tenantId" = 'a?b')`,
      ],
      down: [
        `drop policy isolation on ${table}`,
        `alter table ${table} disable row level security`,
        `alter table ${table} alter column "tenantId" drop not null`,
        `drop index app.idx`,
        `alter table ${table} drop constraint fk`,
        `alter table ${table} drop column "tenantId"`,
      ],
    });
  });
});

describe('exportedAs', () => {
  it.each(exportFormats)('%s names its files after the moment, the same each time', (format) => {
    const { files } = exportedAs(format, input);
    expect(exportedAs(format, input).files).toEqual(files);
    expect(files[0]?.path).toMatch(/^(20260304050607_price_history|1772600767089-PriceHistory)/);
  });

  it('knex: a question mark is none of its bindings', () => {
    expect(exportedAs('knex', input).files[0]?.text).toContain(String.raw`'a\\?b'`);
  });

  it("writes into the tool's own table, under the team's name for it", () => {
    const history = {
      tool: 'knex',
      schema: 'ops',
      name: 'runs',
      ident: 'ops.runs',
      migrations: [],
      locked: false,
      unreadable: null,
    } as const;
    expect(exportedAs('knex', { ...input, history }).markApplied[0]?.command).toContain('insert into ops.runs (name');
  });

  it('prisma: no semicolon but at the ends of statements', () => {
    const [file] = exportedAs('prisma', input).files;
    for (const line of file?.text.split('\n') ?? []) expect(line.slice(0, -1)).not.toContain(';');
  });
});
