// Writes docs/errors.md from the doc comments of every codes.ts. With --check it writes nothing, says what is wrong, one line each, and
// exits 1: a page that is not what the comments give, a code thrown and not documented, a code documented and not used, one code twice.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const root = new URL('../', import.meta.url);
const page = new URL('docs/errors.md', root);
const blocks = {
  1: 'Plan',
  2: 'Preflight and installation',
  3: 'Stream and Kafka',
  4: 'Fill and sweep',
  5: 'Bridge, cutover and finish',
  6: 'Requests and events',
  9: 'Environment and sessions',
};

/** Source files of libs and apps as { path, text }, specs and what is built left out. */
async function sources() {
  const found = [];
  for (const group of ['libs', 'apps'])
    for (const workspace of await readdir(new URL(`${group}/`, root))) {
      const folder = new URL(`${group}/${workspace}/src/`, root);
      const names = await readdir(folder, { recursive: true }).catch(() => []);
      for (const name of names) {
        if (!/\.(ts|tsx|mts)$/.test(name) || /\.spec\.ts$|fixture/.test(name)) continue;
        found.push({ path: fileURLToPath(new URL(name, folder)), text: await readFile(new URL(name, folder), 'utf8') });
      }
    }
  return found;
}

// The comment right before a code is its page, as a member of an object or as a constant of its own.
function documented(files) {
  const pattern = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:export const )?(\w+)\s*[:=]\s*'(HW\d{4})'/g;
  return files.flatMap(({ text }) =>
    [...text.matchAll(pattern)].map(([, comment, name, code]) => ({ code, name, text: prose(comment, code) })),
  );
}

const prose = (comment, code) =>
  comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trim())
    .join(' ')
    .trim()
    .replace(new RegExp(`^${code}:?\\s*`), '')
    .replace(/^./, (first) => first.toUpperCase());

const titleOf = (name) =>
  name
    .replace(/([a-z])([A-Z])/g, (_, end, start) => `${end} ${start.toLowerCase()}`)
    .replace(/^./, (first) => first.toUpperCase());

function render(codes) {
  const parts = [
    '# Error codes',
    'Every error of Highwater carries one of these codes, on the terminal, in problem+json (`code`, and `type` leads here), in operations, conditions and logs. ' +
      'The message says what failed, on which object, what was found and what was expected; this page says what it means and what to do. ' +
      'Written by `node scripts/errors.mjs` from the comments beside the codes.',
  ];
  for (const [digit, title] of Object.entries(blocks)) {
    const ours = codes.filter(({ code }) => code[2] === digit).sort((a, b) => a.code.localeCompare(b.code));
    if (ours.length === 0) continue;
    parts.push(`## ${title}`);
    for (const { code, name, text } of ours) parts.push(`### ${code}`, `**${titleOf(name)}.** ${text}`);
  }
  return `${parts.join('\n\n')}\n`;
}

function problems(codes, files, expected, found) {
  const lines = [];
  if (expected !== found) lines.push('docs/errors.md is not what the comments give: run node scripts/errors.mjs');
  const others = files.filter(({ path }) => !path.endsWith('/codes.ts'));
  const known = new Set(codes.map(({ code }) => code));
  for (const code of known)
    if (codes.filter((one) => one.code === code).length > 1) lines.push(`${code} has several meanings`);
  for (const { path, text } of others)
    for (const [code] of text.matchAll(/\bHW\d{4}\b/g))
      if (!known.has(code)) lines.push(`${code} in ${path} is not documented in a codes.ts`);
  const used = new Set(others.flatMap(({ text }) => text.match(/\b\w+\b/g) ?? []));
  for (const { code, name } of codes)
    if (!used.has(code) && !used.has(name)) lines.push(`${code} (${name}) is documented and nothing uses it`);
  return [...new Set(lines)];
}

const files = await sources();
const codes = documented(files.filter(({ path }) => path.endsWith('/codes.ts')));
const expected = await format(render(codes), { ...(await resolveConfig(page)), parser: 'markdown' });
if (process.argv.includes('--check')) {
  const found = await readFile(page, 'utf8').catch(() => '');
  const wrong = problems(codes, files, expected, found);
  for (const line of wrong) console.log(line);
  process.exitCode = wrong.length > 0 ? 1 : 0;
} else await writeFile(page, expected);
