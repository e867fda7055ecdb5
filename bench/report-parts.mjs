// The tables of the parts about the application, the cutover, memory and several processes.
import { ms, row, thousands } from './report.mjs';

const times = (ratio) => (Number.isFinite(ratio) ? ratio.toFixed(2) : '–');

export function moreParts({ application, cutover, memory, processes }) {
  const lines = [];
  if (application)
    lines.push(
      `**The application**: single-row inserts over ${application.connections} connections, at ${application.rate}/s and as fast as they go; medians. Relay, filler, sweeper and broker give way to server and application (lowest priority), since they would be on other machines. Backend CPU: what the server's processes of the application's own connections used. Throttled: one worker, ${thousands(application.throttledRowsPerSecond)} rows/s.`,
      '',
      row('', 'inserts/s', '× alone', 'p50', '× alone', 'p99', '× alone', 'backend CPU per insert', '× alone'),
      row('---', '---:', '---:', '---:', '---:', '---:', '---:', '---:', '---:'),
      ...application.summary.map((of) =>
        row(
          `${of.mode === 'fixed' ? `at ${application.rate}/s` : 'saturated'}: ${of.variant}`,
          thousands(of.perSecond),
          times(of.perSecondRatio),
          `${of.p50?.toFixed(2)} ms`,
          times(of.p50Ratio),
          `${of.p99?.toFixed(2)} ms`,
          times(of.p99Ratio),
          of.backendCpuMicros === undefined ? '–' : `${Math.round(of.backendCpuMicros)} µs`,
          times(of.backendCpuMicrosRatio),
        ),
      ),
      '',
    );
  if (cutover) {
    lines.push(
      `**Cutover**: whole runs through the service; a writer inserts every ${1000 / cutover.probeRate} ms, timed from the moment each insert was due. Held: measured by the server from lock to commit.`,
      '',
      row('rows', 'ACCESS EXCLUSIVE held at most', ...waitPhases(cutover).map((what) => `worst wait: ${what}`)),
      row('---:', '---:', ...waitPhases(cutover).map(() => '---:')),
      ...cutover.runs.map(({ rows, exclusiveHeldMsMax, waits }) =>
        row(thousands(rows), ms(exclusiveHeldMsMax), ...waitPhases(cutover).map((what) => ms(waits[what]?.max))),
      ),
      '',
      row('rows', 'step', 'lock', 'held', 'waited for', 'attempts'),
      row('---:', '---', '---', '---:', '---:', '---:'),
      ...cutover.runs.flatMap(({ rows, steps }) =>
        steps.map((of) =>
          row(thousands(rows), of.step, of.lockMode, ms(of.heldMs), ms(of.lockWaitMs), String(of.attempts)),
        ),
      ),
      '',
    );
  }
  if (memory)
    lines.push(
      `**Memory** of each process role in a process of its own: the most it ever held (resident) while one transaction of ${thousands(memory.rows)} rows went by, inserted in ${(memory.insertedMs / 1000).toFixed(0)} s and filled after ${(memory.filledMs / 1000).toFixed(0)} s; the sweeper over as many rows.`,
      '',
      row('', 'at most', 'before the transaction'),
      row('---', '---:', '---:'),
      ...Object.entries(memory.peak).map(([role, megabytes]) =>
        row(role, `${Math.round(megabytes)} MB`, memory.before[role] ? `${Math.round(memory.before[role])} MB` : '–'),
      ),
      '',
    );
  if (processes)
    lines.push(
      `**Several processes**, one sweep worker each, all of them, broker and server on this machine: ${thousands(processes.backlog)} hints that wait in Kafka, ${thousands(processes.rows)} rows of history.`,
      '',
      row('processes', 'fills/s', '× one', 'rows/s swept', '× one'),
      row('---:', '---:', '---:', '---:', '---:'),
      ...processes.runs.map((of) =>
        row(
          String(of.processes),
          thousands(of.fillsPerSecond),
          times(of.fillsPerSecond / processes.runs[0].fillsPerSecond),
          thousands(of.sweepRowsPerSecond),
          times(of.sweepRowsPerSecond / processes.runs[0].sweepRowsPerSecond),
        ),
      ),
      '',
    );
  return lines;
}

const waitPhases = ({ runs }) => Object.keys(runs[0]?.waits ?? {});
