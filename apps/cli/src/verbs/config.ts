import { describeSettings, parseSettings } from '@highwater/roles';
import { json, table } from '../output.js';
import type { Session } from '../session.js';

export interface ConfigOptions {
  readonly origin?: boolean;
}

/** Every setting as this process sees it, secrets masked; then whether they can be used. */
export function config(session: Session, options: ConfigOptions): Promise<void> {
  const settings = describeSettings(session.environment);
  if (session.format === 'json') session.terminal.out(json({ settings }));
  else {
    const rows = settings.map(({ name, value, origin }) => [
      name,
      value ?? '-',
      ...(options.origin === true ? [origin] : []),
    ]);
    session.terminal.out(table(['setting', 'value', ...(options.origin === true ? ['origin'] : [])], rows));
  }
  parseSettings(session.environment);
  return Promise.resolve();
}
