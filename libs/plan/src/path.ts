/** Where something stands in a plan: `['tables', 1, 'rule', 'firstOf', 0, 'via']`. */
export type PlanPath = readonly (string | number)[];

const plainKey = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** `tables[1].rule.firstOf[0].via`; a key with other characters in it is written `indexes["a.b"]`. */
export function formatPath(path: PlanPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (plainKey.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** The inverse of `formatPath`; stops quietly at text that is not a path, so the nearest ancestor is found. */
export function parsePath(text: string): PlanPath {
  const path: (string | number)[] = [];
  const part = /\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/y;
  for (let match = part.exec(text); match; match = part.exec(text)) {
    if (match[1] !== undefined) path.push(match[1]);
    else if (match[2] !== undefined) path.push(Number(match[2]));
    else path.push(JSON.parse(match[3] as string) as string);
  }
  return path;
}
