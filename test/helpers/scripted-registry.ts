/** A registry whose word can change, for tests of what is made of it. */
import { WriterSchemas } from '../../pipelines/common/registry/writer-schemas.ts';
import { testConfig } from './config.ts';
import { type RecordingServer, startRecordingServer } from './recording-server.ts';

export class ScriptedRegistry implements AsyncDisposable {
  /** By id. Missing ids are unknown. */
  readonly known = new Map<number, unknown>();
  readonly clock = { time: 0, now: () => this.clock.time };
  readonly #opened: WriterSchemas[] = [];
  #server: RecordingServer | undefined;

  static async start(): Promise<ScriptedRegistry> {
    const registry = new ScriptedRegistry();
    registry.#server = await startRecordingServer((request, reply) => {
      const id = Number(/^\/schemas\/ids\/(\d+)$/.exec(request.path)?.[1]);
      if (!registry.known.has(id))
        return reply.code(404).send({ error_code: 40403, message: 'Schema not found' });
      return { schema: JSON.stringify(registry.known.get(id)) };
    });
    return registry;
  }

  get url(): string {
    return this.#server?.url ?? '';
  }

  get asked(): readonly string[] {
    return this.#server?.requests.map(({ path }) => path) ?? [];
  }

  /** A client that remembers nothing of earlier ones. */
  async schemas(): Promise<WriterSchemas> {
    const config = await testConfig({ schemaRegistry: { url: this.url } });
    const schemas = new WriterSchemas({ settings: config.schemaRegistry, clock: this.clock });
    this.#opened.push(schemas);
    return schemas;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const schemas of this.#opened) await schemas.close();
    await this.#server?.close();
  }
}
