/**
 * Which files of an email a browser may show in the page. Only the type that was detected from the bytes counts: the sender
 * chose the declared one.
 * Invariant: no type here can run a script of the file in the page. SVG and HTML can, and are downloads only.
 */
const KINDS = {
  'application/pdf': 'pdf',
  'image/bmp': 'image',
  'image/gif': 'image',
  'image/jpeg': 'image',
  'image/png': 'image',
  'image/webp': 'image',
} as const;

export type PreviewType = keyof typeof KINDS;

export function isPreviewType(detectedType: string | null): detectedType is PreviewType {
  return detectedType !== null && Object.hasOwn(KINDS, detectedType);
}

/** @returns null when the file is a download only */
export function previewKind(detectedType: string | null): 'image' | 'pdf' | null {
  return isPreviewType(detectedType) ? KINDS[detectedType] : null;
}
