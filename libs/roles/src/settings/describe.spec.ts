import { describe, expect, it } from 'vitest';
import { describeSettings } from './describe.js';

const of = (environment: Record<string, string>, name: string) =>
  describeSettings(environment, () => 'plain:rosa:canary-4711').find((one) => one.name === `HIGHWATER_${name}`);

describe('settings as they are shown', () => {
  it('say where each value comes from', () => {
    const environment = { HIGHWATER_DATABASE_URL: 'postgres://u@h/d', HIGHWATER_TOPIC_PREFIX: 'hw' };
    expect(of(environment, 'TOPIC_PREFIX')).toMatchObject({ value: 'hw', origin: 'environment' });
    expect(of(environment, 'LOG_LEVEL')).toMatchObject({ value: 'info', origin: 'default' });
    expect(of(environment, 'FILL_URL')).toMatchObject({ value: 'postgres://u@h/d', origin: 'HIGHWATER_DATABASE_URL' });
    expect(of(environment, 'KAFKA_BROKERS')).toMatchObject({ value: null, origin: 'not set' });
    expect(of({ HIGHWATER_KAFKA_SASL_FILE: '/run/secrets/sasl' }, 'KAFKA_SASL')).toMatchObject({
      value: 'plain:rosa:***',
      origin: 'file /run/secrets/sasl',
    });
  });

  it.each([
    ['DATABASE_URL', 'postgres://u:canary-4711@h:5432/d'],
    ['STREAM_URL', 'postgres://u@h/d?password=canary-4711&sslmode=require'],
    ['DDL_URL', 'postgres://u:canary-4711@[::1]:5432/d'],
    ['STATE_URL', 'host=h password=canary-4711'],
    ['KAFKA_SASL', 'scram-sha-512:rosa:canary-4711:with:colons'],
    ['KAFKA_TLS', '-----BEGIN CERTIFICATE-----canary-4711'],
  ])('never show what is secret in %s', (name, value) => {
    const shown = of({ [`HIGHWATER_${name}`]: value }, name);
    expect(shown?.value).toBeTruthy();
    expect(JSON.stringify(shown)).not.toContain('canary');
  });
});
