/** Injection tokens of what the composition root made before Nest started. */
export const ENGINE = Symbol('Engine');
export const CONTROL = Symbol('MigrationControl');
export const SETTINGS = Symbol('Settings');
export const LOGGER = Symbol('Logger');
