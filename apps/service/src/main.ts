import { isHighwaterError, messageOf } from '@highwater/kernel';
import { createEngine, parseSettings } from '@highwater/roles';
import { createLogger } from '@highwater/telemetry';
import { LogOutput } from './output.js';
import { run } from './run.js';

// Composition root: the environment is read here, once, and nowhere else.
const output = new LogOutput();
const logger = createLogger({ name: 'service', destination: output });
try {
  const settings = parseSettings(process.env);
  logger.level = settings.logLevel;
  await run({ settings, logger, createEngine, announce: (url) => output.announce(url) });
} catch (error) {
  logger.fatal({ err: error }, 'the service could not start');
  const help = isHighwaterError(error) && error.help !== undefined ? `\n  help: ${error.help}` : '';
  process.stderr.write(`highwater: ${messageOf(error)}${help}\n`);
  process.exit(1);
}
