/** HW6010: no migration of that name is registered in this database. List them with `highwater status`, or plan it first. */
export const unknownMigration = 'HW6010';
/** HW6011: a cutover was asked for and a readiness condition is not True. The answer carries the conditions; each message names what clears it. */
export const notReady = 'HW6011';
/** HW6012: the readiness generation presented is not the present one: something changed since it was read. Read readiness again and decide again. */
export const staleGeneration = 'HW6012';
/** HW6013: another attempt of the same kind is under way; the message names its operation. Follow that one. */
export const attemptRunning = 'HW6013';
/** HW6014: the migration is in a phase in which the request means nothing. The message names the phase. */
export const wrongPhase = 'HW6014';
/** HW6015: several migrations are live (or none), so the request must name one with `?migration=`. */
export const whichMigration = 'HW6015';
/** HW6016: the migration was not evaluated yet, which takes a moment after its plan was accepted; or not in the last seconds: no control process is running, or it cannot reach the database. */
export const notEvaluated = 'HW6016';
/** HW6017: a migration of this name exists with another plan. Another plan is another migration: give it another name. */
export const alreadyPlanned = 'HW6017';
/** HW6018: the idempotency key was used before for another request. Use a new key for a new request. */
export const keyReused = 'HW6018';
/** HW6019: the migration is paused, halted or held, and the request needs it running. Resume or release it first. */
export const stopped = 'HW6019';
/** HW6020: a filter names a table that the plan does not have. The answer lists those it has; a name may be given with or without its schema. */
export const unknownTable = 'HW6020';
/** HW2090: preflight found an obstacle; the migration cannot start. Each failed check names the statement that clears it. */
export const preflightFailed = 'HW2090';
/** HW5090: the cutover attempt ended without enforcing every table; the message names the table and who stood in the way. Ask again: it goes on from there. */
export const cutoverFailed = 'HW5090';
/** HW5091: the fence did not come back through every partition in time. Look at the relay and the partitions the message names. */
export const fenceLate = 'HW5091';
/** HW5092: NULL rows are left that no pass could fill; look at the list of unfillable rows. */
export const nullsLeft = 'HW5092';
/** HW5094: a cutover attempt was ended before it was through, because somebody paused or halted the migration or its tables changed. What was not enforced has no constraint of ours. Resume (or restore the schema), and ask for the cutover again. */
export const cutoverStopped = 'HW5094';
/** HW5093: the bridge was used within the window, so an old writer still needs it and `finish` waits. Convert the named application. */
export const bridgeInUse = 'HW5093';
/** HW9050: the plan has a stream and no Kafka was configured. Set HIGHWATER_KAFKA_BROKERS, or write `stream: none` into the plan. */
export const kafkaNeeded = 'HW9050';
/** HW5095: the plan has row level security that is not on yet, so a finished migration would lack it. Look at its report and approve it (`highwater approve --row-security`), or finish without it on purpose. */
export const rowSecurityPending = 'HW5095';
/** HW6021: row level security was to be approved or reported, and the plan has none. */
export const noRowSecurity = 'HW6021';
/** HW6022: a plan with assertions came over the API. They are SQL of whoever sends the plan, so a service takes them only when its own configuration says so (HIGHWATER_ALLOW_ASSERTIONS=yes); `highwater run` takes them from its file. */
export const assertionsRefused = 'HW6022';
/** HW6023: the `cursor` of a list is not one that an earlier page of this list gave. Ask without it to begin at the first row. */
export const badCursor = 'HW6023';
