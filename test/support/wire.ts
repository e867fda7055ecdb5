import { createServer, connect, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A TCP relay in front of a server that can make a client freeze or die at one message of its own. */
export interface Wire {
  /** The same URL, by way of this relay. */
  readonly url: string;
  /** From the next chunk that contains `text` on, which still passes, nothing of that client reaches the server any more. */
  freezeAfter(text: string): void;
  /** Passes the next chunk that contains `text`, then cuts that client off: the server meets a closed connection, the client a reset. */
  cutAfter(text: string): void;
  /** How often the text armed last was met. */
  readonly met: () => number;
  close(): Promise<void>;
}

export async function openWire(url: string): Promise<Wire> {
  const target = new URL(url);
  const open = new Set<Socket>();
  let armed: { text: string; how: 'freeze' | 'cut' } | undefined;
  let met = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let frozen = false;
    let cut = false;
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => open.delete(socket));
    }
    client.on('data', (chunk: Buffer) => {
      if (frozen) return;
      const hit = armed && chunk.includes(armed.text) ? armed : undefined;
      if (hit) {
        armed = undefined;
        met += 1;
        frozen = true;
      }
      upstream.write(chunk, () => {
        if (hit?.how !== 'cut') return;
        cut = true;
        upstream.end(); // the server reads the whole message before it meets the end
        client.destroy();
      });
    });
    upstream.on('data', (chunk: Buffer) => {
      if (!frozen) client.write(chunk);
    });
    client.on('close', () => {
      if (!cut) upstream.destroy();
    });
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const arm = (how: 'freeze' | 'cut') => (text: string) => {
    armed = { text, how };
    met = 0;
  };
  return {
    url: Object.assign(new URL(url), { hostname: '127.0.0.1', port: String((server.address() as AddressInfo).port) })
      .href,
    freezeAfter: arm('freeze'),
    cutAfter: arm('cut'),
    met: () => met,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
