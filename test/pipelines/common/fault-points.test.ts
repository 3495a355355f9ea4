/** Fault points act only when they are told to, and then as a kill or a freeze would. */
import { fileURLToPath } from 'node:url';
import { execaNode } from 'execa';
import { describe, expect, it } from 'vitest';
import { FAULT_POINTS_VARIABLE, parseFaults } from '../../../pipelines/common/fault-points.ts';

const program = `
  import { faultPoint } from '${fileURLToPath(new URL('../../../pipelines/common/fault-points.ts', import.meta.url))}';
  for (const pipeline of ['archive', 'tracking', 'archive', 'tracking']) {
    faultPoint('after-write', pipeline);
    console.log(pipeline);
  }
`;

const run = (faults: string | undefined) =>
  execaNode({
    env: { [FAULT_POINTS_VARIABLE]: faults },
    reject: false,
    nodeOptions: ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval'],
  })(program);

describe('a fault point', () => {
  it('does nothing by itself', async () => {
    expect(await run(undefined)).toMatchObject({
      exitCode: 0,
      stdout: 'archive\ntracking\narchive\ntracking',
    });
  });

  it('kills at the pass that is named, and says so first', async () => {
    const { signal, stdout, stderr } = await run('after-write:3=SIGKILL');
    expect({ signal, stdout }).toEqual({ signal: 'SIGKILL', stdout: 'archive\ntracking' });
    expect(stderr).toContain('fault point archive/after-write: SIGKILL');
  });

  it('is narrowed to one pipeline', async () => {
    const { signal, stdout } = await run('elsewhere=SIGKILL,tracking/after-write:2=SIGKILL');
    expect({ signal, stdout }).toEqual({ signal: 'SIGKILL', stdout: 'archive\ntracking\narchive' });
  });

  it.each(['after-write', 'after-write=SIGTERM', 'after-write:0=SIGKILL', 'x=SIGKILL;y=SIGKILL'])(
    'is not left out in silence: %s',
    (text) => {
      expect(() => parseFaults(text)).toThrow(FAULT_POINTS_VARIABLE);
    },
  );
});
