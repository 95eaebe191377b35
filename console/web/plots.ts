/** Draws the two charts. A text next to each chart summarises it, because a canvas is invisible to screen readers. */
import uPlot from 'uplot';
import type { ChartHourJson } from '../../shared/schemas/overview.ts';
import { formatDuration } from './times.ts';

export interface Plot {
  show(hours: readonly ChartHourJson[]): void;
  redraw(): void;
}

/** Called with the hour below the pointer; null when the pointer leaves the chart. */
type OnHour = (hour: ChartHourJson | null) => void;

interface PlotOptions {
  readonly series: (colours: Colours) => uPlot.Series[];
  readonly scale: uPlot.Scale;
  readonly axis: Partial<uPlot.Axis>;
  readonly columns: (hours: readonly ChartHourJson[]) => (number | null)[][];
}

interface Colours {
  readonly text: string;
  readonly line: string;
  readonly strong: string;
  readonly weak: string;
}

const HEIGHT_PX = 150;
/** Possible distances of the time labels in seconds; the smallest that fits is used. */
const TIME_STEPS = [6, 12, 24].map((hours) => hours * 3_600);

export function emailPlot(parent: HTMLElement, onHour: OnHour): Plot {
  return plot(parent, onHour, {
    series: ({ strong }) => [
      {
        fill: strong,
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars?.({ size: [0.8, 24], align: 1, gap: 1 }) ?? null,
      } as uPlot.Series,
    ],
    scale: { range: (_self, _min, max) => [0, Math.max(4, max * 1.1)] },
    axis: { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000] },
    columns: (hours) => [hours.map((hour) => hour.email_count)],
  });
}

export function latencyPlot(parent: HTMLElement, onHour: OnHour): Plot {
  return plot(parent, onHour, {
    series: ({ strong, weak }) => [
      { stroke: weak, width: 1, points: { show: true, size: 4, fill: weak }, spanGaps: false },
      { stroke: strong, width: 2, points: { show: true, size: 4, fill: strong }, spanGaps: false },
    ],
    // Logarithmic, so that both seconds and hours are readable.
    scale: { distr: 3, log: 10, range: (_self, min, max) => decadeRange(min, max) },
    axis: {
      filter: decadesOnly,
      grid: { filter: decadesOnly },
      values: (_self, splits) => splits.map((split) => (split === null ? '' : formatDuration(split))),
    },
    columns: (hours) => [
      hours.map((hour) => clampForLog(hour.latency_max_ms)),
      hours.map((hour) => clampForLog(hour.latency_median_ms)),
    ],
  });
}

function plot(parent: HTMLElement, onHour: OnHour, options: PlotOptions): Plot {
  let hours: readonly ChartHourJson[] = [];
  let chart: uPlot | null = null;
  const data = () =>
    [hours.map((hour) => Date.parse(hour.at) / 1_000), ...options.columns(hours)] as uPlot.AlignedData;
  const draw = () => {
    chart?.destroy();
    const colours = coloursOf(parent);
    const axis = { stroke: colours.text, grid: { stroke: colours.line, width: 1 }, ticks: { show: false } };
    const font = `11px ${getComputedStyle(parent).fontFamily}`;
    chart = new uPlot(
      {
        width: parent.clientWidth,
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        // Leaves room for the bar of the last hour.
        scales: { x: { range: (_self, min, max) => [min, max + 3_600] }, y: options.scale },
        axes: [
          {
            ...axis,
            font,
            size: 24,
            incrs: TIME_STEPS,
            grid: { show: false },
            values: (_self, splits) => splits.map(timeLabel),
          },
          {
            ...axis,
            font,
            size: 46,
            space: 28,
            ...options.axis,
            grid: { ...axis.grid, ...options.axis.grid },
          },
        ],
        series: [{}, ...options.series(colours)],
        hooks: {
          setCursor: [
            ({ cursor }) => onHour((cursor.left ?? -1) < 0 ? null : (hours[cursor.idx ?? -1] ?? null)),
          ],
        },
      },
      data(),
      parent,
    );
  };
  new ResizeObserver(() => {
    if (chart !== null && parent.clientWidth !== chart.width && parent.clientWidth > 0)
      chart.setSize({ width: parent.clientWidth, height: HEIGHT_PX });
  }).observe(parent);
  return {
    show: (next) => {
      hours = next;
      if (chart === null) draw();
      else chart.setData(data());
    },
    redraw: () => {
      if (chart !== null) draw();
    },
  };
}

function coloursOf(parent: Element): Colours {
  const style = getComputedStyle(parent);
  const variable = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: variable('--text-muted'),
    line: variable('--border'),
    strong: variable('--chart-strong'),
    weak: variable('--chart-weak'),
  };
}

/** The weekday and day at midnight, otherwise the hour. */
function timeLabel(epochSeconds: number): string {
  const at = new Date(epochSeconds * 1_000);
  return at.getHours() === 0
    ? at.toLocaleDateString(undefined, { weekday: 'short', day: 'numeric' })
    : at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

/** A logarithmic scale cannot show zero. */
function clampForLog(ms: number | null): number | null {
  return ms === null ? null : Math.max(1, ms);
}

/** Powers of ten that enclose the values; one to ten seconds without values. */
function decadeRange(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !(min > 0)) return [1_000, 10_000];
  const low = 10 ** Math.floor(Math.log10(min));
  const high = 10 ** Math.ceil(Math.log10(max));
  return [low, Math.max(high, low * 10)];
}

const decadesOnly: uPlot.Axis.Filter = (_self, splits) =>
  splits.map((split) => (isDecade(split) ? split : null));

function isDecade(ms: number): boolean {
  const power = Math.log10(ms);
  return Math.abs(power - Math.round(power)) < 1e-6;
}
