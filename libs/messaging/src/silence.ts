import net from 'node:net';
import tls from 'node:tls';
import type { KafkaConfig } from 'kafkajs';

type SocketFactory = NonNullable<KafkaConfig['socketFactory']>;

/** Ends the connection of a broker that owes us something and has said nothing for so long; one that is owed nothing may be silent. */
export const silenceMsMax = 15_000;
const keepAliveMs = 10_000;

/**
 * Sockets for kafkajs that end when a firewall has forgotten them. kafkajs gives up a request after its time and asks again on the same
 * connection, for as long as TCP tries, a quarter of an hour (kafkajs #1466); an error of the socket makes it connect anew.
 */
export const boundedSockets =
  (silentMs = silenceMsMax): SocketFactory =>
  ({ host, port, ssl, onConnect }) => {
    const socket = ssl
      ? tls.connect({ host, port, ...(net.isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
      : net.connect({ host, port }, onConnect);
    socket.setKeepAlive(true, keepAliveMs);
    endWhenSilent(socket, silentMs);
    return socket;
  };

/** Every request is answered (acks are never 0), so whoever has written since the last byte came waits for one. */
export function endWhenSilent(socket: net.Socket, silentMs: number): void {
  let waitsSince: number | undefined;
  const { write } = socket;
  socket.write = ((...given: Parameters<typeof write>) => {
    waitsSince ??= performance.now();
    return write.apply(socket, given);
  }) as typeof write;
  socket.on('data', () => (waitsSince = undefined));
  const timer = setInterval(
    () => {
      if (waitsSince !== undefined && performance.now() - waitsSince > silentMs)
        socket.destroy(new Error(`connection terminated: the broker was silent for ${Math.round(silentMs / 1_000)} s`));
    },
    Math.max(50, silentMs / 10),
  ).unref();
  socket.on('close', () => clearInterval(timer));
}
