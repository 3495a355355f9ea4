/** The one native call: ClickHouse's own `clickhouse local` program, which chDB's library exports as a function. */
import { libchdbPath } from 'chdb/libchdb';
import { DataType, load, open } from 'ffi-rs';

const LIBRARY = 'libchdb';

/**
 * Runs `clickhouse local` with these arguments inside this process, on a thread of its own, and resolves when it has
 * ended: with null, or with the engine's message when it could not begin (a query that fails is told on standard error).
 * At most once a process: the engine keeps global state that outlives its end.
 *
 * The thread must be one with an ordinary stack: the engine reads the thread's attributes to know how deep it may
 * recurse, and refuses every query on a stack that a foreign-function library made for the call.
 */
export async function runClickHouseLocal(args: readonly string[]): Promise<string | null> {
  open({ library: LIBRARY, path: libchdbPath() });
  const argv = ['clickhouse-local', ...args];
  const result = await load({
    library: LIBRARY,
    funcName: 'chdb_query_cmdline',
    retType: DataType.BigInt,
    paramsType: [DataType.I32, DataType.StringArray],
    paramsValue: [argv.length, argv],
    runInNewThread: true,
  });
  return errorOf(result);
}

/** Asked for as a number first: reading a null `char *` as a string ends the process. */
function errorOf(result: unknown): string | null {
  const call = <T extends DataType.BigInt | DataType.String>(retType: T) =>
    load({
      library: LIBRARY,
      funcName: 'chdb_result_error',
      retType,
      paramsType: [DataType.BigInt],
      paramsValue: [result],
    });
  if (call(DataType.BigInt).valueOf() === 0n) return null;
  return call(DataType.String);
}
