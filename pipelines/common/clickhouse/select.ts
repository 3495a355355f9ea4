/** One question to ClickHouse whose answer fits into memory. */
import { asOutage, type ClickHouseClient } from './client.ts';

/**
 * Rows as lists of their columns. Ask for numbers of 64 bits as text: JSON's readers would round them.
 * @throws {Outage}
 */
export async function selectRows<Row>(
  client: ClickHouseClient,
  query: string,
  query_params: Record<string, unknown> = {},
): Promise<Row[]> {
  try {
    // Proxies refuse long URLs.
    const sent = { query, query_params, use_multipart_params_auto: true } as const;
    const answer = await client.query({ ...sent, format: 'JSONCompactEachRow' });
    return await answer.json<Row>();
  } catch (error) {
    throw asOutage(error);
  }
}
