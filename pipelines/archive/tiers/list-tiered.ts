/** Blobs with the tier that each is in, as the listing has them. */
import type { BlobItem } from '@azure/storage-blob';
import { type ArchivePlace, listed } from '../listing.ts';
import {
  isTiered,
  TIERED_FOLDERS,
  TIERS,
  type Tier,
  type TieredBlob,
  type TieredKind,
} from './tier-rules.ts';

/** Holds one page of the listing at a time. @throws {Outage} */
export async function* listTiered(place: ArchivePlace, kind: TieredKind): AsyncGenerator<TieredBlob> {
  for (const folder of TIERED_FOLDERS[kind])
    for await (const blob of listUnder(place, folder)) if (isTiered(kind, blob.path)) yield blob;
}

/** @param folder without the configured prefix @throws {Outage} */
export async function* listUnder(
  { container, prefix }: ArchivePlace,
  folder: string,
): AsyncGenerator<TieredBlob> {
  for await (const item of listed(container.listBlobsFlat({ prefix: prefix + folder })))
    yield tieredBlob(item, prefix);
}

function tieredBlob({ name, properties }: BlobItem, prefix: string): TieredBlob {
  const { contentLength = 0, lastModified, accessTier, accessTierChangedOn, archiveStatus } = properties;
  return {
    path: name.slice(prefix.length),
    bytes: contentLength,
    writtenAt: lastModified.getTime(),
    tier: tierOf(accessTier),
    tierChangedAt: accessTierChangedOn?.getTime() ?? null,
    isPending: archiveStatus !== undefined,
  };
}

export function tierOf(name: string | undefined): Tier | null {
  return TIERS.find((tier) => tier === name) ?? null;
}
