// Processes of the bench: the application, and our roles outside of this process.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';

/** A script of this folder with its options; messages come and go over IPC, it ends when we do. */
export function startProcess(script, options, { detached = false } = {}) {
  const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached,
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

/** This process and all below it, by /proc. */
function descendants(of) {
  const children = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = Number(
        readFileSync(`/proc/${pid}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ')[1],
      );
      children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
    } catch {
      // it ended
    }
  }
  const below = (pid) => [pid, ...(children.get(pid) ?? []).flatMap(below)];
  return below(of);
}

/**
 * What runs on other machines in production (our processes, the broker) gives way to the server and the application on this one. On Linux
 * the session's share decides before the process's own priority does.
 */
export function giveWay(pids) {
  for (const pid of pids) {
    try {
      setPriority(pid, 19);
      writeFileSync(`/proc/${pid}/autogroup`, '19');
    } catch {
      // it ended, or this system has no such groups
    }
  }
}

/** The broker that we started, found by its main class; empty when it was given to us. */
export const brokerProcesses = () =>
  descendants(process.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('kafka.Kafka');
    } catch {
      return false;
    }
  });

/** Most memory a process has ever held, in MB of resident pages; undefined where /proc does not say. */
export function peakMegabytes(pid) {
  try {
    const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes) / 1024;
  } catch {
    return undefined;
  }
}
