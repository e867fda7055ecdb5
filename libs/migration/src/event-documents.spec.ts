import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { asyncApiDocument, cloudEventType, eventJsonSchemas } from './event-documents.js';
import { eventTypes } from './events.js';

const committed = new URL('../../../docs/events/', import.meta.url);
const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(new URL(name, committed), 'utf8'));
const rewrite = 'run `npm run build && node scripts/write-event-documents.mjs`';

describe('documents of the events', () => {
  it('names types in kebab case', () => {
    expect(cloudEventType('CutoverOutcomeUnknown')).toBe('dev.highwater.migration.cutover-outcome-unknown.v1');
    expect(cloudEventType('Planned')).toBe('dev.highwater.migration.planned.v1');
  });

  it('has committed schemas that are what the definitions give', async () => {
    const schemas = eventJsonSchemas();
    const files = (await readdir(new URL('schemas/', committed))).sort();
    expect(files, rewrite).toEqual(
      Object.keys(schemas)
        .map((name) => `${name}.schema.json`)
        .sort(),
    );
    for (const [name, schema] of Object.entries(schemas)) {
      expect(await read(`schemas/${name}.schema.json`), rewrite).toEqual(JSON.parse(JSON.stringify(schema)));
    }
  });

  it('has a committed AsyncAPI document that is what the definitions give', async () => {
    expect(await read('asyncapi.json'), rewrite).toEqual(JSON.parse(JSON.stringify(asyncApiDocument())));
  });

  it('lets a consumer of today read events that have grown', () => {
    for (const schema of Object.values(eventJsonSchemas()))
      expect(JSON.stringify(schema)).not.toContain('"additionalProperties":false');
  });

  it('describes every event of the contract once', () => {
    const contract =
      'Planned PreflightPassed PreflightFailed Expanded StreamOpened StreamBroken SweepStarted SweepCompleted Bridged Paused Resumed ' +
      'Halted LimitsChanged VerificationCompleted BecameReady CeasedReady Held Released Approved FenceReached CutoverBegan Guarded ' +
      'Enforced CutoverFailed CutoverOutcomeUnknown CutoverReconciled CutoverCompleted Unenforced RolledBack Finished';
    expect(eventTypes).toEqual(contract.split(' '));
    expect(new Set(eventTypes.map(cloudEventType)).size).toBe(eventTypes.length);
  });
});
