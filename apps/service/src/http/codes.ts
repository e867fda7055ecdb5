/** Codes of the HTTP surface itself; what a migration refuses has its codes in the control process. Each comment is the operator's page. */
export const httpCodes = {
  /** HW6201 No such address or method. `GET /openapi.json` lists what there is. */
  noRoute: 'HW6201',
  /** HW6202 A body, parameter or header has a value that cannot be used; `issues` names each place and what was expected there. */
  badRequest: 'HW6202',
  /** HW6203 The body's media type is not taken here: JSON everywhere, and YAML (`application/yaml`) for a plan. */
  mediaType: 'HW6203',
  /** HW6204 The body is larger than 64 KiB. A plan of that size is more than one migration: split it. */
  tooLarge: 'HW6204',
  /** HW6205 A cutover must say which readiness it was decided on: send the generation of `GET /cutover/readiness` as `If-Match`. */
  noGeneration: 'HW6205',
  /** HW6206 The Host or Origin header names another site. The service answers its own names only; HIGHWATER_ALLOWED_HOSTS adds names. */
  foreignHost: 'HW6206',
  /** HW6207 No operation has this id. Operations are named in the answer of the request that started them. */
  noOperation: 'HW6207',
  /** HW6208 Too many event streams or long polls are open at once. Close one, or ask again later. */
  tooManyStreams: 'HW6208',
  /** HW6209 Something failed that should not have. Nothing more is said here; the service's log has it under the `instance` of this answer. */
  unexpected: 'HW6209',
} as const;
