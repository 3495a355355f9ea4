/** Set-up archives the broker's classes: an archive that Java passes over would cost every start seconds, and nobody would see it. */
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { kafkaPart } from '../../../../deploy/local/kafka/kafka-part.ts';

it('a broker starts from the archive of classes', async () => {
  const places = { dataDir: '/nowhere', logFile: '/nowhere/kafka.log' };
  const { file, args } = kafkaPart({ ...places, port: 1, controllerPort: 2 }).command();
  const options = args.slice(0, args.indexOf('kafka.Kafka'));
  expect(options).toContainEqual(expect.stringMatching(/^-XX:SharedArchiveFile=/));
  // `on`: end with an error rather than go on without it.
  const { stderr } = await execa(file, ['-Xshare:on', ...options, '-version']);
  expect(stderr).toMatch(/\bsharing\b/);
});
