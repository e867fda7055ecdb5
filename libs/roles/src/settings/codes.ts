/** Codes of the settings in the environment; each comment is the operator's page. */
export const settingsCodes = {
  /**
   * HW9501 An environment variable begins with HIGHWATER_ and is no setting. A misspelt limit or URL would otherwise be ignored without
   * a word. Correct the name (the message suggests one) or unset it.
   */
  unknown: 'HW9501',
  /** HW9502 A setting has a value that cannot be used; the message says what was expected. The value itself is never shown. */
  badValue: 'HW9502',
  /** HW9503 A setting that is needed is missing: HIGHWATER_DATABASE_URL, or all four of the STREAM, FILL, STATE and DDL URLs. */
  missing: 'HW9503',
  /** HW9504 A setting was given twice, as HIGHWATER_X and as HIGHWATER_X_FILE, or its file cannot be read. */
  file: 'HW9504',
  /**
   * HW9505 HIGHWATER_HTTP names an address that other machines can reach. There are no accounts yet, so the service listens on
   * loopback only. In a container whose port is published on loopback alone, set HIGHWATER_INSECURE_DEMO=yes.
   */
  notLoopback: 'HW9505',
  /**
   * HW9506 NODE_TLS_REJECT_UNAUTHORIZED=0 switches off certificate checks of the whole process. Unset it, and give the authority's
   * certificate by HIGHWATER_DATABASE_TLS_CA or HIGHWATER_KAFKA_TLS instead.
   */
  tlsSwitchedOff: 'HW9506',
  /**
   * HW9507 HIGHWATER_FAILPOINTS is set where NODE_ENV is production. It makes processes die or freeze on purpose, for tests. Unset it.
   */
  failpointsRefused: 'HW9507',
} as const;
