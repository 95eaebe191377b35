/**
 * Update masks (google.protobuf.FieldMask) over the settings of a job.
 *
 * A path in the mask takes the request's value, or clears the field when the request has none; what the
 * mask does not name stays. Clients write the paths in snake_case (gRPC habit) or camelCase (gcloud, REST).
 * Source: https://google.aip.dev/134
 */
import { ApiError } from './api-error.ts';
import { OUTPUT_ONLY_NAMES, SETTING_NAMES } from './job.ts';

type Message = Record<string, unknown>;

/** `http_target` -> `httpTarget`. */
function toCamelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A message with camelCase field names, nested ones too; a header's name is data and stays as it is. */
export function camelCased(message: Message): Message {
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => {
      const field = toCamelCase(name);
      return [field, isMessage(value) && field !== 'headers' ? camelCased(value) : value];
    }),
  );
}

/**
 * Paths that an update may change. Without a mask these are the fields that the request carries.
 * @throws {ApiError} INVALID_ARGUMENT when the mask names a field that no job has
 */
function maskPaths(mask: string | null, update: Message): string[][] {
  const paths = mask?.trim() ? mask.split(',').map((path) => path.trim()) : Object.keys(update);
  return paths
    .map((path) => path.split('.').map(toCamelCase))
    .filter(([field = '']) => {
      if (SETTING_NAMES.includes(field)) return true;
      if (OUTPUT_ONLY_NAMES.includes(field)) return false;
      throw new ApiError('INVALID_ARGUMENT', `Invalid field mask: job has no field "${field}".`);
    });
}

/** Copy one path from the update into the target, on fresh objects all the way down. */
function withPath(target: Message, update: Message, [field = '', ...rest]: string[]): Message {
  const { [field]: old, ...others } = target;
  if (rest.length === 0) return update[field] === undefined ? others : { ...others, [field]: update[field] };
  const inner = withPath(
    isMessage(old) ? old : {},
    isMessage(update[field]) ? (update[field] as Message) : {},
    rest,
  );
  // A message whose last field was cleared is gone: an empty oidcToken would mean "a token of nobody".
  return Object.keys(inner).length === 0 ? others : { ...others, [field]: inner };
}

/** The current settings with the update's masked fields; both in camelCase, neither is changed. */
export function applyMask(current: Message, update: Message, mask: string | null): Message {
  return maskPaths(mask, update).reduce((settings, path) => withPath(settings, update, path), current);
}
