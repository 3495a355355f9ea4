/** The thread that makes the reports of users with many events, one at a time. It says how far it is. */
import { parentPort } from 'node:worker_threads';
import { createContainer } from '../../common/blob/container.ts';
import { systemClock } from '../../common/clock.ts';
import { Outage } from '../../common/errors.ts';
import { openReportContext } from '../../report/report-context.ts';
import { problemOf } from '../problem-of.ts';
import type { WorkerFault, WorkerMessage, WorkerTask } from './make-result.ts';
import type { MadeResult } from './result-task.ts';
import { writeUserResult } from './write-user-result.ts';

const say = (message: WorkerMessage): void => parentPort?.postMessage(message);

async function make({ config, ...task }: WorkerTask): Promise<MadeResult> {
  const { context, close } = openReportContext(config, { clock: systemClock, isLocalOnly: false });
  const place = { container: createContainer(config), prefix: config.blob.prefix };
  try {
    return await writeUserResult({ context, place, clock: systemClock }, task, {
      onProgress: (progress) => say({ kind: 'progress', progress }),
    });
  } finally {
    await close();
  }
}

function faultOf(error: unknown): WorkerFault {
  const { code, message } = problemOf(error);
  return {
    code,
    detail: message,
    outage: error instanceof Outage ? { service: error.service, reason: error.message } : null,
    stack: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
}

parentPort?.on('message', (task: WorkerTask) => {
  void make(task).then(
    (made) => say({ kind: 'made', made }),
    (error: unknown) => say({ kind: 'failed', fault: faultOf(error) }),
  );
});
