// Inserts for a while, and what they cost the application.
import { startProcess } from './processes.mjs';
import { quantile } from './report.mjs';
import { parents, until } from './tables.mjs';

export const spread = (values) => ({
  n: values.length,
  p50: quantile(values, 0.5),
  p99: quantile(values, 0.99),
  max: quantile(values, 1),
});

/** At `rate` (undefined: as fast as they go) until the time is over, or `enough` says so. Connections and statements are warmed up before. */
export async function inserting(
  bench,
  { table, rate, seconds, warmSeconds = 1, connections = 16, enough = () => false },
) {
  const application = startProcess('inserter.mjs', { url: bench.url, rate, table, parents, connections });
  try {
    await application.message('ready');
    await pass(warmSeconds);
    application.send('measure');
    const began = performance.now();
    await until(
      'the inserts',
      async () => (application.alive(), performance.now() - began > seconds * 1000 || (await enough())),
      { everyMs: 50 },
    );
    application.send('stop');
    const { took, failed, seconds: ran, backendCpuMicros } = await application.message('figures');
    return { inserts: took.length, failed, perSecond: took.length / ran, insertMs: spread(took), backendCpuMicros };
  } finally {
    application.end();
  }
}

const pass = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
