/** Types of kafka-classes.mjs for those who import it from TypeScript. */

/** The options with which Java starts a broker from the classes that set-up has archived: none where there is no archive. */
export function classArchiveOptions(): string[];
