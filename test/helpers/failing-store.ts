/** The cold tier's store, failing where a test wants it: what a process leaves behind that is killed there. */
import { ColdStore } from '../../pipelines/cold/cold-store.ts';
import { Outage } from '../../pipelines/common/errors.ts';

/** Fails at one of its writes, before or after it is done. */
export class FailingStore extends ColdStore {
  /** Writes until then; 0: none fails. */
  left = 0;
  isAfter = false;

  async #maybe<T>(work: () => Promise<T>): Promise<T> {
    this.left -= 1;
    // Others may be under way at the same time.
    const isFailing = this.left === 0;
    if (isFailing && !this.isAfter) throw new Outage('blob', 'as the test wants it');
    const done = await work();
    if (isFailing) throw new Outage('blob', 'as the test wants it');
    return done;
  }

  override writeFile(...args: Parameters<ColdStore['writeFile']>) {
    return this.#maybe(() => super.writeFile(...args));
  }

  override writeFirstFree(...args: Parameters<ColdStore['writeFirstFree']>) {
    return this.#maybe(() => super.writeFirstFree(...args));
  }

  override writeList(...args: Parameters<ColdStore['writeList']>) {
    return this.#maybe(() => super.writeList(...args));
  }

  override replaceManifest(...args: Parameters<ColdStore['replaceManifest']>) {
    return this.#maybe(() => super.replaceManifest(...args));
  }
}
