import { readdirSync, readFileSync } from 'node:fs';
import type { ProcessSample } from '../checker/history.js';
import { again, type Looped } from './looped.js';

const pageBytes = 4_096;

/** Memory and open files of the processes there are, from the kernel; a process that just ended is no sample. */
export function sampleProcesses(pids: () => readonly number[]): Looped & { readonly samples: ProcessSample[] } {
  const samples: ProcessSample[] = [];
  const loop = again(500, () => {
    for (const pid of pids()) {
      try {
        const resident = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * pageBytes;
        samples.push({
          at: Date.now(),
          pid,
          residentBytes: resident,
          openFiles: readdirSync(`/proc/${pid}/fd`).length,
        });
      } catch {
        continue;
      }
    }
    return Promise.resolve();
  });
  return { samples, stop: () => loop.stop() };
}
