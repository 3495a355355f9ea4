/** The published schemas of the reports, in OpenAPI's own place for schemas. */
import campaignReport from '../../../schemas/report/campaign-report.schema.json' with { type: 'json' };
import userReport from '../../../schemas/report/user-report.schema.json' with { type: 'json' };

interface PublishedSchema {
  readonly $schema: string;
  readonly $id: string;
  readonly $defs: Readonly<Record<string, unknown>>;
}

export const REPORTS = { ...moved('user_report', userReport), ...moved('campaign_report', campaignReport) };

/** Its definitions under names that say whose they are. */
function moved(name: string, { $schema, $id, $defs, ...report }: PublishedSchema): Record<string, object> {
  const schemas = {
    [name]: report,
    ...Object.fromEntries(Object.entries($defs).map(([part, schema]) => [`${name}_${part}`, schema])),
  };
  return JSON.parse(JSON.stringify(schemas).replaceAll('"#/$defs/', `"#/components/schemas/${name}_`));
}
