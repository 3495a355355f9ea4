/** Who is measured in the main suite. */
import { countArchived } from './archived-count.ts';
import { kafkaEngine } from './kafka-engine.ts';
import { pipelineSubject, type Subject, scriptSubject } from './subject.ts';
import type { Trial } from './trial.ts';

const countEvents = (trial: Trial) => trial.number('SELECT count() FROM events FINAL');

export const BARE = scriptSubject('bare', {
  script: 'bare-consumer.ts',
  writesToClickHouse: false,
  count: async () => null,
});

export const ARCHIVE = pipelineSubject('archive', { writesToClickHouse: false, count: countArchived });

export const TRACKING = pipelineSubject('tracking', { writesToClickHouse: true, count: countEvents });

export const KAFKA_ENGINES = [kafkaEngine(1), kafkaEngine(2)] as const;

export const NAIVE = scriptSubject('naive', {
  script: 'naive-tracker.ts',
  writesToClickHouse: true,
  count: countEvents,
});

export const PROFILES = pipelineSubject('profiles', {
  writesToClickHouse: true,
  count: (trial) => trial.number('SELECT uniqExact(tenant_id, user_id, change_id) FROM profile_changes'),
});

/** In the order of a round. */
export const FEEDBACK_SUBJECTS: readonly Subject[] = [BARE, ARCHIVE, TRACKING, ...KAFKA_ENGINES, NAIVE];
