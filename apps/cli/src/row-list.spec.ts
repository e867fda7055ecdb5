import { describe, expect, it } from 'vitest';
import { writeRows, type RowList } from './row-list.js';
import { Session } from './session.js';

async function written(
  format: 'json' | 'csv',
  rows: readonly string[],
  { interactive = false, json }: { interactive?: boolean; json?: RowList<string>['json'] } = {},
): Promise<string> {
  let out = '';
  const terminal = {
    out: (text: string) => void (out += text),
    err: () => undefined,
    drained: () => Promise.resolve(),
    interactive,
  };
  const session = new Session(terminal, {}, new AbortController().signal);
  session.format = format;
  const list = {
    columns: ['key'],
    cells: (row: string) => [row],
    none: 'none',
    ...(json === undefined ? {} : { json }),
  };
  await writeRows(session, list, (async function* () {
    for await (const row of rows) yield [row];
  })()); // prettier-ignore
  return out;
}

describe('a list of rows', () => {
  it('gives a program what there is, and a terminal no escapes', async () => {
    expect(await written('csv', ['a\u001bb'])).toBe('key\r\na\u001bb\r\n');
    expect(await written('csv', ['a\u001bb'], { interactive: true })).toBe('key\r\na\ufffdb\r\n');
  });

  it.each([[[]], [['a', 'b']]])('stands behind what else is said, under its own name: %j', async (rows) => {
    const fields = { last: { at: 'now' }, running: null };
    const out = await written('json', rows, { json: { name: 'mismatches', fields } });
    expect(JSON.parse(out)).toEqual({ ...fields, mismatches: rows });
  });
});
