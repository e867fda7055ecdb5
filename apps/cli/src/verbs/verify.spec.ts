import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { runCli } from '../cli.js';

let server: ReturnType<typeof createServer> | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((closed) => server?.close(closed) ?? closed(undefined));
});

const mismatch = (key: string) => ({
  table: 'public.item', target: 'tenant', key: [key], sqlstate: null, kept: null, foundAt: '2026-09-05T10:11:12.123Z',
}); // prettier-ignore
const last = { at: '2026-09-05T10:11:12.123Z', checked: 9, mismatches: 3, assertions: [], tables: [] };

/** A service with these pages of mismatches, each found by the cursor that the one before it gave. */
async function list(form: string, pages: readonly (readonly string[])[]) {
  const asked: string[] = [];
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const url = new URL(request.url ?? '', 'http://here');
    const cursor = Number(url.searchParams.get('cursor')?.replace('at/', '') ?? 0);
    const mismatches = (pages[cursor] ?? []).map(mismatch);
    const nextCursor = cursor + 1 < pages.length ? `at/${cursor + 1}` : null;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ migration: 'm', entities: [], last, running: null, mismatches, nextCursor }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  let out = '';
  const terminal = {
    out: (text: string) => void (out += text),
    err: () => undefined,
    drained: () => Promise.resolve(),
    interactive: false,
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ['verify', 'm', '--list', '-o', form, '--server', url];
  const code = await runCli(args, terminal, {}, new AbortController().signal);
  return { code, out, asked };
}

describe('verify --list', () => {
  it('asks for each page by where the last one ended', async () => {
    const { code, out, asked } = await list('json', [['a', 'b'], ['c'], []]);
    expect(code).toBe(2);
    expect(asked).toEqual([
      '/migrations/m/verification?limit=1000',
      '/migrations/m/verification?limit=1000&cursor=at%2F1',
      '/migrations/m/verification?limit=1000&cursor=at%2F2',
    ]);
    expect(JSON.parse(out)).toEqual({
      migration: 'm',
      entities: [],
      last,
      running: null,
      mismatches: ['a', 'b', 'c'].map(mismatch),
    });
  });

  it('is the summary and a table for a person, and the columns alone for a program', async () => {
    const { out } = await list('table', [['a'], ['c']]);
    expect(out).toMatch(/^2026\S+: 9 rows compared, 3 hold another value than their rule gives\n\nTABLE +TARGET/);
    expect(out.trimEnd().split('\n')).toHaveLength(5);
    expect((await list('table', [[]])).out.split('\n')).toHaveLength(2);
    expect((await list('csv', [[]])).out).toBe('table,target,key,sqlstate,kept,foundAt\r\n');
  });
});
