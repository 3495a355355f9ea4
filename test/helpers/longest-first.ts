/** The order of test files: a long one that begins last would run alone while the machine waits for it. */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** By folder, longest first: whole processes that are started, killed and waited for, then pipelines in one process. */
const LONG = ['test/integration/', 'test/deploy/', 'test/pipelines/run-command', 'test/pipelines/'];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const path = relative(process.cwd(), moduleId);
      const index = LONG.findIndex((folder) => path.startsWith(folder));
      return index < 0 ? LONG.length : index;
    };
    // What the cache of an earlier run knows of durations, or else the files' sizes, decides within a folder.
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
