// The application, a process of its own: single-row inserts over a few connections, at a fixed rate or as fast as they go, how long
// each took, and what the server's processes for these connections used of the CPU.
import { readFileSync } from 'node:fs';
import pg from 'pg';

const {
  url,
  rate,
  table,
  parents,
  connections = 16,
  title = 'inserted by the application',
} = JSON.parse(process.argv[2]);
const clients = [];
const backends = [];
for (let n = 0; n < connections; n += 1) {
  const client = new pg.Client({ connectionString: url, application_name: 'bench application' });
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query('select pg_backend_pid() as pid');
  backends.push(rows[0].pid);
  clients.push(client);
}

const text = `insert into ${table} ("groupId", "userId", title) values ($1, 1, $2)`;
const free = [...clients];
const waiting = [];
let took = [];
let [sent, failed, stopping] = [0, 0, false];
let began = performance.now();
let cpuBefore;

/** From the moment the insert was due: one that waits for a connection is slow, not absent. */
function tick() {
  const due = Math.floor(((performance.now() - began) * rate) / 1000);
  for (; sent < due && !stopping; sent += 1) waiting.push(performance.now());
  pump();
  if (stopping && waiting.length === 0 && free.length === connections) void end();
  else setTimeout(tick, 1);
}

function pump() {
  while (waiting.length > 0 && free.length > 0) void serve(free.pop(), waiting.shift());
}

async function serve(client, at) {
  await insert(client, at);
  free.push(client);
  pump();
}

let parent = 0;
async function insert(client, at) {
  parent = (parent + 1) % parents;
  try {
    await client.query(text, [1 + parent, title]);
    took.push(performance.now() - at);
  } catch (error) {
    failed += 1;
    console.error('! an insert failed:', error.message);
  }
}

/** As fast as the connections go, each with one insert at a time. */
async function saturate(client) {
  while (!stopping) await insert(client, performance.now());
}

/** Nanoseconds of CPU that the backends of these connections have used; undefined for a server that is elsewhere. */
function backendCpuNs() {
  try {
    return backends.reduce((sum, pid) => sum + Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]), 0);
  } catch {
    return undefined;
  }
}

function figures() {
  const seconds = (performance.now() - began) / 1000;
  const backendCpuMicros = cpuBefore === undefined ? undefined : (backendCpuNs() - cpuBefore) / 1000 / took.length;
  return { took, failed, seconds, backendCpuMicros };
}

async function end() {
  const last = figures();
  for (const client of clients) await client.end();
  process.send(last, () => process.exit(0));
}

process.on('disconnect', () => process.exit(1));
process.on('message', (message) => {
  if (message === 'measure') {
    took = [];
    began = performance.now();
    sent = 0;
    cpuBefore = backendCpuNs();
  } else if (message === 'mark') {
    process.send(figures());
    took = [];
    began = performance.now();
    sent = 0;
    cpuBefore = backendCpuNs();
  } else {
    stopping = true;
  }
});
process.send('ready');
if (rate) tick();
else void Promise.all(clients.map(saturate)).then(end);
