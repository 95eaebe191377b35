import { describe, expect, test } from 'vitest';
import { OutageDetector } from '../../shared/ingest/outage-detector.ts';

/** A run in which these messages failed for the first time, after as many others were fetched. */
function detectorOf({ fetched = 0, failed = 0 }: { fetched?: number; failed?: number }): OutageDetector {
  const outage = new OutageDetector();
  for (let n = 0; n < fetched; n += 1) outage.succeeded(`fetched${n}`, true);
  for (let n = 0; n < failed; n += 1) outage.failed(`failed${n}`, 0);
  return outage;
}

describe('outage', () => {
  test('an outage begins with eight consecutive failures', () => {
    expect(detectorOf({ failed: 7 }).isOutage).toBe(false);
    expect(detectorOf({ failed: 8 }).isOutage).toBe(true);
  });

  test.each([
    ['a fetched message', true],
    ['a message that is gone', false],
  ])('an outage ends with %s, because Gmail answers', (_, isFetched) => {
    const outage = detectorOf({ failed: 20 });
    outage.succeeded('other', isFetched);
    expect(outage.isOutage).toBe(false);
    for (let n = 0; n < 7; n += 1) outage.failed(`again${n}`, 0);
    expect(outage.isOutage).toBe(false);
    outage.failed('again7', 0);
    expect(outage.isOutage).toBe(true);
  });

  test('an outage counts repeated failures of a message and failures that are not charged', () => {
    const outage = detectorOf({ failed: 6 });
    outage.failed('failed0', 0);
    outage.failed('early', null);
    expect(outage.isOutage).toBe(true);
  });

  test('pauses grow from 0.25 s to 5 s during an outage and start over after a success', () => {
    const outage = detectorOf({ failed: 8 });
    const pauses = Array.from({ length: 7 }, () => outage.takePauseMs());
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    outage.succeeded('other', true);
    expect(outage.takePauseMs()).toBe(250);
  });
});

describe('hopeless run', () => {
  test('a run is hopeless when 30 messages failed and none was fetched', () => {
    expect(detectorOf({ failed: 29 }).isHopeless).toBe(false);
    expect(detectorOf({ failed: 30 }).isHopeless).toBe(true);
    expect(detectorOf({ fetched: 1, failed: 300 }).isHopeless).toBe(false);
  });

  test('a run is hopeless even if messages are gone, but not if one message failed 30 times', () => {
    const outage = detectorOf({ failed: 30 });
    outage.succeeded('gone', false);
    expect(outage.isHopeless).toBe(true);
    const single = new OutageDetector();
    for (let n = 0; n < 30; n += 1) single.failed('same', 0);
    expect(single.isHopeless).toBe(false);
  });
});

describe('charged failures', () => {
  test('charges failures when the run fetched at least as many other messages', () => {
    expect(detectorOf({ fetched: 3, failed: 3 }).takeCharged()).toEqual(
      new Map([
        ['failed0', 0],
        ['failed1', 0],
        ['failed2', 0],
      ]),
    );
    expect(detectorOf({ fetched: 2, failed: 3 }).takeCharged().size).toBe(0);
    expect(detectorOf({ failed: 1 }).takeCharged().size).toBe(0);
  });

  test('charges failures whether the others were fetched before or after them', () => {
    const outage = detectorOf({ failed: 20 });
    for (let n = 0; n < 180; n += 1) outage.succeeded(`fetched${n}`, true);
    expect(outage.takeCharged().size).toBe(20);
  });

  test('charges each message once per run, with its attempt count', () => {
    const outage = detectorOf({ fetched: 2 });
    outage.failed('a', 6);
    outage.failed('a', 6);
    expect(outage.takeCharged()).toEqual(new Map([['a', 6]]));
  });

  test('does not charge a message that was tried early, but counts it as failed', () => {
    const outage = detectorOf({ fetched: 1, failed: 1 });
    outage.failed('early', null);
    expect(outage.takeCharged().size).toBe(0);
    outage.succeeded('fetched', true);
    expect(outage.takeCharged()).toEqual(new Map([['failed0', 0]]));
  });

  test('does not charge a message that was fetched or gone in the end', () => {
    const outage = detectorOf({ fetched: 5, failed: 3 });
    outage.succeeded('failed0', true);
    outage.succeeded('failed1', false);
    expect([...outage.takeCharged().keys()]).toEqual(['failed2']);
  });

  test('charges nothing when the other messages are gone and none was fetched', () => {
    const outage = detectorOf({ failed: 1 });
    for (let n = 0; n < 5; n += 1) outage.succeeded(`gone${n}`, false);
    expect(outage.takeCharged().size).toBe(0);
  });
});

test('takes the probe of a run once', () => {
  const outage = new OutageDetector();
  expect([outage.takeProbe(), outage.takeProbe(), outage.takeProbe()]).toEqual([true, false, false]);
});
