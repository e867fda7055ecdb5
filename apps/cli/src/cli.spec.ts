import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from './cli.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'highwater-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function highwater(...args: string[]) {
  let [out, err] = ['', ''];
  const terminal = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    drained: () => Promise.resolve(),
    interactive: false,
  };
  const code = await runCli(args, terminal, {}, new AbortController().signal);
  return { code, out, err };
}

function planFile(text: string): string {
  const path = join(folder, 'plan.yaml');
  writeFileSync(path, text);
  return path;
}

const plan = `highwater: 1
migration: spec
tables:
  - table: Group
    target: { column: workspaceId, type: text }
    rule: { column: orgId }
stream: none
`;

describe('highwater', () => {
  it('lists the verbs that there are', async () => {
    const { code, out } = await highwater('--help');
    expect(code).toBe(0);
    for (const verb of 'init plan preflight run start status watch wait set pause resume halt hold release approve verify unfillable readiness cutover unenforce rollback finish events doctor config completion version'.split(
      ' ',
    ))
      expect(out).toMatch(new RegExp(`^  ${verb}\\b`, 'm'));
  });

  it.each([
    ['an unknown verb', ['strat']],
    ['an unknown option', ['status', '--nope']],
    ['another form of output', ['status', '-o', 'xml']],
    ['a cutover without a reason', ['cutover', 'm']],
    ['a halt without a reason', ['halt', 'm']],
    ['an assignment that is none', ['set', 'm', 'rowBudget']],
    ['a limit that does not exist', ['set', 'm', 'rowBudgets=1s']],
    ['a wait for nothing', ['wait', 'm']],
    ['a wait for an unknown condition', ['wait', 'm', '--for=condition=Redy']],
    ['a wait for an unknown phase', ['wait', 'm', '--for=phase=done']],
    ['a wait without a unit', ['wait', 'm', '--for=phase=swept', '--timeout=5']],
    ['a reason that is none', ['unfillable', 'm', '--reason', 'Because']],
    ['a form that the verb does not have', ['status', '-o', 'csv']],
    ['a shell that there is not', ['completion', 'csh']],
    ['no verb', []],
    ['a plan file that is not there', ['plan', '/nowhere/plan.yaml']],
    ['settings that are missing', ['init']],
  ])('%s is bad usage', async (_what, args) => {
    const { code, err } = await highwater(...args);
    expect(code).toBe(64);
    expect(err).not.toBe('');
  });

  it.each(['bash', 'zsh', 'fish'])('completes verbs and options in %s', async (shell) => {
    const { code, out } = await highwater('completion', shell);
    expect(code).toBe(0);
    for (const word of ['unenforce', 'doctor', 'timeout']) expect(out).toContain(word);
  });

  it('gives bash a script that it can read', async () => {
    const { out } = await highwater('completion', 'bash');
    const words = `COMP_WORDS=(highwater unenf); COMP_CWORD=1; _highwater; echo "\${COMPREPLY[@]}"`;
    expect(execFileSync('bash', ['-c', `${out}\n${words}`], { encoding: 'utf8' }).trim()).toBe('unenforce');
  });

  it('suggests what was probably meant', async () => {
    expect((await highwater('wait', 'm', '--for=condition=Verifed')).err).toContain('did you mean Verified?');
  });

  it('judges a plan without a database', async () => {
    const { code, out } = await highwater('plan', planFile(plan), '-o', 'json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ migration: 'spec', warnings: [], steps: null });
  });

  it('shows where a plan is wrong, under the name of the file', async () => {
    const path = planFile(plan.replace('rule:', 'rul:'));
    const { code, err } = await highwater('plan', path);
    expect(code).toBe(3);
    expect(err).toContain(`${path}:6:5: error[HW1002]`);
    expect(err).toContain('^');
    expect(err).toContain('docs: docs/errors.md#hw1002');
    const asJson = await highwater('plan', path, '-o', 'json');
    expect(JSON.parse(asJson.err)).toMatchObject({ error: { code: 'HW1002', issues: [{ line: 6, column: 5 }] } });
  });

  it.each(
    [
      'start m',
      'status m',
      'watch m',
      'pause m',
      'resume m',
      'halt m --reason x',
      'hold m --reason x',
      'release m --reason x',
      'approve m --reason x',
      'set m rowBudget=1s',
      'verify m',
      'unfillable m',
      'forecast m',
      'readiness m',
      'cutover m --reason x --yes',
      'unenforce m --reason x --yes',
      'rollback m --reason x --yes',
      'finish m',
      'events m',
    ].map((line) => [line]),
  )('%s says that no service answers, and what to do', async (line) => {
    const { code, out, err } = await highwater(...line.split(' '), '--server', 'http://127.0.0.1:1');
    expect({ code, out }).toEqual({ code: 5, out: '' });
    expect(err).toMatch(
      /^error\[HW6302\]: no service answers at [^\n]*\n {3}help: start the service[^\n]*\n {3}docs: [^\n]*\n$/,
    );
  });

  it('names the address that nobody answers at, and the way without a service', async () => {
    const { code, err } = await highwater('status', '--server', 'http://127.0.0.1:1');
    expect(code).toBe(5);
    expect(err).toContain('http://127.0.0.1:1');
    expect(err).toContain('highwater run plan.yaml');
  });
});
