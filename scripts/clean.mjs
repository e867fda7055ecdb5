// Removes what builds made, and what runs left behind whose guard was killed as well (the ordinary case leaves nothing).
// Servers of runs that are still alive, and Kafka's jars in the per-user cache, stay.
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const remove = (path) => {
  if (!existsSync(path)) return;
  rmSync(path, { recursive: true, force: true });
  console.log(`removed ${path}`);
};

for (const folder of ['libs', 'apps']) {
  for (const name of readdirSync(join(root, folder))) remove(join(root, folder, name, 'dist'));
}
remove(join(root, 'examples', 'dist'));
remove(join(root, 'dist'));
remove(join(root, 'coverage'));

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** The process of that number, if its command line still names the folder: numbers are used again. */
const serverOf = (folder) => {
  const file = join(folder, 'server.pid');
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  const commandLine = `/proc/${pid}/cmdline`;
  return pid > 0 && existsSync(commandLine) && readFileSync(commandLine, 'utf8').includes(folder) ? pid : undefined;
};

for (const parent of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
  for (const name of existsSync(parent) ? readdirSync(parent) : []) {
    const starter = Number(/^highwater-(?:postgres|kafka|template|binaries)-(\d+)-[0-9a-f]{8}$/.exec(name)?.[1] ?? 0);
    if (starter === 0 || alive(starter)) continue;
    const folder = join(parent, name);
    const server = serverOf(folder);
    if (server !== undefined) {
      process.kill(server, name.includes('-postgres-') ? 'SIGQUIT' : 'SIGKILL');
      console.log(`ended the server ${server} of ${folder}`);
    }
    remove(folder);
  }
}
