/** Users' changes out of the cold tier, for one fold of many users: what they have in common is read once. */
import { coldChangesOf } from '../cold/cold-changes.ts';
import type { ColdStore } from '../cold/cold-store.ts';
import type { Owner } from '../cold/cold-table.ts';
import type { FileList } from '../cold/file-list.ts';
import type { ListedFiles, Manifest } from '../cold/manifest.ts';
import { DamagedColdFile } from '../cold/read-parquet.ts';
import { OfflineBlob } from '../common/blob/offline.ts';
import { Outage } from '../common/errors.ts';
import type { User } from './ask.ts';
import type { ProfileBase } from './bases.ts';
import type { StoredChange } from './histories.ts';

export class ColdHistories {
  readonly #open: () => Promise<ColdStore>;
  #manifest: Manifest | null = null;
  readonly #lists = new Map<string, Promise<FileList>>();

  constructor(open: () => Promise<ColdStore>) {
    this.#open = open;
  }

  /**
   * All changes that the base stands for, and maybe more that ClickHouse still has.
   * @throws {Outage} also where the cold tier is damaged, or a file of it in the archive tier: folding waits until
   * somebody has mended it, or had it brought back
   */
  async of({ tenantId, userId }: User, base: ProfileBase): Promise<StoredChange[]> {
    const store = await this.#open();
    const owner = [tenantId, userId] as const;
    const held = this.#manifest;
    try {
      if (held !== null && exportedIn(held) >= base.exported) return await this.#read(store, held, owner);
    } catch (error) {
      // Files that have been brought together since go some time after.
      if (!isUnreadable(error)) throw error;
    }
    try {
      const { manifest } = await store.readManifest();
      if (exportedIn(manifest) < base.exported)
        throw new DamagedColdFile('the manifest of the cold tier is older than what profiles are based on');
      this.#manifest = manifest;
      this.#lists.clear();
      return await this.#read(store, manifest, owner);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      const whose = `changes of user ${JSON.stringify(userId)} of tenant ${JSON.stringify(tenantId)}`;
      throw new Outage('blob', `${whose} cannot be read from the cold tier: ${error.message}`, {
        cause: error,
      });
    }
  }

  #read(store: ColdStore, manifest: Manifest, owner: Owner): Promise<StoredChange[]> {
    const readList = (listed: ListedFiles) => this.#listOf(store, listed);
    return coldChangesOf({ readList, file: (file) => store.file(file) }, manifest, owner);
  }

  #listOf(store: ColdStore, listed: ListedFiles): Promise<FileList> {
    const known = this.#lists.get(listed.list);
    if (known !== undefined) return known;
    const list = store.readList(listed);
    this.#lists.set(listed.list, list);
    list.catch(() => this.#lists.delete(listed.list));
    return list;
  }
}

function isUnreadable(error: unknown): error is DamagedColdFile | OfflineBlob {
  return error instanceof DamagedColdFile || error instanceof OfflineBlob;
}

/** As `exported` of a base. */
export function exportedIn({ profile_changes: { next } }: Pick<Manifest, 'profile_changes'>): bigint {
  return Object.values(next).reduce((sum, offset) => sum + BigInt(offset), 0n);
}
