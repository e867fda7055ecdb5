// Writes docs/events: the JSON Schema of each event and the AsyncAPI document, generated from libs/migration. A unit spec fails when
// what is committed differs from what the definitions give.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { asyncApiDocument, eventJsonSchemas } from '@highwater/migration';

const folder = new URL('../docs/events/', import.meta.url);
const options = { ...(await resolveConfig(folder)), parser: 'json' };

async function write(name, document) {
  await writeFile(new URL(name, folder), await format(JSON.stringify(document), options));
}

await rm(new URL('schemas/', folder), { recursive: true, force: true });
await mkdir(new URL('schemas/', folder), { recursive: true });
for (const [type, schema] of Object.entries(eventJsonSchemas())) await write(`schemas/${type}.schema.json`, schema);
await write('asyncapi.json', asyncApiDocument());
