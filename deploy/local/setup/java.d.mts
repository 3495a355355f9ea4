/** Types of java.mjs for those who import it from TypeScript. */

/** The path of a Java that is new enough for Kafka, or null. */
export function findJava(): string | null;
