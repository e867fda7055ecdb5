/** Cuts one direction of a connection into whole messages of its protocol; what is not yet whole waits for the next chunk. */
export interface Framing {
  readonly toServer: (chunk: Buffer) => Buffer[];
  readonly toClient: (chunk: Buffer) => Buffer[];
}

export type Protocol = 'bytes' | 'postgres' | 'kafka';

export const framingOf = (protocol: Protocol): Framing =>
  protocol === 'postgres' ? postgresFraming() : protocol === 'kafka' ? kafkaFraming() : bytesFraming();

/** Without a protocol every chunk is a message. */
const bytesFraming = (): Framing => ({ toServer: (chunk) => [chunk], toClient: (chunk) => [chunk] });

/** `lengthOf` answers the length of the message at the head of what has come, or undefined while that cannot be told. */
function cutter(lengthOf: (pending: Buffer) => number | undefined, seen: (message: Buffer) => void = () => undefined) {
  let parts: Buffer[] = [];
  let have = 0;
  let wanted = 0;
  return (chunk: Buffer): Buffer[] => {
    parts.push(chunk);
    have += chunk.length;
    if (have < wanted) return []; // a large message is joined once, not at every chunk of it
    let pending = parts.length === 1 ? chunk : Buffer.concat(parts, have);
    const messages: Buffer[] = [];
    for (;;) {
      const length = pending.length === 0 ? undefined : lengthOf(pending);
      wanted = length ?? 0;
      if (length === undefined || pending.length < length) break;
      const message = pending.subarray(0, length);
      pending = pending.subarray(length);
      seen(message);
      messages.push(message);
    }
    parts = [pending];
    have = pending.length;
    return messages;
  };
}

const kafkaFraming = (): Framing => {
  const lengthOf = (pending: Buffer) => (pending.length < 4 ? undefined : 4 + pending.readInt32BE(0));
  return { toServer: cutter(lengthOf), toClient: cutter(lengthOf) };
};

const encryptionRequests = new Set([80_877_103, 80_877_104]); // SSLRequest, GSSENCRequest: answered with one byte
const cancelRequest = 80_877_102;

/** Plaintext PostgreSQL: a start-up message without a type, then one byte of type and a length; COPY data too. */
function postgresFraming(): Framing {
  let started = false;
  let singleByteAnswers = 0;
  return {
    toServer: cutter(
      (pending) => {
        if (started) return pending.length < 5 ? undefined : 1 + pending.readInt32BE(1);
        return pending.length < 8 ? undefined : pending.readInt32BE(0);
      },
      (message) => {
        if (started) return;
        const code = message.readInt32BE(4);
        if (encryptionRequests.has(code)) singleByteAnswers += 1;
        else started = code !== cancelRequest;
      },
    ),
    toClient: cutter(
      (pending) => (singleByteAnswers > 0 ? 1 : pending.length < 5 ? undefined : 1 + pending.readInt32BE(1)),
      () => {
        if (singleByteAnswers > 0) singleByteAnswers -= 1;
      },
    ),
  };
}

/** A broker names itself in its answers; the same length with another port leads the client back through the proxy. */
export function readdressBroker(message: Buffer, host: string, from: number, to: number): Buffer {
  const port = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const named = Buffer.concat([Buffer.from(host), port(from)]);
  let at = message.indexOf(named);
  if (at < 0) return message;
  const copy = Buffer.from(message);
  for (; at >= 0; at = copy.indexOf(named, at + named.length)) port(to).copy(copy, at + host.length);
  return copy;
}
