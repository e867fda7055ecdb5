// The application, on a thread of its own: single-row inserts at a fixed rate over a few connections, and how long each took.
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';

const { url, rate, table, parents } = workerData;
const connections = 4;
const clients = [];
for (let n = 0; n < connections; n += 1) {
  const client = new pg.Client({ connectionString: url, application_name: 'bench application' });
  await client.connect();
  clients.push(client);
}

const took = [];
let [sent, late, stopping] = [0, 0, false];
let busy = 0;
const began = performance.now();

function tick() {
  const due = Math.floor(((performance.now() - began) * rate) / 1000);
  for (; sent < due && !stopping; sent += 1) void insert(clients[sent % connections]);
  if (stopping && busy === 0) void end();
  else setTimeout(tick, 1);
}

async function insert(client) {
  busy += 1;
  const at = performance.now();
  await client.query(
    `insert into ${table} ("groupId", "userId", title) values ($1, 1, 'inserted by the application')`,
    [1 + (sent % parents)],
  );
  const ms = performance.now() - at;
  took.push(ms);
  if (ms > 100) late += 1;
  busy -= 1;
}

async function end() {
  for (const client of clients) await client.end();
  parentPort.postMessage({ took, late, seconds: (performance.now() - began) / 1000 });
  process.exit(0);
}

parentPort.once('message', () => {
  stopping = true;
});
parentPort.postMessage('ready');
tick();
