/** Which parts there are, and where each of them keeps its data and can be reached. */
import { join } from 'node:path';
import { connectionString } from '../blob/azurite.ts';
import { blobPart } from '../blob/blob-part.ts';
import { kafkaPart } from '../kafka/kafka-part.ts';
import type { KafkaProperties } from '../kafka/server-properties.ts';
import { registryPart } from '../registry/registry-part.ts';
import type { PartSpec } from '../supervisor/part.ts';
import { clickHousePart } from './clickhouse-part.ts';
import { BLOB_CONTAINER, type StackAddresses } from './stack-config.ts';
import type { PartName, PortName, StackState } from './stack-state.ts';

export interface SpecOptions {
  /** Of the whole stack. */
  readonly dataDir: string;
  readonly state: StackState;
  readonly kafkaProperties?: KafkaProperties;
}

export function specOf(name: PartName, { dataDir, state, kafkaProperties = {} }: SpecOptions): PartSpec {
  const place = {
    dataDir: join(dataDir, name),
    logFile: join(dataDir, 'logs', `${name}.log`),
    port: portOf(state, name),
  };
  switch (name) {
    case 'kafka':
      return kafkaPart({
        ...place,
        controllerPort: portOf(state, 'kafkaController'),
        properties: kafkaProperties,
      });
    case 'clickhouse':
      return clickHousePart(place);
    case 'blob':
      return blobPart({ ...place, account: state.blobAccount, container: BLOB_CONTAINER });
    case 'registry':
      return registryPart(place);
  }
}

export function addressesOf(state: StackState): StackAddresses {
  return {
    kafka: `127.0.0.1:${portOf(state, 'kafka')}`,
    schemaRegistry: urlOf(state, 'registry'),
    clickhouse: urlOf(state, 'clickhouse'),
    blob: connectionString(urlOf(state, 'blob'), state.blobAccount),
  };
}

/** For people: says where, and holds no secret. */
export function shownAddress(state: StackState, name: PartName): string {
  if (name === 'kafka') return addressesOf(state).kafka;
  return name === 'blob' ? `${urlOf(state, name)}/${state.blobAccount.name}` : urlOf(state, name);
}

export function portOf(state: StackState, name: PortName): number {
  const port = state.ports[name];
  if (port === undefined) throw new Error(`${name} has no port yet`);
  return port;
}

function urlOf(state: StackState, name: PartName): string {
  return `http://127.0.0.1:${portOf(state, name)}`;
}
