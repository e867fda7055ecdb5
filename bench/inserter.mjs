// The application, on a thread of its own: single-row inserts at a fixed rate over a few connections, and how long each took.
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';

const { url, rate, table, parents } = workerData;
const connections = 16;
const clients = [];
for (let n = 0; n < connections; n += 1) {
  const client = new pg.Client({ connectionString: url, application_name: 'bench application' });
  await client.connect();
  clients.push(client);
}

const text = `insert into ${table} ("groupId", "userId", title) values ($1, 1, 'inserted by the application')`;
const free = [...clients];
const waiting = [];
const took = [];
let [sent, stopping] = [0, false];
const began = performance.now();

/** From the moment the insert was due: one that waits for a connection is slow, not absent. */
function tick() {
  const due = Math.floor(((performance.now() - began) * rate) / 1000);
  for (; sent < due && !stopping; sent += 1) waiting.push({ at: performance.now(), parent: 1 + (sent % parents) });
  pump();
  if (stopping && waiting.length === 0 && free.length === connections) void end();
  else setTimeout(tick, 1);
}

function pump() {
  while (waiting.length > 0 && free.length > 0) void insert(free.pop(), waiting.shift());
}

async function insert(client, { at, parent }) {
  await client.query(text, [parent]);
  took.push(performance.now() - at);
  free.push(client);
  pump();
}

async function end() {
  for (const client of clients) await client.end();
  parentPort.postMessage({ took, seconds: (performance.now() - began) / 1000 });
  process.exit(0);
}

parentPort.once('message', () => {
  stopping = true;
});
parentPort.postMessage('ready');
tick();
