/** Azurite's blob server in this process, with metadata that survives a kill. */
import { createRequire } from 'node:module';
import { type LokiDatabase, MetadataJournal } from './metadata-journal.ts';

export interface AzuriteOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly account: StorageAccount;
}

export interface StorageAccount {
  readonly name: string;
  /** Base64. */
  readonly key: string;
}

/** What is used of Azurite, which ships no types. Its stores are private, and the same in all of 3.x. */
interface AzuriteServer {
  readonly metadataStore: LokiStore;
  readonly extentMetadataStore: LokiStore;
  start(): Promise<void>;
  close(): Promise<void>;
  getHttpServerAddress(): string;
}

interface LokiStore {
  readonly db: LokiDatabase;
  init(): Promise<void>;
  close(): Promise<void>;
}

interface AzuriteModule {
  readonly BlobServerFactory: new () => { createServer(environment: object): Promise<AzuriteServer> };
}

/** Seconds; longer than clients keep an idle connection, so that none is closed under a request just sent. */
const KEEP_ALIVE_S = 120;

export async function createAzurite({
  dataDir,
  host,
  port,
  account,
}: AzuriteOptions): Promise<AzuriteServer> {
  process.env.AZURITE_ACCOUNTS = `${account.name}:${account.key}`;
  delete process.env.AZURITE_DB;
  const require = createRequire(import.meta.url);
  const { BlobServerFactory } = require('azurite/dist/src/blob/BlobServerFactory.js') as AzuriteModule;
  const server = await new BlobServerFactory().createServer({
    location: async () => dataDir,
    blobHost: () => host,
    blobPort: () => port,
    blobKeepAliveTimeout: () => KEEP_ALIVE_S,
    // No line for each request.
    silent: () => true,
    debug: async () => undefined,
    loose: () => false,
    // The client library may speak a newer version of the API than Azurite knows of.
    skipApiVersionCheck: () => true,
    disableProductStyleUrl: () => false,
    inMemoryPersistence: () => false,
    extentMemoryLimit: () => undefined,
    cert: () => undefined,
    key: () => undefined,
    pwd: () => undefined,
    oauth: () => undefined,
  });
  keepJournal(server.metadataStore);
  keepJournal(server.extentMetadataStore);
  return server;
}

/** A connection string for the account, as the storage client takes it. @param url without a slash at the end */
export function connectionString(url: string, { name, key }: StorageAccount): string {
  return `DefaultEndpointsProtocol=http;AccountName=${name};AccountKey=${key};BlobEndpoint=${url}/${name};`;
}

/** Azurite calls `init` before it listens, and `close` when it no longer does. */
function keepJournal(store: LokiStore): void {
  const init = store.init.bind(store);
  const close = store.close.bind(store);
  let journal: MetadataJournal | null = null;
  store.init = async () => {
    await init();
    journal = await MetadataJournal.open(store.db);
  };
  store.close = async () => {
    await journal?.save();
    await close();
  };
}
