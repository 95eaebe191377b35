/** Two days in two charts: emails per hour, and how long live mail took from arrival to stored. */

import type { ChartHourJson, ChartsJson, OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, get } from './api.ts';
import { byId, setText } from './element.ts';
import { emailPlot, latencyPlot, type Plot } from './plots.ts';
import { pluralize } from './format-number.ts';
import { Section } from './section.ts';
import { formatDuration, formatHour } from './times.ts';

const HOURS = 48;

export function wireCharts(): (overview: OverviewJson) => Promise<void> {
  const emails = emailPlot(byId('email-chart'), (hour) =>
    setText(byId('email-chart-text'), emailsText(hour)),
  );
  const latency = latencyPlot(byId('latency-chart'), (hour) =>
    setText(byId('latency-chart-text'), latencyText(hour)),
  );
  let shown: ChartsJson | null = null;
  const emailsText = (hour: ChartHourJson | null) => (hour === null ? emailsInAll(shown) : emailsOf(hour));
  const latencyText = (hour: ChartHourJson | null) => (hour === null ? latencyInAll(shown) : latencyOf(hour));
  const section = new Section(
    byId('charts'),
    // The hour too: the window moves on although nothing arrives.
    ({ freshness, now, status }) => [
      freshness.newest_stored_at,
      status.emails_processed_total,
      now.slice(0, 13),
    ],
    async () => {
      shown = await get<ChartsJson>(`${CONSOLE_API}/charts?hours=${HOURS}`);
      emails.show(shown.hours);
      latency.show(shown.hours);
      setText(byId('email-chart-text'), emailsText(null));
      setText(byId('latency-chart-text'), latencyText(null));
    },
  );
  // Colours are drawn, not styled: another scheme draws anew.
  const redraw = () => [emails, latency].forEach((plot: Plot) => void plot.redraw());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  return async (overview) => await section.update(overview);
}

function emailsInAll(charts: ChartsJson | null): string {
  const hours = charts?.hours ?? [];
  const count = hours.reduce((sum, hour) => sum + hour.email_count, 0);
  if (count === 0) return 'None in 48 hours';
  const most = hours.reduce((best, hour) => (hour.email_count > best.email_count ? hour : best));
  return `${pluralize(count, 'email')} in 48 hours, at most ${most.email_count} (${nameOf(most)})`;
}

function emailsOf(hour: ChartHourJson): string {
  return `${nameOf(hour)}: ${pluralize(hour.email_count, 'email')}`;
}

function latencyInAll(charts: ChartsJson | null): string {
  const measured = (charts?.hours ?? []).filter((hour) => hour.latency_max_ms !== null);
  if (measured.length === 0) return 'No live mail in 48 hours';
  const worst = measured.reduce((a, b) => ((b.latency_max_ms ?? 0) > (a.latency_max_ms ?? 0) ? b : a));
  const medians = measured.map((hour) => hour.latency_median_ms ?? 0).sort((a, b) => a - b);
  const usual = medians[Math.floor(medians.length / 2)] ?? 0;
  return `Mostly ${formatDuration(usual)}, at most ${formatDuration(worst.latency_max_ms ?? 0)} (${nameOf(worst)})`;
}

function latencyOf(hour: ChartHourJson): string {
  const { latency_max_ms: max, latency_median_ms: median } = hour;
  if (max === null) return `${nameOf(hour)}: no live mail`;
  return `${nameOf(hour)}: median ${formatDuration(median ?? 0)}, longest ${formatDuration(max)}`;
}

function nameOf(hour: ChartHourJson): string {
  return formatHour(Date.parse(hour.at) / 1_000);
}
