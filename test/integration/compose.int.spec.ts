import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

type Service = Readonly<Record<string, unknown>>;
const composeFile = () => parse(read('../../docker-compose.yml')) as { readonly services: Record<string, Service> };

/** What the schema has against a document. */
function check(document: unknown): string[] {
  const schema = JSON.parse(read('../compose/compose-spec.json')) as Record<string, unknown>;
  delete schema['$schema']; // draft 7 under an address (https) that Ajv does not know it by
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const valid = ajv.compile(schema);
  return valid(document)
    ? []
    : (valid.errors ?? []).map((error) => `${error.instancePath || '/'} ${error.message ?? ''}`);
}

describe('docker-compose.yml', () => {
  it('matches the compose specification', () => {
    expect(check(composeFile())).toEqual([]);
  });

  it.each<[string, Service]>([
    ['an unknown key of a service', { restarts: 'always' }],
    ['a port list that is a map', { ports: { '8080': '8080' } }],
    ['a health check without words', { healthcheck: { test: 1 } }],
    ['a condition that is none', { depends_on: { kafka: { condition: 'up' } } }],
  ])('the schema refuses %s', (_what, spoiled) => {
    const { services } = composeFile();
    expect(check({ services: { ...services, highwater: { ...services['highwater'], ...spoiled } } })).not.toEqual([]);
  });

  it('publishes nothing but the service, and that on the loopback interface', () => {
    const { services } = composeFile();
    const published = Object.entries(services).flatMap(([name, service]) =>
      ((service['ports'] ?? []) as string[]).map((port) => `${name} ${port}`),
    );
    expect(published).toEqual(['highwater 127.0.0.1:8080:8080']);
  });
});
