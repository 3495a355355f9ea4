/** `config validate`: says whether a configuration would be accepted, and with `--print` what it comes to. */
import type { Command } from 'commander';
import { configFileOf, EXIT, withExitCode } from '../pipelines/command-context.ts';

export function registerConfigCommand(program: Command): void {
  const config = program.command('config').description('check the configuration');
  config
    .command('validate')
    .description('print every fault of the configuration at once, or that there is none')
    .option('--print', 'print every key with its value as well; secrets are masked')
    .action(({ print = false }: { print?: boolean }, command: Command) =>
      withExitCode(async () => {
        const { loadConfig } = await import('./load.ts');
        const loaded = await loadConfig({ file: configFileOf([command]) });
        process.stdout.write('configuration is valid\n');
        if (print) {
          const { describeConfig } = await import('./describe.ts');
          process.stdout.write(describeConfig(loaded));
        }
        return EXIT.ok;
      }),
    );
}
