export type Say = (kind: string, text: string) => void;

/** `01:23  status     fill 71.2% …`: minutes and seconds since the start, who says it, what. */
export function sayer(print: (line: string) => void, started: number = Date.now()): Say {
  return (kind, text) => {
    const seconds = Math.floor((Date.now() - started) / 1_000);
    const at = `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
    for (const line of text.split('\n')) print(`${at}  ${kind.padEnd(11)}${line}`);
  };
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
export const grouped = (n: number): string => Math.round(n).toLocaleString('en-US');
