export * from './session/database.js';
export * from './session/errors.js';
export * from './session/settings.js';
export * from './session/sqlstate.js';
