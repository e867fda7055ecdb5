import type { RowSecurityReport } from '@highwater/roles';
import { clean, table } from './output.js';

/** The report of what each tenant would see, for people. Values of the target stand in it, as they were asked for. */
export const rowSecurityText = (reports: readonly RowSecurityReport[]): string => reports.map(oneText).join('\n');

function oneText(report: RowSecurityReport): string {
  const { rows } = report;
  const lines = [
    `${report.table}: policy ${report.policy}, a session sees the rows of the tenant in ${report.setting}`,
    rows === null
      ? `  rows: could not be counted in time; by hand: ${report.sql}`
      : `  rows: ${rows.total} of ${rows.tenants} tenants; ${rows.seenByNobody} without a tenant, which nobody sees`,
    ...(report.otherPolicies.length > 0
      ? [`  other policies show rows besides: ${report.otherPolicies.join(', ')}`]
      : []),
    ...(report.partitions > 0
      ? [`  ${report.partitions} partitions: a query that names a partition itself is not restricted`]
      : []),
  ];
  const largest =
    rows === null
      ? ''
      : table(
          ['tenant', 'rows'],
          rows.largest.map((one) => [one.tenant, String(one.rows)]),
        );
  const roles = table(
    ['role', 'restricted', 'why'],
    report.roles.map((one) => [one.role, one.restricted ? 'yes' : 'no', one.why]),
  );
  return `${clean(lines.join('\n'))}\n${indent(largest)}${indent(roles)}`;
}

const indent = (text: string): string => text.replace(/^(?=.)/gm, '  ');
