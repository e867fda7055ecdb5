// npm run bench -- [--rows N] [--rounds N] [--backlog N] [--rate N] [--seconds N] [--part sweep|live|application|cutover|memory|processes] [--only text] [--no-save] [--embedded]
import { parseArgs } from 'node:util';
import { benchApplication } from './application.mjs';
import { benchCutover } from './cutover.mjs';
import { benchLive } from './live.mjs';
import { benchMemory } from './memory.mjs';
import { machine, markdown, save, saveLatest } from './report.mjs';
import { benchProcesses } from './scale.mjs';
import { benchServer } from './server.mjs';
import { benchSweep } from './sweep.mjs';
import { openBench } from './tables.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    backlog: { type: 'string', default: '200000' },
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '15' },
    part: { type: 'string' },
    only: { type: 'string' },
    'no-save': { type: 'boolean', default: false },
    embedded: { type: 'boolean', default: false },
  },
});
const number = (name) => {
  const n = Number(values[name]);
  if (!Number.isInteger(n) || n <= 0)
    throw new Error(`--${name} must be a positive whole number, not "${values[name]}"`);
  return n;
};
const options = {
  rows: number('rows'),
  rounds: number('rounds'),
  backlog: number('backlog'),
  rate: number('rate'),
  seconds: number('seconds'),
  only: values.only,
};
/** Each part with a database of its own or on the common one; the order of the report. */
const parts = {
  sweep: (bench) => benchSweep(bench, options),
  live: (bench) => benchLive(bench, options),
  application: (bench) => benchApplication(bench, options),
  cutover: () => benchCutover(server, { ...options, sizes: [options.rows, 4 * options.rows] }),
  memory: () => benchMemory(server, options),
  processes: () => benchProcesses(server, options),
};
if (values.part && !parts[values.part])
  throw new Error(`--part is one of ${Object.keys(parts).join(', ')}, not "${values.part}"`);
const chosen = values.part ? [values.part] : Object.keys(parts);

const { server, publish } = await benchServer(values);
let failed = false;
const stop = async () => {
  await server.stop();
};
process.once('SIGINT', () => void stop().finally(() => process.exit(130)));
try {
  console.log(`PostgreSQL: ${server.how}`);
  const bench = await openBench(server, options.rows);
  try {
    const on = await machine(bench.app);
    console.log(
      Object.entries(on.settings)
        .map(([name, value]) => `  ${name} = ${value}`)
        .join('\n'),
    );
    const figures = { machine: on, how: server.how };
    for (const part of chosen) {
      console.log(`${part}:`);
      figures[part] = await parts[part](bench);
    }
    const text = markdown(figures);
    console.log(`\n${text}`);
    if (values['no-save']) console.log('not saved: --no-save');
    else if (!publish) console.log('not saved: figures of the npm binaries are not published');
    else {
      for (const part of chosen)
        console.log(`raw: ${save(part, { machine: on, how: server.how, [part]: figures[part] })}`);
      if (!values.part && !options.only) saveLatest(text);
    }
  } finally {
    await bench.close();
  }
} catch (error) {
  failed = true;
  console.error(error);
} finally {
  await stop();
}
process.exit(failed ? 1 : 0);
