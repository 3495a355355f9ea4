/** A user's report, all of it at once. */
import { type UserReport, wholeReport } from '../../pipelines/report/report.ts';
import {
  makeUserReport,
  type ReportContext,
  type UserReportRequest,
} from '../../pipelines/report/user-report.ts';

export async function madeReport(context: ReportContext, request: UserReportRequest): Promise<UserReport> {
  const made = await makeUserReport(context, request);
  using document = made.document;
  return wholeReport(document);
}
