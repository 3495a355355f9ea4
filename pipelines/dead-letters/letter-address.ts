/** How somebody who types names one letter: by where its record stood, or by where the letter itself stands. */
import type { Config } from '../../config/schema.ts';
import { deadLetterTopic, topicNames } from '../../config/topics.ts';
import { UsageError } from '../common/errors.ts';
import type { Letter } from './letter.ts';

export interface LetterAddress {
  /** The source topic; null where only an id was given, which may be any topic's. */
  readonly topic: string | null;
  /** As it was typed, for messages. */
  readonly text: string;
  names(letter: Letter): boolean;
}

/**
 * `<topic>/<partition>:<offset>`, `<topic id>/<partition>/<offset>` as in dl.replay-of, or
 * `<topic>.dead-letters/<partition>:<offset>`.
 * @throws {UsageError}
 */
export function parseAddress(config: Pick<Config, 'kafka'>, text: string): LetterAddress {
  const match = /^(?<place>[A-Za-z0-9._-]+)\/(?<partition>\d{1,10})[:/](?<offset>\d{1,15})$/.exec(text);
  if (match?.groups === undefined) {
    throw new UsageError(
      `'${text}' names no letter: give the topic, partition and offset of its record as in campaign.feedback/2:17, or of the letter itself as in campaign.feedback.dead-letters/0:5`,
    );
  }
  const { place = '' } = match.groups;
  const partition = Number(match.groups.partition);
  const offset = Number(match.groups.offset);
  const isAt = (one: { partition: number; offset: number }) =>
    one.partition === partition && one.offset === offset;
  if (/^[0-9a-f]{32}$/.test(place))
    return { topic: null, text, names: ({ origin }) => origin.topicId === place && isAt(origin) };
  const name = place.endsWith('.dead-letters') ? place.slice(0, -'.dead-letters'.length) : place;
  const topic = sourceTopic(config, name);
  return place === name
    ? { topic, text, names: ({ origin }) => origin.topic === topic && isAt(origin) }
    : { topic, text, names: (letter) => letter.topic === deadLetterTopic(topic) && isAt(letter) };
}

/** @param name with the configured prefix or without it @throws {UsageError} it is none of ours */
export function sourceTopic(config: Pick<Config, 'kafka'>, name: string): string {
  const topics = Object.values(topicNames(config));
  const found = topics.find((topic) => topic === name || topic === config.kafka.topicPrefix + name);
  if (found !== undefined) return found;
  throw new UsageError(`there are no dead letters of a topic '${name}'; there are of ${topics.join(', ')}`);
}
