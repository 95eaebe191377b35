/**
 * Update masks (google.protobuf.FieldMask) for the settings of a job.
 *
 * A field in the mask gets the value of the request, or is cleared if the request has none. Other fields keep their
 * value. Clients write paths in snake_case (gRPC) or camelCase (gcloud, REST).
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

/** Converts field names to camelCase, also in nested messages. Header names are data and stay unchanged. */
export function camelCased(message: Message): Message {
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => {
      const field = toCamelCase(name);
      return [field, isMessage(value) && field !== 'headers' ? camelCased(value) : value];
    }),
  );
}

/**
 * The paths that the update changes: those in the mask, or without a mask the fields of the request.
 * @throws {ApiError} INVALID_ARGUMENT for a field that jobs do not have
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

/** A copy of `target` with one path replaced by the value in `update`. */
function withPath(target: Message, update: Message, [field = '', ...rest]: string[]): Message {
  const { [field]: old, ...others } = target;
  if (rest.length === 0) return update[field] === undefined ? others : { ...others, [field]: update[field] };
  const inner = withPath(
    isMessage(old) ? old : {},
    isMessage(update[field]) ? (update[field] as Message) : {},
    rest,
  );
  // A message without fields is removed: an empty oidcToken would be a token without an account.
  return Object.keys(inner).length === 0 ? others : { ...others, [field]: inner };
}

/**
 * The current settings with the masked fields of the update; both in camelCase. Does not modify its arguments.
 * @throws {ApiError} INVALID_ARGUMENT for an unknown field in the mask
 */
export function applyUpdateMask(current: Message, update: Message, mask: string | null): Message {
  return maskPaths(mask, update).reduce((settings, path) => withPath(settings, update, path), current);
}
