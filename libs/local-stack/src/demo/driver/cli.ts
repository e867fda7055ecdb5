import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const cli = fileURLToPath(new URL('../../../../../apps/cli/bin/highwater.mjs', import.meta.url));
const CLI_MS_MAX = 60_000;

/** One run of the CLI; what it printed. Errors carry what it said on standard error. */
export async function highwater(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      timeout: CLI_MS_MAX,
    });
    return stdout;
  } catch (error) {
    const { stderr = '', code } = error as { stderr?: string; code?: unknown };
    throw new Error(`highwater ${args.slice(0, 2).join(' ')} failed (${String(code)}): ${stderr.trim()}`, {
      cause: error,
    });
  }
}
