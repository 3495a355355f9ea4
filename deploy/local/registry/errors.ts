/** Refusals as the Confluent schema registry words them: an HTTP status and a code that clients look at. */

export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: number;
  readonly status: number;

  /** @param code begins with the three digits of the HTTP status */
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
    this.status = Number(String(code).slice(0, 3));
  }
}

export const subjectNotFound = (subject: string) =>
  new RegistryError(40401, `Subject '${subject}' not found.`);

export const versionNotFound = (version: number | string) =>
  new RegistryError(40402, `Version ${version} not found.`);

export const schemaNotFound = (id?: number) =>
  new RegistryError(40403, id === undefined ? 'Schema not found' : `Schema ${id} not found`);

export const invalidSchema = (reason: string) => new RegistryError(42201, `Invalid schema: ${reason}`);
