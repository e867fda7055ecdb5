// Merges docs/faults/*.md into docs/faults.md: one table, in the order of the rows. `--check` only compares.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const docs = fileURLToPath(new URL('../docs', import.meta.url));
const folder = join(docs, 'faults');
const rows = readdirSync(folder)
  .filter((name) => name.endsWith('.md'))
  .sort()
  .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
  .filter((line) => /^\| *F\d/.test(line))
  .map((line) => ({ number: Number(/F(\d+)/.exec(line)[1]), line }))
  .sort((a, b) => a.number - b.number);
const text = `# Faults: what was done to it, by which test, and what was seen

Made by \`node scripts/faults.mjs\` from the tables below \`docs/faults/\`, which say more. \`npm run test:fault\` runs all of these tests;
those directly below \`test/fault/\` run within \`npm test\`. What all of them together break is \`docs/chaos.md\`.

| row | test | what was seen |
| --- | --- | --- |
${rows.map(({ line }) => line).join('\n')}
`;
const file = join(docs, 'faults.md');
if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') === text) process.exit(0);
  console.error('docs/faults.md is not what docs/faults/ says; run node scripts/faults.mjs');
  process.exit(1);
}
writeFileSync(file, text);
console.log(`${rows.length} rows, ${new Set(rows.map(({ number }) => number)).size} faults`);
