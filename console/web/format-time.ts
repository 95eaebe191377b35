/**
 * Formats times in the local time zone, without the DOM. Ages use the server's clock, because the clock of the browser may be
 * minutes off.
 */

let serverAheadMs = 0;

export function setServerTime(iso: string): void {
  serverAheadMs = Date.parse(iso) - Date.now();
}

export function serverNowMs(): number {
  return Date.now() + serverAheadMs;
}

const TODAY = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const TODAY_SHORT = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
});
const LONG_AGO = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });
const HOUR = new Intl.DateTimeFormat(undefined, { weekday: 'short', hour: '2-digit', minute: '2-digit' });

/** A time older than this is shown with its year and without its time of day. */
const LONG_AGO_MS = 300 * 86_400_000;

/** The time of day with seconds; with the date instead of seconds unless it is today. */
export function formatTime(iso: string): string {
  return formatWith(TODAY, iso);
}

/** The time of day without seconds; with the date unless it is today. */
export function formatClock(iso: string): string {
  return formatWith(TODAY_SHORT, iso);
}

function formatWith(ofToday: Intl.DateTimeFormat, iso: string): string {
  const at = new Date(iso);
  const now = new Date(serverNowMs());
  const isToday = at.toDateString() === now.toDateString();
  const isLongAgo = now.getTime() - at.getTime() > LONG_AGO_MS;
  return (isToday ? ofToday : isLongAgo ? LONG_AGO : DAY).format(at);
}

/** With date, seconds and time zone. */
export function formatFullTime(iso: string): string {
  return FULL.format(new Date(iso));
}

export function formatHour(epochSeconds: number): string {
  return HOUR.format(new Date(epochSeconds * 1_000));
}

/** "4 min ago", or "in 4 min". */
export function ageText(iso: string): string {
  const ms = serverNowMs() - Date.parse(iso);
  if (ms < -1_000) return `in ${wholeSeconds(-ms)}`;
  return ms < 2_000 ? 'just now' : `${wholeSeconds(ms)} ago`;
}

/** "4 min", the time since then. */
export function elapsedText(iso: string): string {
  return wholeSeconds(Math.max(0, serverNowMs() - Date.parse(iso)));
}

/** Without fractions of a second, which would flicker in a text that updates every second. */
function wholeSeconds(ms: number): string {
  return ms < 60_000 ? `${Math.floor(ms / 1_000)} s` : formatDuration(ms);
}

/** One unit, the largest that fits: "840 ms", "12 s", "4 min", "3 h", "12 days". */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${oneDecimal(ms / 1_000)} s`;
  if (ms < 60_000) return `${Math.floor(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 2 * 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} days`;
}

function oneDecimal(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}
