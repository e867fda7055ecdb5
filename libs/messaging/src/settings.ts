import { Kafka, logLevel, type KafkaConfig, type SASLOptions } from 'kafkajs';
import { HighwaterError } from '@highwater/kernel';
import { messagingCodes } from './codes.js';
import { boundedSockets, silenceMsMax } from './silence.js';

export interface KafkaSettings {
  /** `host:port`, from HIGHWATER_KAFKA_BROKERS. */
  readonly brokers: readonly string[];
  /** Shown in the broker's logs and quotas. */
  readonly clientId: string;
  /** First part of every topic and group of ours; default `highwater`. */
  readonly topicPrefix: string;
  /** HIGHWATER_KAFKA_TLS: PEM of the authority, or true for the system's. Certificates are always verified. */
  readonly ssl?: boolean | { readonly ca: string };
  /** HIGHWATER_KAFKA_SASL. */
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
}

/** Names of one migration's topics and group. */
export const topicNames = (
  prefix: string,
  migration: string,
): { hints: string; deadLetter: string; group: string } => ({
  hints: `${prefix}.${migration}.hints`,
  deadLetter: `${prefix}.${migration}.dead-letter`,
  group: `${prefix}.${migration}.filler`,
});

/** Where kafkajs' own log goes: what it calls an error is mostly a retry of its own, so it is detail for us. */
export interface KafkaLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Retries of one request: about 5 s, then the caller decides (the relay reconnects, the slot keeps the WAL). */
const retry = { initialRetryTime: 100, retries: 6, maxRetryTime: 2_000 };

/** A client; connects to nothing yet. `silentMs`: what a broker may take to answer; more than any request of this client takes. */
export function kafkaClient(settings: KafkaSettings, log?: KafkaLog, silentMs = silenceMsMax): Kafka {
  if (settings.sasl?.mechanism === 'plain' && !settings.ssl)
    throw new HighwaterError(
      messagingCodes.plainPassword,
      'never',
      'SASL mechanism plain without TLS refused; the password would travel in the clear',
      { brokers: settings.brokers },
      'set HIGHWATER_KAFKA_TLS, or use scram-sha-512',
    );
  const config: KafkaConfig = {
    brokers: [...settings.brokers],
    clientId: settings.clientId,
    connectionTimeout: 3_000,
    requestTimeout: 15_000,
    socketFactory: boundedSockets(silentMs),
    retry,
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => log?.debug({ namespace: entry.namespace }, entry.log.message),
    ...(settings.ssl
      ? { ssl: settings.ssl === true ? true : { rejectUnauthorized: true, ca: [settings.ssl.ca] } }
      : {}),
    ...(settings.sasl ? { sasl: { ...settings.sasl } as SASLOptions } : {}),
  };
  return new Kafka(config);
}
