import type { Brand } from './brand.js';

/** Byte position in WAL (https://www.postgresql.org/docs/current/datatype-pg-lsn.html). `X/Y` on the wire, bigint in arithmetic. */
export type Lsn = Brand<bigint, 'Lsn'>;

const pattern = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

export const lsn = (value: bigint): Lsn => value as Lsn;
export const zeroLsn = lsn(0n);

export function parseLsn(text: string): Lsn {
  const match = pattern.exec(text);
  if (!match) throw new Error(`not an LSN: "${text}"; expected the form 16/B374D848`);
  return lsn((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`));
}

export const formatLsn = (value: Lsn): string =>
  `${(value >> 32n).toString(16).toUpperCase()}/${(value & 0xffffffffn).toString(16).toUpperCase()}`;
