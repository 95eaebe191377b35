import { expect, it } from 'vitest';
import { Pacer } from '../../shared/gmail/pacer.ts';

function succeed(pacer: Pacer, count: number): void {
  for (let i = 0; i < count; i += 1) pacer.succeeded();
}

it('begins with five calls in flight', () => {
  expect(new Pacer().limit).toBe(5);
});

it('rises by one after a whole round without a refusal', () => {
  const pacer = new Pacer();
  succeed(pacer, 4);
  expect(pacer.limit).toBe(5);
  succeed(pacer, 1);
  expect(pacer.limit).toBe(6);
  succeed(pacer, 5);
  expect(pacer.limit).toBe(6);
  succeed(pacer, 1);
  expect(pacer.limit).toBe(7);
});

it('never rises above sixteen', () => {
  const pacer = new Pacer();
  succeed(pacer, 10_000);
  expect(pacer.limit).toBe(16);
});

it('halves at a refusal and never falls below one', () => {
  const pacer = new Pacer();
  const seen = [1, 2, 3, 4].map(() => {
    pacer.refused();
    return pacer.limit;
  });
  expect(seen).toEqual([2, 1, 1, 1]);
});

it('begins a new round after a refusal, and rises again from one', () => {
  const pacer = new Pacer();
  succeed(pacer, 4);
  pacer.refused();
  succeed(pacer, 1);
  expect(pacer.limit).toBe(2);
  pacer.refused();
  succeed(pacer, 1);
  expect(pacer.limit).toBe(2);
});

it('halves once for a burst of refusals of calls that were in flight together', () => {
  const pacer = new Pacer();
  const { round } = pacer;
  for (let call = 0; call < 5; call += 1) pacer.refused(round);
  expect(pacer.limit).toBe(2);
  pacer.refused(pacer.round);
  expect(pacer.limit).toBe(1);
});
