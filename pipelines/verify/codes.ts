/** Every discrepancy that `verify` can find: a stable code, what it means and what helps. docs/verify.md is held to it. */
import type { DiscrepancyCode } from '../archive/verify.ts';

export interface VerifyCodeText {
  /** What is wrong, as a sentence for people. */
  readonly meaning: string;
  /** What to do about it. */
  readonly remedy: string;
}

const RESTORE_BLOB = 'Restore the blob from its versions, or from a copy of the account.';
const REHYDRATE =
  'Have it brought back (`campaign-ledger archive rehydrate`), and check again when it is there, or leave it out with `--from`.';
const WRITE_AGAIN =
  'Produce the record again from the archive (`campaign-ledger archive cat` prints it): an event that is stored already is counted once.';

const ARCHIVE_CODES = {
  segment_missing: {
    meaning: 'Offsets that the head says were archived are in no segment.',
    remedy: RESTORE_BLOB,
  },
  segment_overlap: {
    meaning: 'Offsets are in two batches.',
    remedy: 'One of the two was copied there by other hands: remove the copy.',
  },
  segment_beyond_head: {
    meaning: 'A segment lies outside of what the head says was written.',
    remedy: 'Restore the head from its versions, or remove the segment if it was copied there.',
  },
  segment_damaged: {
    meaning: 'A segment is cut off or altered, or its checksum is another than when it was written.',
    remedy: RESTORE_BLOB,
  },
  segment_offline: {
    meaning: 'A segment is in the archive tier, offline, and was not read.',
    remedy: REHYDRATE,
  },
  metadata_missing: {
    meaning: 'A blob named as a segment does not carry the metadata of one.',
    remedy: RESTORE_BLOB,
  },
  metadata_mismatch: {
    meaning: 'A segment lies under the name of another.',
    remedy: 'It was copied there by other hands: remove it, and restore what it may have replaced.',
  },
  part_missing: {
    meaning: 'A batch has fewer segments than it was written with.',
    remedy: RESTORE_BLOB,
  },
  count_mismatch: {
    meaning: 'The segments of a batch hold another number of records than it was written with.',
    remedy: RESTORE_BLOB,
  },
  foreign_blob: {
    meaning: 'A blob in the folder of the segments is not named as one.',
    remedy: 'Move it out of the archive.',
  },
  gap_unreadable: {
    meaning: 'The record of an accepted gap cannot be read.',
    remedy: 'Restore it from its versions, or run the release that wrote it.',
  },
  head_missing: {
    meaning: 'There are segments of a partition, but no head.',
    remedy: 'Restore the head from its versions before the archive runs again.',
  },
  head_unreadable: {
    meaning: 'The head of a partition is not one that this release can read.',
    remedy: 'Run the release that wrote it, or restore it from its versions.',
  },
} as const satisfies Record<DiscrepancyCode, VerifyCodeText>;

export const VERIFY_CODES = {
  ...ARCHIVE_CODES,
  dropped_unarchived: {
    meaning: 'Kafka dropped records before the archive had them.',
    remedy:
      'The partition stands still until the loss is recorded: `campaign-ledger offsets accept-gap archive`; `campaign-ledger offsets list` has the offsets.',
  },
  archive_beyond_kafka: {
    meaning: "The archive has offsets beyond the end of Kafka's log: the log was cut off or restored.",
    remedy:
      'Restore the log, or make the topic anew: new records under old offsets would be taken for those archived.',
  },
  record_not_archived: {
    meaning: 'Kafka has a record that no segment has, although its offset is archived.',
    remedy:
      'Keep Kafka from dropping it (raise retention.ms of the topic), copy the record, and report the fault: the archive never leaves out a record by itself.',
  },
  record_not_in_kafka: {
    meaning: 'A segment has a record that Kafka does not show, although it still has the offsets around it.',
    remedy:
      'It was aborted, or the log was changed by other hands: find out which, before either of the two is relied on.',
  },
  record_differs: {
    meaning: 'The record in the archive is not, byte for byte, the one in Kafka.',
    remedy:
      'Find out who changed which; the sha256 of the segment says that the archive is as it was written.',
  },
  row_missing: {
    meaning:
      'An archived record is neither a row, here or in the cold tier, nor a copy of one recorded earlier, nor a dead letter.',
    remedy: WRITE_AGAIN,
  },
  cold_manifest_unreadable: {
    meaning:
      'The manifest of the cold tier is gone, older than what ClickHouse lets go, or not one that this release can read.',
    remedy: 'Restore it from its versions, the newest one; or run the release that wrote it.',
  },
  cold_file_missing: {
    meaning: 'A file that counts in the cold tier is gone.',
    remedy: RESTORE_BLOB,
  },
  cold_file_damaged: {
    meaning: 'A file of the cold tier is cut off or altered, or holds other rows than were written.',
    remedy: RESTORE_BLOB,
  },
  cold_file_offline: {
    meaning: 'A file of the cold tier is in the archive tier, offline, and was not read.',
    remedy: 'Have it brought back (`campaign-ledger archive rehydrate`), and check again when it is there.',
  },
  cold_row_unarchived: {
    meaning: 'A row in the cold tier names a source and offset at which the archive has no record.',
    remedy:
      'It was exported from a row that other hands had inserted, or the archive was rolled back: find out which. Files of the cold tier are never edited.',
  },
  row_differs: {
    meaning: 'A row says something else than the record that it was made of.',
    remedy:
      'Delete the row (`DELETE FROM … WHERE source = … AND offset = …`), then produce the record again from the archive.',
  },
  row_unarchived: {
    meaning: 'A row names a source and offset at which the archive has no record.',
    remedy:
      'It was inserted by other hands, or is of an aborted transaction: find out which, then delete it.',
  },
  row_of_bad_record: {
    meaning: 'There is a row for a record that must not be stored.',
    remedy: 'Find out who stored it, then delete the row.',
  },
  rows_surplus: {
    meaning: 'There are more rows than archived records.',
    remedy: '`campaign-ledger verify --deep` names the rows.',
  },
  letter_missing: {
    meaning: 'A record that cannot be stored has no dead letter.',
    remedy:
      'The archive has it (`campaign-ledger archive cat`): nothing is lost but the notice. Report the fault.',
  },
  letter_of_good_record: {
    meaning: 'A record has a dead letter and no row, although nothing is wrong with it.',
    remedy: 'Produce the record again from its letter (docs/dead-letters.md).',
  },
  letter_without_record: {
    meaning: 'A dead letter names a place at which the archive has no record.',
    remedy: 'Look at the letter: somebody else produced it, or its record was aborted.',
  },
  letter_unreadable: {
    meaning: 'A record in a dead-letter topic does not say which record it is the letter of.',
    remedy: 'Somebody else produces to the topic: nothing but the pipelines may.',
  },
  message_event_missing: {
    meaning: 'An event is in `events` and not in `message_events`: tracking rows and results lack it.',
    remedy:
      'Insert it again: `INSERT INTO message_events SELECT … FROM events WHERE source = … AND offset = …`, with the columns of the view message_events_from_events.',
  },
  message_event_differs: {
    meaning: 'An event says something else in `message_events` than in `events`.',
    remedy: 'Delete it from message_events, then insert it again as for message_event_missing.',
  },
  message_event_surplus: {
    meaning:
      'An event is in `message_events` and not in `events`, and was not exported to the cold tier either.',
    remedy:
      'Where the record is archived and not a row, produce it again; else delete it from message_events.',
  },
  profile_version_missing: {
    meaning: 'A version that the changes of a user make is not in `profile_versions`.',
    remedy: 'Produce any change of the user again from the archive: the profile is folded anew.',
  },
  profile_version_differs: {
    meaning: 'A profile version is not what the changes of the user make.',
    remedy: 'Delete the row, then produce a change of the user again from the archive.',
  },
  profile_version_surplus: {
    meaning: 'There is a profile version that no change of the user makes.',
    remedy: 'Delete the row, or produce the change that is missing again from the archive.',
  },
} as const satisfies Readonly<Record<string, VerifyCodeText>>;

export type VerifyCode = keyof typeof VERIFY_CODES;
