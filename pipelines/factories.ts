/** Where each pipeline is made. Loaded only when it is asked for. */
import type { PipelineName } from '../config/schema.ts';
import { UsageError } from './common/errors.ts';
import type { CreatePipeline } from './common/runner/pipeline.ts';

export const PIPELINE_FACTORIES: Readonly<Record<PipelineName, () => Promise<CreatePipeline>>> = {
  tracking: async () => (await import('./tracking/pipeline.ts')).createTrackingPipeline,
  archive: async () => (await import('./archive/pipeline.ts')).createArchivePipeline,
  profiles: async () => (await import('./profiles/pipeline.ts')).createProfilesPipeline,
};

export const PIPELINE_NAMES = Object.keys(PIPELINE_FACTORIES) as PipelineName[];

/** @throws {UsageError} */
export function pipelineName(name: string): PipelineName {
  const known = PIPELINE_NAMES.find((one) => one === name);
  if (known === undefined) {
    throw new UsageError(
      `there is no pipeline '${name}'; there are ${PIPELINE_NAMES.join(', ')} (and, for run, retention)`,
    );
  }
  return known;
}
