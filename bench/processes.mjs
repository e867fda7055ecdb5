// Processes of the bench: the application, and our roles outside of this process.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A script of this folder with its options; messages come and go over IPC, it ends when we do. */
export function startProcess(script, options) {
  const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const inbox = [];
  const waiting = [];
  let ended;
  child.on('message', (message) => {
    const next = waiting.shift();
    if (next) next.resolve(message);
    else inbox.push(message);
  });
  child.once('error', (error) => finish(error.message));
  child.once('exit', (code, signal) => finish(`ended with ${code ?? signal}`));
  const finish = (why) => {
    ended = `${script} ${why}`;
    for (const one of waiting.splice(0)) one.reject(new Error(ended));
  };
  const alive = () => {
    if (ended) throw new Error(ended);
  };
  return {
    pid: child.pid,
    alive,
    send: (message) => (alive(), child.send(message)),
    /** The next message, of whatever kind; `what` is for the error. */
    message: (what) =>
      inbox.length > 0
        ? Promise.resolve(inbox.shift())
        : ended
          ? Promise.reject(new Error(`${ended} before it sent ${what}`))
          : new Promise((resolve, reject) => waiting.push({ resolve, reject })),
    end: () => void child.kill('SIGKILL'),
  };
}

/** Milliseconds of CPU one process has used with all its threads; undefined where /proc does not say. */
export function processCpuMs(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
      .map(Number);
    return (fields[11] + fields[12]) * 10;
  } catch {
    return undefined;
  }
}
