import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { describe, expect, inject, it } from 'vitest';
import { startKafka, startPostgres } from '@highwater/local-stack';
import { brokers, majors, usePostgres, waitFor } from '../support/stack.js';

const query = async (url: string, text: string) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<Record<string, unknown>>(text);
  await client.end();
  return rows;
};

const listens = (host: string, port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => undefined).unref();
    socket.once('connect', () => socket.destroy());
  });

describe.each(majors)('embedded PostgreSQL %i', (major) => {
  const { server, freshDatabase } = usePostgres({ major });

  it('is what the product needs: logical WAL, bounded retention, UTF8 in C', async () => {
    const [facts] = await query(
      await freshDatabase(),
      `select current_setting('wal_level') as wal, current_setting('max_slot_wal_keep_size') as keep,
              current_setting('server_version_num')::int / 10000 as major,
              (select pg_encoding_to_char(encoding) || ' ' || datcollate from pg_database where datname = current_database()) as text`,
    );
    expect(facts).toEqual({ wal: 'logical', keep: '4GB', major, text: 'UTF8 C' });
  });

  it('keeps committed rows over a crash and a polite restart', async () => {
    const url = await freshDatabase();
    await query(url, 'create table kept as select 1 as n');
    await server().restart?.('immediate');
    expect(await query(url, 'select n from kept')).toEqual([{ n: 1 }]);
    await server().restart?.('fast');
    expect(await query(url, 'select n from kept')).toEqual([{ n: 1 }]);
  });
});

it('says why a server did not start', async () => {
  await expect(startPostgres({ settings: { wal_level: 'nonsense' } })).rejects.toMatchObject({
    code: 'HW9701',
    message: expect.stringContaining('invalid value for parameter "wal_level"') as string,
  });
});

it('a given server gets databases of our own only, and loses them again, slots included', async () => {
  const owner = await startPostgres({ settings: { fsync: 'off' } });
  process.env['HIGHWATER_DATABASE_URL'] = owner.superuserUrl;
  try {
    const given = await startPostgres();
    expect(given).toMatchObject({ owned: false, port: owner.port, major: owner.major });
    const url = await given.createDatabase('postgres'); // a name that is taken is no collision
    await query(url, `select pg_create_logical_replication_slot('left_behind', 'pgoutput')`);
    await given.stop();
    const left = await query(owner.superuserUrl, `select datname from pg_database where not datistemplate order by 1`);
    expect(left).toEqual([{ datname: 'postgres' }]);
  } finally {
    delete process.env['HIGHWATER_DATABASE_URL'];
    await owner.stop();
  }
});

it('names the three ways when no Kafka can be had', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  try {
    await expect(startKafka()).rejects.toMatchObject({
      code: 'HW9702',
      help: 'set HIGHWATER_KAFKA_BROKERS=host:port, or start Docker, or install Java 17 and Maven',
    });
  } finally {
    process.env['PATH'] = path;
  }
});

it('names a given broker that does not answer', async () => {
  process.env['HIGHWATER_KAFKA_BROKERS'] = '127.0.0.1:1';
  try {
    await expect(startKafka()).rejects.toMatchObject({ code: 'HW9702', context: { brokers: ['127.0.0.1:1'] } });
  } finally {
    delete process.env['HIGHWATER_KAFKA_BROKERS'];
  }
});

it('gives every spec the same broker', async () => {
  expect(inject('shared')).toMatch(/^http/);
  expect(await brokers()).toEqual(await brokers());
});

it('a run that is killed leaves no server and no folder behind', async () => {
  const built = pathToFileURL(fileURLToPath(new URL('../../libs/local-stack/dist/index.js', import.meta.url))).href;
  const script = fileURLToPath(new URL('../support/stack-child.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, built], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const up = JSON.parse(line[0]) as { port: number; dataDirectory: string; brokers: string[] };
  const [host = '', port = ''] = (up.brokers[0] ?? '').split(':');
  expect(await listens('127.0.0.1', up.port)).toBe(true);
  expect(await listens(host, Number(port))).toBe(true);

  child.kill('SIGKILL');

  await waitFor('PostgreSQL to be gone', async () => !(await listens('127.0.0.1', up.port)));
  await waitFor('Kafka to be gone', async () => !(await listens(host, Number(port))));
  await waitFor('the data folder to be gone', () => !existsSync(dirname(up.dataDirectory)));
});
