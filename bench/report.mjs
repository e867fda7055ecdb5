// Raw figures with what they were measured on, and the table people read.
import { cpus, loadavg, release, totalmem } from 'node:os';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { moreParts } from './report-parts.mjs';

export const median = (values) => quantile(values, 0.5);

export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? undefined : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

export async function machine(app) {
  const { rows } = await app.query(
    `select name, current_setting(name) as value from pg_settings
      where name = any('{fsync,synchronous_commit,full_page_writes,autovacuum,shared_buffers,max_wal_size,checkpoint_timeout,wal_level,random_page_cost,jit}')`,
  );
  const version = await app.query('select version()');
  return {
    at: new Date().toISOString(),
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    postgres: version.rows[0].version,
    settings: Object.fromEntries(rows.map(({ name, value }) => [name, value])),
    loadBefore: loadavg(),
  };
}

const folder = fileURLToPath(new URL('results/', import.meta.url));

export function save(what, figures) {
  mkdirSync(folder, { recursive: true });
  const file = `${folder}${figures.machine.at.slice(0, 10)}-${what}.json`;
  writeFileSync(file, `${JSON.stringify(figures, null, 1)}\n`);
  return file;
}

export function saveLatest(markdown) {
  writeFileSync(`${folder}latest.md`, markdown);
}

export const thousands = (n) => Math.round(n).toLocaleString('en-US');
export const ms = (n) => (n === undefined ? '–' : `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`);
export const row = (...cells) => `| ${cells.join(' | ')} |`;

export function markdown({ machine: on, how, sweep, live, ...parts }) {
  const lines = [
    `Measured ${on.at.slice(0, 10)} on ${on.cores} cores (${on.cpu}), ${on.memoryGiB} GiB, Node ${on.node}, ${on.postgres.split(' on ')[0]}; ${Object.entries(
      on.settings,
    )
      .map(([name, value]) => `\`${name}=${value}\``)
      .join(', ')}. Load of the machine before: ${on.loadBefore.map((load) => load.toFixed(1)).join(', ')}.`,
    `Server: ${how}.`,
    '',
  ];
  if (sweep)
    lines.push(
      `**Sweep** of ${thousands(sweep.rows)} rows, value derived through one parent; medians of ${sweep.rounds} alternated rounds on fresh copies of one table.`,
      '',
      row(
        '',
        'rows/s',
        '× one UPDATE',
        'CPU per row (server + us)',
        '× one UPDATE by CPU',
        'table growth',
        'WAL per row',
        'longest chunk',
      ),
      row('---', '---:', '---:', '---:', '---:', '---:', '---:', '---:'),
      ...sweep.summary.map((of) =>
        row(
          of.variant,
          thousands(of.rowsPerSecond),
          of.ratio.toFixed(2),
          of.cpuMicrosPerRow === undefined ? '–' : `${of.cpuMicrosPerRow.toFixed(2)} µs`,
          of.cpuRatio === undefined ? '–' : of.cpuRatio.toFixed(2),
          `+${Math.round(of.growth * 100)} %`,
          `${Math.round(of.walBytesPerRow)} B`,
          ms(of.chunkHeldMsMax),
        ),
      ),
      '',
    );
  if (live)
    lines.push(
      `**Backlog of the live path**: ${thousands(live.drain.rows)} rows inserted (${live.drain.rowsPerTransaction} per transaction) while relay and filler are off.`,
      '',
      row('', 'per second', 'baseline of the same run', '×'),
      row('---', '---:', '---', '---:'),
      row(
        'relay alone, slot → Kafka: hints/s',
        thousands(live.drain.hintsPerSecond),
        `the server decoding the same slot, read by nobody: ${thousands(live.drain.decodedPerSecond)}`,
        (live.drain.hintsPerSecond / live.drain.decodedPerSecond).toFixed(2),
      ),
      row(
        'filler alone, Kafka → rows: fills/s',
        thousands(live.drain.fillsPerSecond),
        `one UPDATE of the same rows: ${thousands(live.drain.updatePerSecond)}`,
        (live.drain.fillsPerSecond / live.drain.updatePerSecond).toFixed(2),
      ),
      '',
      `**Insert → filled** at ${live.latency[0]?.rate} single-row inserts/s, by the server's commit times; relay, filler and sweeper in one process, Kafka and PostgreSQL on the same machine.`,
      '',
      row('', 'insert → filled p50', 'p99', 'worst', "the application's insert p50", 'p99'),
      row('---', '---:', '---:', '---:', '---:', '---:'),
      ...live.latency.map((of) =>
        row(
          of.what,
          ms(of.filledMs?.p50),
          ms(of.filledMs?.p99),
          ms(of.filledMs?.max),
          ms(of.insertMs.p50),
          ms(of.insertMs.p99),
        ),
      ),
      '',
    );
  lines.push(...moreParts(parts));
  return lines.join('\n');
}

/**
 * CPU milliseconds the whole server has used (its postmaster, what lives below it and what lived there), and we: what a busy machine
 * does not blur. Undefined for a server that is elsewhere.
 */
export async function cpuMs(app) {
  try {
    const stat = (pid) =>
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
        .map(Number);
    const { rows } = await app.query('select pg_backend_pid() as pid');
    const postmaster = stat(rows[0].pid)[1];
    let ticks = stat(postmaster)
      .slice(11, 15)
      .reduce((a, b) => a + b);
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const of = stat(pid);
        if (of[1] === postmaster) ticks += of[11] + of[12];
      } catch {
        // it ended; the postmaster counts it from now on
      }
    }
    const { user, system } = process.cpuUsage();
    return ticks * 10 + (user + system) / 1000;
  } catch {
    return undefined;
  }
}
