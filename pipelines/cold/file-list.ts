/** The files of one month (or of a table without months): what an owner's rows are looked up in first. Never changed once written. */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { compareOwners, type Owner } from './cold-table.ts';

export const COLD_VERSION = 1;

const count = z.int().min(0);
const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const owner = z.tuple([z.string(), z.string()]);

const fileSchema = z.object({
  /** Without the configured prefix. */
  path: z.string(),
  rows: count,
  bytes: count,
  footerBytes: count,
  footerSha256: hex(64),
  sha256: hex(64),
  digest: hex(16),
  first: owner,
  last: owner,
  /** `GroupPlace`s: where in the file an owner's rows are. */
  groups: z.array(z.tuple([z.string(), z.string(), count, count])),
});
const listSchema = z.object({ version: z.literal(COLD_VERSION), files: z.array(fileSchema) });

export type ListedFile = z.infer<typeof fileSchema>;
export type FileList = z.infer<typeof listSchema>;

/** @throws {Error} it is not one that this release can read */
export function parseFileList(text: string): FileList {
  const result = listSchema.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  throw new Error(z.prettifyError(result.error));
}

/** By the first owner, then by path: the same files make the same list. */
export function fileListOf(files: readonly ListedFile[]): FileList {
  const sorted = [...files].sort((a, b) => compareOwners(a.first, b.first) || (a.path < b.path ? -1 : 1));
  return { version: COLD_VERSION, files: sorted };
}

/** Named by its content: two writers of the same list write the same blob. */
export function encodeFileList(
  folder: string,
  list: FileList,
): { readonly path: string; readonly text: string } {
  const text = `${JSON.stringify(list)}\n`;
  return { path: `${folder}files-${hash('sha256', text).slice(0, 16)}.json`, text };
}

/** Those that may hold rows of the owner. */
export function filesOf({ files }: FileList, owner: Owner): ListedFile[] {
  return files.filter(
    ({ first, last }) => compareOwners(first, owner) <= 0 && compareOwners(owner, last) <= 0,
  );
}
