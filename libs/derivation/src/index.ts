export * from './catalog.js';
export * from './codes.js';
export * from './compile.js';
export * from './derivation.js';
export * from './fingerprint.js';
export * from './foresee.js';
export type { RuleBranches } from './print-branch.js';
export { isAmong } from './resolve-function.js';
export type { DerivationIssue } from './issue.js';
