/** The errors that decide what a pipeline does next. Each is made once, at the boundary to the service it speaks of. */

/** A service is away, overloaded or slow: nothing is wrong with the data. Wait and try again. */
export class Outage extends Error {
  override readonly name = 'Outage';
  /** The service that failed, as named in the configuration: kafka, schemaRegistry, clickhouse or blob. */
  readonly service: string;
  constructor(service: string, message: string, options?: ErrorOptions) {
    super(`${service}: ${message}`, options);
    this.service = service;
  }
}

/** Another process owns the partition now. Whatever was in hand is dropped; it is safe with the other one. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}

/** Going on would lose or double records. The partition stops until a person decides; the message says what to type. */
export class PartitionStopped extends Error {
  override readonly name = 'PartitionStopped';
  /** Stable code, listed in docs/operations.md. */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Wrong usage or configuration: printed without a stack; the command exits 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
