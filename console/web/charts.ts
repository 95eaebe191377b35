/** Two charts of the last 48 hours: emails per hour, and how long new email took from arrival to stored. */

import type { ChartHourJson, ChartsJson, OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, get } from './api.ts';
import { byId, setText } from './element.ts';
import { pluralize } from './format-number.ts';
import { emailPlot, latencyPlot, type Plot } from './plots.ts';
import { Section } from './section.ts';
import { formatDuration, formatHour } from './times.ts';

const HOURS = 48;

export function wireCharts(): (overview: OverviewJson) => Promise<void> {
  let shown: ChartsJson | null = null;
  const showEmailText = (hour: ChartHourJson | null) =>
    setText(byId('email-chart-text'), hour === null ? emailSummary(shown) : emailsInHour(hour));
  const showLatencyText = (hour: ChartHourJson | null) =>
    setText(byId('latency-chart-text'), hour === null ? latencySummary(shown) : latencyInHour(hour));
  const emails = emailPlot(byId('email-chart'), showEmailText);
  const latency = latencyPlot(byId('latency-chart'), showLatencyText);
  const section = new Section(
    byId('charts'),
    // The current hour too: the window moves although no email arrives.
    ({ freshness, now, status }) => [
      freshness.newest_stored_at,
      status.emails_processed_total,
      now.slice(0, 13),
    ],
    async () => {
      shown = await get<ChartsJson>(`${CONSOLE_API}/charts?hours=${HOURS}`);
      emails.show(shown.hours);
      latency.show(shown.hours);
      showEmailText(null);
      showLatencyText(null);
    },
  );
  // A canvas does not follow the style sheet, so a change of the colour scheme needs a redraw.
  const redraw = () => [emails, latency].forEach((plot: Plot) => void plot.redraw());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  return async (overview) => await section.update(overview);
}

function emailSummary(charts: ChartsJson | null): string {
  const hours = charts?.hours ?? [];
  const count = hours.reduce((sum, hour) => sum + hour.email_count, 0);
  if (count === 0) return `No emails stored in ${HOURS} hours`;
  const peak = hours.reduce((best, hour) => (hour.email_count > best.email_count ? hour : best));
  return `${pluralize(count, 'email')} in ${HOURS} hours, at most ${peak.email_count} (${nameOf(peak)})`;
}

function emailsInHour(hour: ChartHourJson): string {
  return `${nameOf(hour)}: ${pluralize(hour.email_count, 'email')}`;
}

function latencySummary(charts: ChartsJson | null): string {
  const measured = (charts?.hours ?? []).filter((hour) => hour.latency_max_ms !== null);
  if (measured.length === 0) return `No new email stored in ${HOURS} hours`;
  const worst = measured.reduce((a, b) => ((b.latency_max_ms ?? 0) > (a.latency_max_ms ?? 0) ? b : a));
  const medians = measured.map((hour) => hour.latency_median_ms ?? 0).sort((a, b) => a - b);
  const typical = medians[Math.floor(medians.length / 2)] ?? 0;
  return `Typically ${formatDuration(typical)}, at most ${formatDuration(worst.latency_max_ms ?? 0)} (${nameOf(worst)})`;
}

function latencyInHour(hour: ChartHourJson): string {
  const { latency_max_ms: max, latency_median_ms: median } = hour;
  if (max === null) return `${nameOf(hour)}: no new email`;
  return `${nameOf(hour)}: median ${formatDuration(median ?? 0)}, maximum ${formatDuration(max)}`;
}

function nameOf(hour: ChartHourJson): string {
  return formatHour(Date.parse(hour.at) / 1_000);
}
