/** `500ms`, `10s`, `10m`, `2h`, `1d` → milliseconds; undefined when it is not a duration with a unit. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (!match) return undefined;
  const factor = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 'ms' | 's' | 'm' | 'h' | 'd'];
  return Math.round(Number(match[1]) * factor);
}

/** `20GiB`, `512MiB`, `64KiB`, `100B` → bytes; undefined when it is not a size with a unit. */
export function parseBytes(text: string): bigint | undefined {
  const match = /^(\d+)(B|KiB|MiB|GiB|TiB)$/.exec(text.trim());
  if (!match) return undefined;
  const shift = { B: 0n, KiB: 10n, MiB: 20n, GiB: 30n, TiB: 40n }[match[2] as 'B' | 'KiB' | 'MiB' | 'GiB' | 'TiB'];
  return BigInt(match[1] as string) << shift;
}

/** 1288490188n → `1.2 GiB`. */
export function formatBytes(bytes: bigint): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** 4980000 → `1h23m`; 95000 → `1m35s`; 850 → `850ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
}
