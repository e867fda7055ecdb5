import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Validate } from './ledger.js';

/** Validators of the published JSON Schemas: files `<CloudEvents type>.schema.json` in one folder. */
export function publishedSchemas(folder: string): Validate {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.schema.json'))) {
    const schema = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>;
    ajv.addSchema(schema, basename(file, '.schema.json'));
  }
  return (type, data) => {
    const validate = ajv.getSchema(type);
    if (!validate) return `no schema is published for ${type} in ${folder}`;
    return validate(data) ? undefined : ajv.errorsText(validate.errors);
  };
}
