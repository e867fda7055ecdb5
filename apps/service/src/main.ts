import { isHighwaterError, messageOf } from '@highwater/kernel';
import { createEngine, parseSettings } from '@highwater/roles';
import { boundHeapGrowth, createLogger, redactText } from '@highwater/telemetry';
import { LogOutput } from './output.js';
import { run } from './run.js';

/** Without a stack: those who start a service from a terminal can do nothing with ours; the log has the call sites. */
function asText(error: unknown): string {
  if (!isHighwaterError(error)) return `highwater: error: ${redactText(messageOf(error))}`;
  const { code, message, help } = error;
  const lines = [
    `highwater: error[${code}]: ${redactText(message)}`,
    ...(help === undefined ? [] : [`  help: ${help}`]),
  ];
  return [...lines, `  docs: docs/errors.md#${code.toLowerCase()}`].join('\n');
}

// Composition root: the environment is read here, once, and nowhere else.
boundHeapGrowth();
const output = new LogOutput();
const logger = createLogger({ name: 'service', destination: output });
try {
  const settings = parseSettings(process.env);
  logger.level = settings.logLevel;
  await run({ settings, logger, createEngine, announce: (url) => output.announce(url) });
} catch (error) {
  // a log wants the record with its call sites, a terminal the sentence alone
  if (!process.stderr.isTTY) logger.fatal({ err: error }, 'the service could not start');
  process.stderr.write(`${asText(error)}\n`);
  process.exit(1);
}
