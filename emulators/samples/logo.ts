/**
 * A company logo as a small PNG: a white mark on a rounded square in the brand colour.
 *
 * Each shape is a predicate on points of the square from -1 to 1. Several points per pixel give smooth edges.
 */
import { crc32, deflateSync } from 'node:zlib';

type Inside = (x: number, y: number) => boolean;

const MARKS = {
  ring: (x, y) => Math.abs(Math.hypot(x, y) - 0.42) < 0.13,
  chevron: (x, y) =>
    [-0.18, 0.22].some((at) => Math.abs(x - at - 0.15 + Math.abs(y) * 0.8) < 0.13) && Math.abs(y) < 0.55,
  bars: (x, y) => [-0.4, 0, 0.4].some((at, i) => Math.abs(x - at) < 0.14 && y < 0.55 && y > 0.25 - i * 0.4),
  diamond: (x, y) => Math.abs(x) + Math.abs(y) < 0.62 && Math.abs(x) + Math.abs(y) > 0.3,
  leaf: (x, y) =>
    Math.hypot(x - 0.3, y - 0.3) < 0.8 && Math.hypot(x + 0.3, y + 0.3) < 0.8 && Math.abs(x + y) > 0.06,
} as const satisfies Record<string, Inside>;

export type Mark = keyof typeof MARKS;

const CORNER = 0.36;
/** Sample points along each side of a pixel. */
const SAMPLES = 3;

/** The rounded square. */
const tile: Inside = (x, y) => {
  const [dx, dy] = [Math.max(0, Math.abs(x) - (1 - CORNER)), Math.max(0, Math.abs(y) - (1 - CORNER))];
  return Math.hypot(dx, dy) < CORNER;
};

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** The share of the sample points of a pixel that are inside the tile and inside the mark, from 0 to 1. */
function coverage(
  mark: Inside,
  column: number,
  row: number,
  size: number,
): { onTile: number; onMark: number } {
  let onTile = 0;
  let onMark = 0;
  for (let i = 0; i < SAMPLES ** 2; i += 1) {
    const x = ((column + ((i % SAMPLES) + 0.5) / SAMPLES) / size) * 2 - 1;
    const y = ((row + (Math.floor(i / SAMPLES) + 0.5) / SAMPLES) / size) * 2 - 1;
    if (tile(x, y)) onTile += 1;
    if (mark(x, y)) onMark += 1;
  }
  return { onTile: onTile / SAMPLES ** 2, onMark: onMark / SAMPLES ** 2 };
}

/** @param colour `#rrggbb` */
export function logoPng(mark: Mark, colour: string, size = 96): Buffer {
  const rgb = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  // Each row of RGB pixels starts with a filter byte (0, none).
  const pixels = Buffer.alloc(size * (1 + size * 3));
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      const { onTile, onMark } = coverage(MARKS[mark], column, row, size);
      const coloured = onTile * (1 - onMark);
      const at = row * (1 + size * 3) + 1 + column * 3;
      rgb.forEach((value, i) => {
        pixels[at + i] = Math.round(value * coloured + 255 * (1 - coloured));
      });
    }
  }
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
