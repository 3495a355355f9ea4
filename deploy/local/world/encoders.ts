/** Confluent-framed Avro for the world's values, under the schemas that `migrate` registers. */
import { readFile } from 'node:fs/promises';
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import avsc from 'avsc';
import type { Config } from '../../../config/schema.ts';
import { type TopicNames, topicNames } from '../../../config/topics.ts';
import type { WorldTopic, WorldValue } from './world-record.ts';

const schemaFiles = {
  definitions: 'campaign-definition',
  delivery: 'delivery-event',
  feedback: 'feedback-event',
  profiles: 'profile-change',
} as const satisfies Record<WorldTopic, string>;

export interface TopicEncoder {
  readonly topic: string;
  readonly schemaId: number;
  readonly type: avsc.Type;
}

export type WorldEncoders = Readonly<Record<WorldTopic, TopicEncoder>>;

async function makeEncoder(
  registry: SchemaRegistry,
  role: WorldTopic,
  topics: TopicNames,
): Promise<TopicEncoder> {
  const file = new URL(`../../../schemas/avro/${schemaFiles[role]}.avsc`, import.meta.url);
  const schema = await readFile(file, 'utf8');
  const topic = topics[role];
  const { id } = await registry.register({ type: SchemaType.AVRO, schema }, { subject: `${topic}-value` });
  return { topic, schemaId: id, type: avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema) };
}

/** Registers the schemas where they are not yet; registering one again gives the same id. */
export async function makeEncoders(config: Config): Promise<WorldEncoders> {
  const { url, username, password } = config.schemaRegistry;
  const registry = new SchemaRegistry({
    host: url,
    ...(username === null ? {} : { auth: { username, password: password ?? '' } }),
  });
  const topics = topicNames(config);
  const [definitions, delivery, feedback, profiles] = await Promise.all([
    makeEncoder(registry, 'definitions', topics),
    makeEncoder(registry, 'delivery', topics),
    makeEncoder(registry, 'feedback', topics),
    makeEncoder(registry, 'profiles', topics),
  ]);
  return { definitions, delivery, feedback, profiles };
}

/** Magic byte 0, the schema id in four bytes (big endian), the Avro encoding. */
export function frame(schemaId: number, payload: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(5 + payload.length);
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(schemaId, 1);
  payload.copy(framed, 5);
  return framed;
}

export function encode(encoders: WorldEncoders, { topic, value }: WorldValue): Buffer {
  const { schemaId, type } = encoders[topic];
  return frame(schemaId, type.toBuffer(value));
}
