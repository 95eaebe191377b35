/** The two charts as drawings. What they say stands in the text beside them too: a canvas is mute. */
import uPlot from 'uplot';
import type { ChartHourJson } from '../../shared/schemas/overview.ts';
import { formatDuration } from './times.ts';

export interface Plot {
  show(hours: readonly ChartHourJson[]): void;
  redraw(): void;
}

/** What the pointer is on; null: on nothing. */
type OnHour = (hour: ChartHourJson | null) => void;

interface Drawing {
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
/** Seconds between the names of hours: what has room. */
const SIX_HOURS = [6, 12, 24].map((hours) => hours * 3_600);

export function emailPlot(place: HTMLElement, onHour: OnHour): Plot {
  return plot(place, onHour, {
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

export function latencyPlot(place: HTMLElement, onHour: OnHour): Plot {
  return plot(place, onHour, {
    series: ({ strong, weak }) => [
      { stroke: weak, width: 1, points: { show: true, size: 4, fill: weak }, spanGaps: false },
      { stroke: strong, width: 2, points: { show: true, size: 4, fill: strong }, spanGaps: false },
    ],
    // Seconds and hours have room on one chart.
    scale: { distr: 3, log: 10, range: (_self, min, max) => decades(min, max) },
    axis: {
      filter: onlyDecades,
      grid: { filter: onlyDecades },
      values: (_self, splits) => splits.map((split) => (split === null ? '' : formatDuration(split))),
    },
    columns: (hours) => [
      hours.map((hour) => atLeastOne(hour.latency_max_ms)),
      hours.map((hour) => atLeastOne(hour.latency_median_ms)),
    ],
  });
}

function plot(place: HTMLElement, onHour: OnHour, drawing: Drawing): Plot {
  let hours: readonly ChartHourJson[] = [];
  let drawn: uPlot | null = null;
  const data = () =>
    [hours.map((hour) => Date.parse(hour.at) / 1_000), ...drawing.columns(hours)] as uPlot.AlignedData;
  const draw = () => {
    drawn?.destroy();
    const colours = coloursOf(place);
    const axis = { stroke: colours.text, grid: { stroke: colours.line, width: 1 }, ticks: { show: false } };
    const font = `11px ${getComputedStyle(place).fontFamily}`;
    drawn = new uPlot(
      {
        width: place.clientWidth,
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        // The last hour has its whole width too.
        scales: { x: { range: (_self, min, max) => [min, max + 3_600] }, y: drawing.scale },
        axes: [
          {
            ...axis,
            font,
            size: 24,
            incrs: SIX_HOURS,
            grid: { show: false },
            values: (_self, splits) => splits.map(hourName),
          },
          {
            ...axis,
            font,
            size: 46,
            space: 28,
            ...drawing.axis,
            grid: { ...axis.grid, ...drawing.axis.grid },
          },
        ],
        series: [{}, ...drawing.series(colours)],
        hooks: {
          setCursor: [
            ({ cursor }) => onHour((cursor.left ?? -1) < 0 ? null : (hours[cursor.idx ?? -1] ?? null)),
          ],
        },
      },
      data(),
      place,
    );
  };
  new ResizeObserver(() => {
    if (drawn !== null && place.clientWidth !== drawn.width && place.clientWidth > 0)
      drawn.setSize({ width: place.clientWidth, height: HEIGHT_PX });
  }).observe(place);
  return {
    show: (next) => {
      hours = next;
      if (drawn === null) draw();
      else drawn.setData(data());
    },
    redraw: () => {
      if (drawn !== null) draw();
    },
  };
}

function coloursOf(place: Element): Colours {
  const style = getComputedStyle(place);
  const named = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: named('--quiet'),
    line: named('--line'),
    strong: named('--ink-chart'),
    weak: named('--weak-chart'),
  };
}

/** The day where it begins, the hour elsewhere. */
function hourName(epochSeconds: number): string {
  const at = new Date(epochSeconds * 1_000);
  return at.getHours() === 0
    ? at.toLocaleDateString(undefined, { weekday: 'short', day: 'numeric' })
    : at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

/** A logarithm needs more than nothing. */
function atLeastOne(ms: number | null): number | null {
  return ms === null ? null : Math.max(1, ms);
}

/** Whole powers of ten around what is there; one second to ten when nothing is. */
function decades(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !(min > 0)) return [1_000, 10_000];
  const low = 10 ** Math.floor(Math.log10(min));
  const high = 10 ** Math.ceil(Math.log10(max));
  return [low, Math.max(high, low * 10)];
}

const onlyDecades: uPlot.Axis.Filter = (_self, splits) =>
  splits.map((split) => (isDecade(split) ? split : null));

function isDecade(ms: number): boolean {
  const power = Math.log10(ms);
  return Math.abs(power - Math.round(power)) < 1e-6;
}
