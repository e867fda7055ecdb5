// A run that gets killed: starts both servers, says where they are, and waits for its end. Argument: the built local-stack.
const { startKafka, startPostgres } = await import(process.argv[2]);
const postgres = await startPostgres();
const kafka = await startKafka();
console.log(JSON.stringify({ port: postgres.port, dataDirectory: postgres.dataDirectory, brokers: kafka.brokers }));
setInterval(() => {}, 60_000);
