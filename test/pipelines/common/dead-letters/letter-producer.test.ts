/** Dead letters while no broker can be reached: an outage to be waited out, never the end of the pipeline. */
import { expect, test } from 'vitest';
import { LetterProducer } from '../../../../pipelines/common/dead-letters/letter-producer.ts';
import { Outage } from '../../../../pipelines/common/errors.ts';
import { createLogger } from '../../../../pipelines/common/logger.ts';
import { testConfig } from '../../../helpers/config.ts';

test('no broker is an outage', async () => {
  const logger = createLogger({ level: 'fatal', format: 'json' });
  const producer = new LetterProducer({ config: await testConfig(), logger });
  const letter = { topic: 'example.dead-letters', key: null, value: Buffer.from('value'), headers: [] };
  await expect(producer.send([letter])).rejects.toBeInstanceOf(Outage);
  await producer.close();
});
