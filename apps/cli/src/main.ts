import { once } from 'node:events';
import { runCli } from './cli.js';
import { exitCodes } from './exit-codes.js';

// The first signal lets what is under way end or roll back; the second ends the process at once.
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated);
    interrupted.abort(signal);
  });
}
// a reader that went away (`highwater events | head`) is no failure; a full disk is, or half a list would pass for the list
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  process.stderr.write(`highwater: the answer could not be written (${error.code ?? error.message})\n`);
  process.exit(exitCodes.unexpected);
});

process.exitCode = await runCli(
  process.argv.slice(2),
  {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    drained: async () => {
      if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
    },
    interactive: process.stdout.isTTY === true,
  },
  process.env,
  interrupted.signal,
);
// A connection that something has left open would keep the process for as long as the other side likes; what was written still goes out first.
setInterval(() => {
  if (process.stdout.writableLength + process.stderr.writableLength === 0) process.exit();
}, 500).unref();
