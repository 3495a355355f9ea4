/** `archive`: what is in the archive, whether it is whole, and how to read it. */
import { createReadStream, existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../../config/schema.ts';
import { topicNames } from '../../config/topics.ts';
import { EXIT, type ExitCode, withConfig, withExitCode } from '../command-context.ts';
import { UsageError } from '../common/errors.ts';
import { registerRestoreCommand, withTimeOptions } from '../restore/restore-options.ts';
import type { ArchivePlace } from './listing.ts';
import { registerTierCommands } from './tiers/tiers-command.ts';
import { mayHold, type TimeOptions, timeSpans } from './time-spans.ts';

interface JsonOption {
  readonly json?: true;
}

export function registerArchiveCommands(program: Command): void {
  const archive = program
    .command('archive')
    .description('what is in the archive, whether it is whole, how to read it');

  withTimeOptions(
    archive
      .command('list')
      .description('the segments, one a line; with times those that may hold such records')
      .argument('[topics...]', 'topics; all of them when none is named')
      .option('--json', 'one JSON object a line, with the metadata'),
  ).action(
    withConfig(async ({ config }, topics: string[], options: ListOptions) => list(config, topics, options)),
  );

  archive
    .command('show')
    .description('what one segment is: its metadata, its header, its schema, the batch it is a part of')
    .argument('<segment>', 'a path in the container, or a file')
    .option('--json', 'as one JSON object')
    .action(async (segment: string, options: JsonOption, command: Command): Promise<void> => {
      // A file needs no configuration.
      if (existsSync(segment)) return withExitCode(() => showFile(segment, options));
      return withConfig(({ config }, path: string, _options: object, _command: Command) =>
        showBlob(config, path, options),
      )(segment, options, command);
    });

  archive
    .command('cat')
    .description(
      'the records of a segment, one JSON object a line; fails where the file is cut off or altered',
    )
    .argument('<segment>', 'a path in the container, or a file')
    .action(async (segment: string, options: object, command: Command): Promise<void> => {
      // A file needs no configuration.
      if (existsSync(segment)) return withExitCode(() => catFile(segment));
      return withConfig(({ config }, path: string, _options: object, _command: Command) =>
        catBlob(config, path),
      )(segment, options, command);
    });

  archive
    .command('sql')
    .description("a SELECT for ClickHouse over a topic's segments of all schema versions")
    .argument('<topic>', 'the topic')
    .option('--folder <path>', 'read from a copy in this folder, by file(), instead of the blob store')
    .option('--with-credentials', 'write the connection string into the statement')
    .action(
      withConfig(async ({ config }, topic: string, options: SqlOptions) => sql(config, topic, options)),
    );

  archive
    .command('verify')
    .description(
      'prove that no offset is missing or twice and that every segment is whole; exits 3 when one is not',
    )
    .argument('[topics...]', 'topics; all of them when none is named')
    .option('--deep', 'read every segment to its end; without it, names, metadata and counts')
    .option('--json', 'the result as one JSON object')
    .action(
      withConfig(async ({ config }, topics: string[], options: JsonOption & { deep?: true }) =>
        verify(config, topics, options),
      ),
    );

  archive
    .command('index')
    .description("fill ClickHouse's table archive_segments anew from the listing of the blobs")
    .argument('[topics...]', 'topics; all of them when none is named')
    .action(withConfig(async ({ config }, topics: string[]) => index(config, topics)));

  registerTierCommands(archive);
  registerRestoreCommand(archive);
}

async function placeOf(config: Config): Promise<ArchivePlace> {
  const { createContainer } = await import('../common/blob/container.ts');
  return { container: createContainer(config), prefix: config.blob.prefix };
}

function chosenTopics(config: Config, topics: readonly string[]): readonly string[] {
  return topics.length > 0 ? topics : Object.values(topicNames(config));
}

async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

interface ListOptions extends JsonOption, TimeOptions {}

async function list(config: Config, topics: readonly string[], options: ListOptions): Promise<void> {
  const { json } = options;
  const { listTopic } = await import('./listing.ts');
  const spans = timeSpans(options);
  const place = await placeOf(config);
  for (const topic of chosenTopics(config, topics)) {
    for await (const blob of listTopic(place, topic)) {
      const { path, metadata, bytes } = blob;
      // What does not say which times it holds may hold any.
      if (metadata !== null && !mayHold(spans, metadata)) continue;
      const text = json
        ? JSON.stringify({ path: place.prefix + path, bytes, ...metadata })
        : place.prefix + path;
      await print(`${text}\n`);
    }
  }
}

async function showFile(file: string, { json }: JsonOption): Promise<ExitCode> {
  const show = await import('./show.ts');
  const shown = await show.showFile(file);
  await print(json ? `${show.shownJson(shown)}\n` : show.shownText(shown));
  return EXIT.ok;
}

async function showBlob(config: Config, path: string, { json }: JsonOption): Promise<void> {
  const show = await import('./show.ts');
  const shown = await show.showBlob(await placeOf(config), path);
  await print(json ? `${show.shownJson(shown)}\n` : show.shownText(shown));
}

async function catFile(file: string): Promise<ExitCode> {
  await catStream(createReadStream(file));
  return EXIT.ok;
}

async function catBlob(config: Config, path: string): Promise<void> {
  const [{ blobFault }, { container, prefix }] = await Promise.all([
    import('./blob-fault.ts'),
    placeOf(config),
  ]);
  const blob = container.getBlobClient(path.startsWith(prefix) ? path : prefix + path);
  const answer = await blob.download().catch((error: unknown) => {
    if ((error as { statusCode?: unknown } | null)?.statusCode === 404) {
      throw new UsageError(`there is no file ${path}, and no blob ${blob.name} in the container`);
    }
    throw blobFault(error, blob.name.slice(prefix.length));
  });
  await catStream((answer.readableStreamBody ?? []) as AsyncIterable<Buffer>);
}

async function catStream(source: AsyncIterable<Uint8Array>): Promise<void> {
  const [{ SegmentReader }, { recordLines }] = await Promise.all([
    import('./segment-reader.ts'),
    import('./cat.ts'),
  ]);
  for await (const lines of recordLines(await SegmentReader.open(source))) await print(lines);
}

interface SqlOptions {
  readonly folder?: string;
  readonly withCredentials?: true;
}

async function sql(
  config: Config,
  topic: string,
  { folder, withCredentials }: SqlOptions,
): Promise<ExitCode> {
  const { archivedSchemas, literal, selectStatement } = await import('./archive-sql.ts');
  const place = await placeOf(config);
  const { connectionString, container, prefix } = config.blob;
  if (withCredentials && connectionString === null) {
    throw new UsageError('--with-credentials: the configuration logs in without a connection string');
  }
  const connection =
    withCredentials && connectionString !== null ? literal(connectionString) : '{connection:String}';
  const statement = selectStatement(
    topic,
    await archivedSchemas(place, topic),
    folder === undefined ? { kind: 'blob', connection, container, prefix } : { kind: 'file', folder },
  );
  if (statement === null) {
    process.stderr.write(`campaign-ledger: the archive holds no decodable records of ${topic}\n`);
    return EXIT.failed;
  }
  await print(`${statement}\n`);
  if (folder === undefined && !withCredentials) {
    process.stderr.write(
      '{connection:String} is the connection string: clickhouse-client --param_connection=…\n',
    );
  }
  return EXIT.ok;
}

async function verify(
  config: Config,
  topics: readonly string[],
  { deep, json }: JsonOption & { readonly deep?: true },
): Promise<ExitCode> {
  const [{ verifyArchive }, { verdictText }] = await Promise.all([
    import('./verify.ts'),
    import('./verdict-text.ts'),
  ]);
  const place = await placeOf(config);
  const verdict = await verifyArchive({
    ...place,
    topics: chosenTopics(config, topics),
    isDeep: deep === true,
  });
  await print(json ? `${JSON.stringify(verdict)}\n` : verdictText(verdict));
  return verdict.discrepancies.length > 0 ? EXIT.discrepancy : EXIT.ok;
}

async function index(config: Config, topics: readonly string[]): Promise<void> {
  const [{ rebuildIndex }, { createClickHouse }] = await Promise.all([
    import('./segments-index.ts'),
    import('../common/clickhouse/client.ts'),
  ]);
  const client = createClickHouse(config);
  try {
    const { database } = config.clickhouse;
    const place = await placeOf(config);
    const count = await rebuildIndex({ ...place, client, database, topics: chosenTopics(config, topics) });
    process.stderr.write(`campaign-ledger: ${count} segments in ${database}.archive_segments\n`);
  } finally {
    await client.close();
  }
}
