/** The registry's HTTP interface: the paths, codes and bodies of the Confluent schema registry that clients use. */
import { timingSafeEqual } from 'node:crypto';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import { schemaBody } from './avro-schema.ts';
import { RegistryError, subjectNotFound } from './errors.ts';
import { Registry, type VersionOf } from './registry.ts';
import { COMPATIBILITY_LEVELS, MODES, RegistryStore } from './store.ts';

export interface RegistryOptions {
  readonly dataDir: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** When given, every request must carry them. */
  readonly credentials?: { readonly username: string; readonly password: string } | undefined;
}

export interface RegistryServer {
  readonly url: string;
  close(): Promise<void>;
}

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json';
const MAX_BODY_BYTES = 16 * 1024 * 1024;

const schemaRequest = z.object({
  schema: z.string(),
  schemaType: z.string().default('AVRO'),
  references: z
    .array(z.object({ name: z.string(), subject: z.string(), version: z.int().positive() }))
    .nullish()
    .transform((references) => references ?? []),
});

export async function startRegistry(options: RegistryOptions): Promise<RegistryServer> {
  const store = RegistryStore.open(options.dataDir);
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 1_000 },
  });
  speakRegistry(app, options);
  addRoutes(app, new Registry(store));
  app.addHook('onClose', () => store.close());
  const url = await app.listen({ host: options.host, port: options.port });
  return { url, close: () => app.close() };
}

/** Content types, login and the form of errors. */
function speakRegistry(app: FastifyInstance, { credentials }: RegistryOptions): void {
  // Clients name the registry's own type, or plain JSON, or nothing at all.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? undefined : JSON.parse(body as string));
    } catch {
      done(new RegistryError(400, 'The body is not JSON'));
    }
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.type(CONTENT_TYPE);
    if (credentials !== undefined && !isAuthorized(request, credentials)) {
      reply.header('www-authenticate', 'Basic realm="schema registry"');
      throw new RegistryError(401, 'Unauthorized');
    }
  });
  app.setNotFoundHandler(() => {
    throw new RegistryError(404, 'HTTP 404 Not Found');
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof z.ZodError)
      return reply.code(422).send({ error_code: 422, message: z.prettifyError(error) });
    if (error instanceof RegistryError)
      return reply.code(error.status).send({ error_code: error.code, message: error.message });
    const status = error.statusCode ?? 500;
    return reply.code(status).send({ error_code: status === 500 ? 50001 : status, message: error.message });
  });
}

function isAuthorized(
  request: FastifyRequest,
  { username, password }: { username: string; password: string },
) {
  const given = Buffer.from(request.headers.authorization ?? '');
  const wanted = Buffer.from(`Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function readSchemaRequest(request: FastifyRequest) {
  const { schema, schemaType, references } = schemaRequest.parse(request.body ?? {});
  if (schemaType !== 'AVRO')
    throw new RegistryError(42201, `Invalid schema type ${schemaType}: only AVRO is supported`);
  return { text: schema, references };
}

function flag(request: FastifyRequest, name: string): boolean {
  return (request.query as Record<string, unknown>)[name] === 'true';
}

function versionBody({ subject, version, schema }: VersionOf) {
  return { subject, version, id: schema.id, ...schemaBody(schema) };
}

type ById = { Params: { id: string } };
type BySubject = { Params: { subject: string } };
type ByVersion = { Params: { subject: string; version: string } };

function addRoutes(app: FastifyInstance, registry: Registry): void {
  const deleted = (request: FastifyRequest) => ({ isDeletedToo: flag(request, 'deleted') });
  const byId = ({ params }: FastifyRequest<ById>) => registry.schema(Number(params.id));

  app.get('/', async () => ({}));
  app.get('/schemas/types', async () => ['AVRO']);
  app.get<ById>('/schemas/ids/:id', async (request) => schemaBody(byId(request)));
  app.get<ById>('/schemas/ids/:id/schema', async (request, reply) => reply.send(byId(request).text));
  app.get<ById>('/schemas/ids/:id/subjects', async (request) => [
    ...new Set(registry.versionsOf(byId(request).id, deleted(request)).map(({ subject }) => subject)),
  ]);
  app.get<ById>('/schemas/ids/:id/versions', async (request) =>
    registry.versionsOf(byId(request).id, deleted(request)),
  );

  app.get('/subjects', async (request) => {
    const prefix = (request.query as { subjectPrefix?: string }).subjectPrefix ?? '';
    const { isDeletedToo } = deleted(request);
    return registry.store
      .subjects()
      .filter((subject) => subject.startsWith(prefix))
      .filter((subject) => registry.store.versions(subject).some((one) => isDeletedToo || !one.isDeleted));
  });
  app.post<BySubject>('/subjects/:subject', async (request) =>
    versionBody(registry.lookUp(request.params.subject, readSchemaRequest(request), deleted(request))),
  );
  app.delete<BySubject>('/subjects/:subject', async (request) => {
    const { subject } = request.params;
    const isPermanent = flag(request, 'permanent');
    const present = registry.versions(subject, { isDeletedToo: isPermanent });
    return registry.deleteVersions(
      subject,
      present.map(({ version }) => version),
      { isPermanent },
    );
  });
  app.get<BySubject>('/subjects/:subject/versions', async (request) =>
    registry.versions(request.params.subject, deleted(request)).map(({ version }) => version),
  );
  app.post<BySubject>('/subjects/:subject/versions', async (request) => ({
    id: registry.register(request.params.subject, readSchemaRequest(request)),
  }));
  app.get<ByVersion>('/subjects/:subject/versions/:version', async (request) => {
    const { subject, version } = request.params;
    return versionBody(registry.version(subject, version, deleted(request)));
  });
  app.get<ByVersion>('/subjects/:subject/versions/:version/schema', async (request, reply) => {
    const { subject, version } = request.params;
    return reply.send(registry.version(subject, version, deleted(request)).schema.text);
  });
  app.delete<ByVersion>('/subjects/:subject/versions/:version', async (request) => {
    const { subject, version } = request.params;
    const isPermanent = flag(request, 'permanent');
    const found = registry.version(subject, version, { isDeletedToo: isPermanent });
    registry.deleteVersions(subject, [found.version], { isPermanent });
    return found.version;
  });

  addSettings(app, registry);
  addChecks(app, registry);
}

function addSettings(app: FastifyInstance, { store }: Registry): void {
  const levelRequest = z.object({ compatibility: z.enum(COMPATIBILITY_LEVELS) });
  const modeRequest = z.object({ mode: z.enum(MODES) });
  const level = (request: FastifyRequest) => {
    const read = levelRequest.safeParse(request.body);
    if (!read.success) throw new RegistryError(42203, 'Invalid compatibility level');
    return read.data.compatibility;
  };
  const mode = (request: FastifyRequest) => {
    const read = modeRequest.safeParse(request.body);
    if (!read.success) throw new RegistryError(42204, 'Invalid mode');
    return read.data.mode;
  };
  const globalLevel = () => store.level(null) ?? 'BACKWARD';

  app.get('/config', async () => ({ compatibilityLevel: globalLevel() }));
  app.put('/config', async (request) => {
    const compatibility = level(request);
    store.setLevel(null, compatibility);
    return { compatibility };
  });
  app.delete('/config', async () => {
    store.setLevel(null, null);
    return { compatibility: globalLevel() };
  });
  app.get<BySubject>('/config/:subject', async (request) => {
    const { subject } = request.params;
    const own = store.level(subject);
    if (own !== null) return { compatibilityLevel: own };
    if (flag(request, 'defaultToGlobal')) return { compatibilityLevel: globalLevel() };
    throw new RegistryError(
      40408,
      `Subject '${subject}' does not have subject-level compatibility configured`,
    );
  });
  app.put<BySubject>('/config/:subject', async (request) => {
    const compatibility = level(request);
    store.setLevel(request.params.subject, compatibility);
    return { compatibility };
  });
  app.delete<BySubject>('/config/:subject', async (request) => {
    const { subject } = request.params;
    const own = store.level(subject);
    if (own === null) throw subjectNotFound(subject);
    store.setLevel(subject, null);
    return { compatibility: own };
  });

  app.get('/mode', async () => ({ mode: store.mode(null) ?? 'READWRITE' }));
  app.put('/mode', async (request) => {
    store.setMode(null, mode(request));
    return { mode: mode(request) };
  });
  app.get<BySubject>('/mode/:subject', async (request) => {
    const { subject } = request.params;
    const own =
      store.mode(subject) ?? (flag(request, 'defaultToGlobal') ? (store.mode(null) ?? 'READWRITE') : null);
    if (own === null)
      throw new RegistryError(40409, `Subject '${subject}' does not have subject-level mode configured`);
    return { mode: own };
  });
  app.put<BySubject>('/mode/:subject', async (request) => {
    store.setMode(request.params.subject, mode(request));
    return { mode: mode(request) };
  });
}

function addChecks(app: FastifyInstance, registry: Registry): void {
  const answer = (request: FastifyRequest, faults: readonly string[]) => ({
    is_compatible: faults.length === 0,
    ...(flag(request, 'verbose') ? { messages: faults } : {}),
  });
  app.post<ByVersion>('/compatibility/subjects/:subject/versions/:version', async (request) => {
    const { subject, version } = request.params;
    const found = registry.version(subject, version);
    return answer(request, registry.check(subject, readSchemaRequest(request), [found]));
  });
  app.post<BySubject>('/compatibility/subjects/:subject/versions', async (request) => {
    const { subject } = request.params;
    return answer(request, registry.checkNext(subject, readSchemaRequest(request)));
  });
}
