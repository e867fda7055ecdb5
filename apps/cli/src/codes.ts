/** Codes of the command line itself; what the service refuses comes with the service's code. Each comment is the operator's page. */
export const cliCodes = {
  /** HW6301 The command line cannot be understood: an unknown verb, option or value, or a missing confirmation. `highwater <verb> --help`. */
  usage: 'HW6301',
  /**
   * HW6302 No service answers at the address, or it went away in the middle of an answer. Start one, or name another with `--server`. Without any service, `highwater run plan.yaml`
   * does the whole job in one process.
   */
  noServer: 'HW6302',
  /** HW6303 The plan file cannot be read. */
  noFile: 'HW6303',
  /** HW6304 An accepted operation failed and its error carried no code, or the service answered what this CLI does not understand. */
  operationFailed: 'HW6304',
  /** HW6305 What `wait` was told to wait for did not come in time; the message says what was seen last. Nothing was changed: wait again, or look at `readiness`. */
  notInTime: 'HW6305',
} as const;
