import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectionConfig, openDatabase } from './database.js';
import type { DatabaseSettings } from './settings.js';

const at = (url: string, more: Partial<DatabaseSettings> = {}): DatabaseSettings => ({
  urls: { stream: url, fill: url, state: url, ddl: url },
  ...more,
});

/** One DER element: tag, length, content. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value, 'latin1'));

/** A certificate for 127.0.0.1 or a name, signed by nobody but itself; made anew for each run, so that no key lies in a file. */
function selfSigned(subject: Buffer): { readonly key: string; readonly cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(0x30, oid('2a8648ce3d040302'));
  const name = der(0x30, der(0x31, der(0x30, oid('550403'), text(0x0c, 'test'))));
  const names = der(0x30, der(0x30, oid('551d11'), der(0x04, der(0x30, subject))));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    algorithm,
    name,
    der(0x30, text(0x17, '200101000000Z'), text(0x17, '491231235959Z')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, names),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey));
  const pem = der(0x30, body, algorithm, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${pem.replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  };
}
const here = selfSigned(der(0x87, Buffer.from([127, 0, 0, 1])));
const elsewhere = selfSigned(text(0x82, 'db.example.com'));

/** What a server of PostgreSQL answers to whoever it knows not: SQLSTATE 28000. */
const unknownUser = ((fields: Buffer) => Buffer.concat([Buffer.from('E'), Buffer.from([0, 0, 0, fields.length + 4]), fields]))(
  Buffer.from('SFATAL\0VFATAL\0C28000\0Mno such user\0\0'),
); // prettier-ignore

/** Speaks as much of the protocol as it takes to be told who comes; with `shown` as its certificate. */
let shown = here;
const told: string[] = [];
const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.once('data', () => {
    socket.write('S');
    const secure = new TLSSocket(socket, { isServer: true, ...shown });
    secure.on('error', () => undefined);
    secure.once('data', (startup: Buffer) => {
      told.push(startup.toString('latin1'));
      secure.end(unknownUser);
    });
  });
});
let url = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `postgres://ada:secret@127.0.0.1:${(server.address() as AddressInfo).port}/app`;
});
afterAll(() => server.close());

async function connect(settings: Partial<DatabaseSettings>): Promise<unknown> {
  const database = openDatabase(at(url, { tls: 'verify-full', ...settings }));
  try {
    await database.state.query('looking', 'select 1');
    throw new Error('this server lets nobody in');
  } catch (error) {
    return error;
  } finally {
    await database.close();
  }
}

it('another host is asked for TLS with a certificate that is checked, whatever its URL says; plaintext needs a word of its own', () => {
  for (const asked of ['disable', 'require', 'no-verify', 'prefer'])
    expect(connectionConfig(at(`postgres://u@db.example.com/d?sslmode=${asked}`), 'state').ssl).toMatchObject({
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      servername: 'db.example.com',
    });
  const plain = at('postgres://u@db.example.com/d', { tls: 'disable' });
  expect(() => connectionConfig(plain, 'state')).toThrow(/without TLS refused/);
  expect(connectionConfig({ ...plain, allowPlaintext: true }, 'state').ssl).toBe(false);
});

it('a certificate that nobody vouches for ends the connection before anything is said', async () => {
  shown = here;
  expect(String(await connect({}))).toMatch(/self-signed certificate/);
  expect(told).toEqual([]);
});

it("so does another host's certificate, of an authority that we know", async () => {
  shown = elsewhere;
  expect(String(await connect({ tlsCa: elsewhere.cert }))).toMatch(/127\.0\.0\.1.*(altnames|cert)/);
  expect(told).toEqual([]);
});

it('the right one, of an authority that we were told of, is spoken to', async () => {
  shown = here;
  expect(await connect({ tlsCa: here.cert })).toMatchObject({ context: { sqlstate: '28000' } });
  expect(told).toEqual([expect.stringContaining('ada') as string]);
});
