/** `time` elements that update every second. The tooltip shows the ISO time. */
import { element, setText } from './element.ts';
import { ageText, elapsedText, formatClock, formatFullTime, formatTime } from './format-time.ts';

export { formatDuration, formatHour, formatTime, serverNowMs, setServerTime } from './format-time.ts';

const TEXTS = { ago: ageText, at: formatTime, clock: formatClock, elapsed: elapsedText };

/** The time of day; with the date from the next day on. Updates on its own. */
export function timeElement(iso: string): HTMLTimeElement {
  return ticking(iso, 'at');
}

/** As `timeElement`, without seconds. */
export function clockElement(iso: string): HTMLTimeElement {
  return ticking(iso, 'clock');
}

/** "4 min ago". Updates on its own. */
export function ageElement(iso: string): HTMLTimeElement {
  return ticking(iso, 'ago');
}

/** "4 min", the time since then. Updates on its own. */
export function elapsedElement(iso: string): HTMLTimeElement {
  return ticking(iso, 'elapsed');
}

/** With date, seconds and time zone. */
export function fullTimeElement(iso: string): HTMLTimeElement {
  return element('time', { datetime: iso, title: iso }, formatFullTime(iso));
}

function ticking(iso: string, kind: keyof typeof TEXTS): HTMLTimeElement {
  return element('time', { datetime: iso, title: iso, 'data-age': kind }, TEXTS[kind](iso));
}

export function startTicking(): void {
  setInterval(() => {
    for (const shown of document.querySelectorAll<HTMLTimeElement>('time[data-age]')) {
      const text = TEXTS[shown.dataset['age'] as keyof typeof TEXTS];
      setText(shown, text(shown.dateTime));
    }
  }, 1_000);
}
