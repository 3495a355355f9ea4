import { RestError } from '@azure/storage-blob';
import { describe, expect, test } from 'vitest';
import { Outage } from '../../../pipelines/common/errors.ts';
import { kafkaSettings } from '../../../pipelines/common/kafka/client-settings.ts';
import { createLogger } from '../../../pipelines/common/logger.ts';
import { testConfig } from '../../helpers/config.ts';

function capture(level = 'info', format: 'json' | 'pretty' = 'json') {
  const lines: string[] = [];
  const logger = createLogger({ level, format }, { write: (line) => void lines.push(line) });
  return { logger, lines };
}

describe('secrets', () => {
  test('a whole configuration, logged by mistake', async () => {
    const config = await testConfig({
      kafka: {
        tls: { enabled: true, keyPassword: 'hunter2' },
        sasl: { mechanism: 'plain', username: 'u', password: 'hunter2' },
      },
      schemaRegistry: { username: 'u', password: 'hunter2' },
      clickhouse: { password: 'hunter2' },
      blob: { accountUrl: 'https://example.net', sasToken: 'hunter2' },
    });
    const { logger, lines } = capture();
    logger.info(config, 'at the top');
    logger.info({ config }, 'one level down');
    logger.info({ context: { config } }, 'two levels down');
    logger.info({ settings: kafkaSettings(config) }, 'as librdkafka properties');
    logger.info({ request: { headers: { authorization: 'Basic hunter2' } } }, 'a request');
    expect(lines).toHaveLength(5);
    for (const line of lines) {
      expect(line).not.toContain('hunter2');
      expect(line).toContain('[secret]');
    }
  });

  test('the signature of a SAS in an error of the SDK, also in its cause', () => {
    const { logger, lines } = capture();
    const cause = new RestError('GET https://a.net/c?sv=1&sig=hunter2%3D&se=2 failed');
    logger.error({ err: cause }, 'direct');
    logger.error({ err: new Outage('blob', 'away', { cause }) }, 'as a cause');
    expect(lines.join('')).not.toContain('hunter2');
    expect(lines[0]).toContain('sig=[secret]&se=2 failed');
    expect(lines[1]).toContain('blob: away');
  });
});

test('a line is one JSON object with a level by name and an ISO time', () => {
  const { logger, lines } = capture();
  logger.info({ topic: 't' }, 'started');
  logger.debug('not shown');
  expect(lines).toHaveLength(1);
  const line = JSON.parse(lines[0] ?? '');
  expect(line).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    topic: 't',
    msg: 'started',
  });
});

test('pretty is for people', () => {
  const { logger, lines } = capture('info', 'pretty');
  logger.warn({ topic: 't' }, 'slow');
  expect(lines.join('')).toMatch(/WARN.*slow/);
  expect(lines.join('')).toMatch(/topic: "t"/);
});
