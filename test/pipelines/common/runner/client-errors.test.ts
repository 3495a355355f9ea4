/** Errors of the client, as the client itself makes them. */
import kafka from '@confluentinc/kafka-javascript';
import { describe, expect, it } from 'vitest';
import { Outage } from '../../../../pipelines/common/errors.ts';
import { judgeClientError, Repetition } from '../../../../pipelines/common/runner/client-errors.ts';

const coded = (code: number) =>
  Object.assign(new Error('text'), {
    code,
    errno: code,
    origin: 'kafka',
  }) as unknown as kafka.LibrdKafkaError;

describe('judgeClientError', () => {
  it('knows a cluster that is away by the text alone, for the client drops the code', async () => {
    const errors: kafka.LibrdKafkaError[] = [];
    // The client says it once, and to nobody when that is before it has begun to listen to its own thread.
    for (let tries = 0; tries < 10 && errors.length === 0; tries += 1) {
      const consumer = new kafka.KafkaConsumer(
        { 'bootstrap.servers': '127.0.0.1:1', 'group.id': 'none' },
        {},
      );
      consumer.on('event.error', (error) => errors.push(error));
      await new Promise<void>((resolve) => consumer.connect({ timeout: 1_000 }, () => resolve()));
    }
    expect(errors).not.toEqual([]);
    for (const error of errors) expect(judgeClientError(error)).toBeInstanceOf(Outage);
  });

  it.each([
    [kafka.CODES.ERRORS.ERR__FATAL, 'hopeless'],
    [kafka.CODES.ERRORS.ERR_GROUP_AUTHORIZATION_FAILED, 'hopeless'],
    [kafka.CODES.ERRORS.ERR__AUTO_OFFSET_RESET, 'suspicious'],
    [kafka.CODES.ERRORS.ERR__MAX_POLL_EXCEEDED, 'other'],
  ])('%i is %s', (code, fault) => {
    expect(judgeClientError(coded(code))).toBe(fault);
  });
});

describe('Repetition', () => {
  it('lets the same text through once in a while', () => {
    const said = new Repetition(1_000);
    expect([0, 10, 999, 1_000, 1_500].map((now) => said.isNews('down', now))).toEqual([
      true,
      false,
      false,
      true,
      false,
    ]);
    expect(said.isNews('other', 1_500)).toBe(true);
  });
});
