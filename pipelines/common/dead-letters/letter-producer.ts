/** Sends letters to dead-letter topics and waits until they are as durable as Kafka can make them. */
import { setTimeout as sleep } from 'node:timers/promises';
import kafka from '@confluentinc/kafka-javascript';
import type { Config } from '../../../config/schema.ts';
import { Outage } from '../errors.ts';
import { producerSettings } from '../kafka/client-settings.ts';
import { kafkaErrorCode } from '../kafka/errors.ts';
import type { Logger } from '../logger.ts';
import { cutLetter, type LetterMessage, sizeOfLetter } from './dead-letter.ts';

const { ERRORS } = kafka.CODES;

/** Letters handed to the client and not yet acknowledged, at most: a burst of bad records must not fill the memory. */
const WINDOW_LETTERS = 2_000;
const WINDOW_BYTES = 8 * 1024 * 1024;

/** Milliseconds after which a letter that no broker took is an outage. */
const DELIVERY_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
const POLL_MS = 5;

const SETTINGS: Readonly<Record<string, string | number>> = {
  // The broker decides what is too large, after compression, as it did when it took the record.
  'message.max.bytes': 1_000_000_000,
  'compression.codec': 'lz4',
  // A batch is either one letter or smaller than any dead-letter topic's limit, so that a refusal names the culprit.
  'batch.size': 64 * 1024,
  'linger.ms': 5,
  'message.timeout.ms': DELIVERY_TIMEOUT_MS,
  // A topic that does not exist is named as the cause before the letter times out for no reason given.
  'topic.metadata.propagation.max.ms': DELIVERY_TIMEOUT_MS / 4,
  partitioner: 'murmur2_random',
};

interface Window {
  unanswered: number;
  readonly tooLarge: LetterMessage[];
  failure: unknown;
}

/** Connects with the first letter. One call of `send` at a time. */
export class LetterProducer {
  readonly #config: Pick<Config, 'kafka'>;
  readonly #logger: Logger;
  #producer: kafka.Producer | null = null;
  #window: Window = { unanswered: 0, tooLarge: [], failure: null };

  constructor({ config, logger }: { config: Pick<Config, 'kafka'>; logger: Logger }) {
    this.#config = config;
    this.#logger = logger;
  }

  /**
   * Resolves when every letter is in all in-sync replicas. One that is too large for its topic is cut.
   * @throws {Outage} when Kafka does not take them; some may have been sent, and are sent again by the next call
   */
  async send(letters: Iterable<LetterMessage>): Promise<void> {
    let window: LetterMessage[] = [];
    let bytes = 0;
    for (const letter of letters) {
      window.push(letter);
      bytes += sizeOfLetter(letter);
      if (window.length < WINDOW_LETTERS && bytes < WINDOW_BYTES) continue;
      await this.#sendWindow(window);
      window = [];
      bytes = 0;
    }
    await this.#sendWindow(window);
  }

  async close(): Promise<void> {
    const producer = this.#producer;
    this.#producer = null;
    if (producer !== null) await new Promise<void>((resolve) => producer.disconnect(1_000, () => resolve()));
  }

  async #sendWindow(letters: readonly LetterMessage[]): Promise<void> {
    const tooLarge = await this.#produce(letters);
    if (tooLarge.length === 0) return;
    this.#logger.warn(
      { topics: [...new Set(tooLarge.map(({ topic }) => topic))], letters: tooLarge.length },
      'records too large for their dead-letter topic are cut there; the archive holds them whole',
    );
    const stillTooLarge = await this.#produce(tooLarge.map(cutLetter));
    if (stillTooLarge.length > 0)
      throw new Outage(
        'kafka',
        `${stillTooLarge[0]?.topic} refuses even a cut letter: raise its max.message.bytes`,
      );
  }

  /** @returns those that their topic refuses as too large */
  async #produce(letters: readonly LetterMessage[]): Promise<readonly LetterMessage[]> {
    if (letters.length === 0) return [];
    const producer = await this.#connected();
    const window: Window = { unanswered: 0, tooLarge: [], failure: null };
    this.#window = window;
    for (const letter of letters) {
      try {
        producer.produce(letter.topic, null, letter.value, letter.key, null, letter, letter.headers);
        window.unanswered += 1;
      } catch (error) {
        this.#answered(window, letter, error);
        if (window.failure !== null) break;
      }
    }
    while (window.unanswered > 0 && window.failure === null) {
      if (this.#producer !== producer)
        throw outage(new Error('the pipeline ended before they were acknowledged'));
      producer.poll();
      await sleep(POLL_MS);
    }
    if (window.failure === null) return window.tooLarge;
    // What it still holds would be sent twice, and an idempotent producer that met a fatal error takes nothing more.
    this.#producer = null;
    producer.disconnect(0, () => {});
    throw outage(window.failure);
  }

  #answered(window: Window, letter: LetterMessage, error: unknown): void {
    if (error === null || error === undefined) return;
    if (kafkaErrorCode(error) === ERRORS.ERR_MSG_SIZE_TOO_LARGE) window.tooLarge.push(letter);
    else window.failure ??= error;
  }

  async #connected(): Promise<kafka.Producer> {
    if (this.#producer !== null) return this.#producer;
    const producer = new kafka.Producer({ ...producerSettings(this.#config), ...SETTINGS });
    producer.on('delivery-report', (error, report) => {
      // A report that comes after its window failed speaks of a letter that is sent again.
      const window = this.#window;
      if (this.#producer !== producer || window.unanswered === 0) return;
      window.unanswered -= 1;
      this.#answered(window, report.opaque as LetterMessage, error);
    });
    producer.on('event.error', (error) => this.#logger.debug({ err: error }, 'dead-letter producer'));
    await new Promise<void>((resolve, reject) => {
      producer.connect({ timeout: CONNECT_TIMEOUT_MS }, (error) =>
        error ? reject(outage(error)) : resolve(),
      );
    });
    // One that could not connect has ended by itself, and throws when it is told to.
    this.#producer = producer;
    return producer;
  }
}

/** Whatever keeps a letter from being sent, a missing topic or permission included, is no fault of the record. */
function outage(error: unknown): Outage {
  const message = error instanceof Error ? error.message : String(error);
  const code = kafkaErrorCode(error);
  const isMissing =
    code === ERRORS.ERR__UNKNOWN_TOPIC ||
    code === ERRORS.ERR__UNKNOWN_PARTITION ||
    code === ERRORS.ERR_UNKNOWN_TOPIC_OR_PART;
  return new Outage(
    'kafka',
    `dead letters: ${message}${isMissing ? ' (migrate creates the dead-letter topics)' : ''}`,
    { cause: error },
  );
}
