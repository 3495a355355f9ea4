import { execa } from 'execa';
import { expect, it } from 'vitest';

const TABLE = new URL('../../../pipelines/common/text-table.ts', import.meta.url).href;

/** What a command prints when its standard output is a pipe. */
async function printed(env: Record<string, string | undefined>) {
  const script = `import { textTable } from '${TABLE}'; console.log(textTable([{ head: 'a' }], [['b']]));`;
  const clean = { CI: undefined, FORCE_COLOR: undefined, NO_COLOR: undefined, ...env };
  const { stdout } = await execa(process.execPath, ['--input-type=module', '-e', script], { env: clean });
  return stdout;
}

it.each([{}, { CI: 'true' }, { FORCE_COLOR: '1', NO_COLOR: '1' }])(
  'a pipe gets no colours: %j',
  async (env) => {
    expect(await printed(env)).toBe('a \nb ');
  },
);

it('a pipe gets colours when they are forced', async () => {
  expect(await printed({ FORCE_COLOR: '1' })).toBe('\u001b[1ma\u001b[22m \nb ');
});
