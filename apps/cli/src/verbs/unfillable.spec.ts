import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { runCli } from '../cli.js';

/** A service whose export sends what the test tells it to, when it tells it to. */
let server: ReturnType<typeof createServer> | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((closed) => server?.close(closed) ?? closed(undefined));
});
async function serviceThat(answers: (response: ServerResponse, path: string) => void): Promise<string> {
  server = createServer((request, response) => {
    response.setHeader('content-type', 'application/x-ndjson; charset=utf-8');
    answers(response, request.url ?? '');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const record = (key: string): string =>
  `${JSON.stringify({ table: 'public.item', target: 'tenant', key: [key], reason: 'InputNull', policy: 'hold', sqlstate: null, constraint: null, attempts: 1, firstSeen: '2026-09-05T10:11:12.123Z', lastSeen: '2026-09-05T10:11:12.123Z', entity: null })}\n`;

async function listed(url: string, form: string, onOut: (text: string) => void = () => undefined) {
  let [out, err] = ['', ''];
  const terminal = {
    out: (text: string) => {
      out += text;
      onOut(text);
    },
    err: (text: string) => void (err += text),
    drained: () => Promise.resolve(),
    interactive: false,
  };
  const code = await runCli(
    ['unfillable', 'm', '-o', form, '--server', url],
    terminal,
    {},
    new AbortController().signal,
  );
  return { code, out, err };
}

describe('unfillable', () => {
  it.each(['csv', 'json'])('writes %s rows while the answer is still under way', async (form) => {
    let more: (() => void) | undefined;
    const url = await serviceThat((response) => {
      response.write(record('first'));
      // the end is sent once the first row was written: a client that collects the list would wait for ever
      more = () => response.end(record('last'));
    });
    const { code, out } = await listed(url, form, (text) => {
      if (text.includes('first')) more?.();
    });
    expect(code).toBe(0);
    if (form === 'json') expect(JSON.parse(out)).toMatchObject({ rows: [{ key: ['first'] }, { key: ['last'] }] });
    else expect(out.split('\r\n').map((line) => line.split(',')[2])).toEqual(['key', 'first', 'last', undefined]);
  });

  it('asks once, for the rows that were named', async () => {
    const asked: string[] = [];
    const url = await serviceThat((response, path) => {
      asked.push(path);
      for (let n = 0; n < 3_000; n += 1) response.write(record(String(n)));
      response.end();
    });
    const { out } = await listed(url, 'table');
    expect(out.trimEnd().split('\n')).toHaveLength(3_001);
    expect(asked).toEqual(['/migrations/m/unfillable/export']);
  });

  it.each([
    ['table', 'no unfillable row\n'],
    ['json', '{"rows": []}\n'],
    ['csv', 'table,target,key,reason,policy,sqlstate,constraint,attempts,firstSeen,lastSeen,entity\r\n'],
  ])('says in %s that there is none', async (form, none) => {
    const url = await serviceThat((response) => void response.end());
    expect(await listed(url, form)).toEqual({ code: 0, out: none, err: '' });
  });

  it('takes no half of the list for the list', async () => {
    const url = await serviceThat((response) => {
      response.write(record('first'), () => response.destroy());
    });
    const { code, err } = await listed(url, 'csv');
    expect(code).toBe(5);
    expect(err).toMatch(/error\[HW6302\]: .*broke off/);
  });

  it('writes nothing but the refusal of the service', async () => {
    const url = await serviceThat((response) => {
      response.setHeader('content-type', 'application/problem+json').statusCode = 404;
      response.end(JSON.stringify({ code: 'HW6010', detail: 'no migration "m"' }));
    });
    const { code, out, err } = await listed(url, 'csv');
    expect({ code, out }).toEqual({ code: 64, out: '' });
    expect(err).toContain('no migration "m"');
  });
});
