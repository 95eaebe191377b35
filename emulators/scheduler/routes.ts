/**
 * Cloud Scheduler's REST v1 paths, answered by the emulated scheduler.
 *
 * Source: https://cloud.google.com/scheduler/docs/reference/rest
 */
import { ApiError } from './api-error.ts';
import type { EmulatedScheduler } from './emulated-scheduler.ts';
import { type Job, withNumericEnums } from './job.ts';

/** One API call, already read off the wire. */
export interface ApiRequest {
  method: string;
  url: URL;
  body: Record<string, unknown>;
}

/** Any location works; these are the ones that `locations list` shows. */
const LOCATION_IDS = ['us-central1', 'europe-west1', 'asia-northeast1'];

function location(project: string, locationId: string): object {
  return {
    name: `projects/${project}/locations/${locationId}`,
    locationId,
    labels: { 'cloud.googleapis.com/region': locationId },
  };
}

/**
 * The answer's body.
 * @throws {ApiError} what Google would answer; NOT_FOUND for a path that v1 does not have
 */
export function answer(scheduler: EmulatedScheduler, { method, url, body }: ApiRequest): object {
  const query = url.searchParams;
  const show = (job: Job): object =>
    query.get('$alt')?.includes('enum-encoding=int') ? withNumericEnums(job) : job;

  const path = decodeURIComponent(url.pathname).replace(/^\/v1\//, '');
  const [, project = '', locationId, collection, jobId, verb] =
    /^projects\/([^/]+)\/locations(?:\/([^/:]+)(?:\/(jobs)(?:\/([^/:]+)(?::(\w+))?)?)?)?$/.exec(path) ?? [];
  const parent = `projects/${project}/locations/${locationId}`;
  const name = `${parent}/jobs/${jobId}`;

  // The shape of the path, so that the table below reads like the reference.
  const shape = [method, collection ?? (locationId && 'location'), jobId && 'job', verb].filter(Boolean);
  switch (project && shape.join(' ')) {
    case 'GET':
      return { locations: LOCATION_IDS.map((id) => location(project, id)) };
    case 'GET location':
      return location(project, String(locationId));
    case 'GET jobs': {
      const page = scheduler.list(parent, Number(query.get('pageSize')), query.get('pageToken') ?? '');
      const jobs = page.jobs.map(show);
      return page.nextPageToken ? { jobs, nextPageToken: page.nextPageToken } : { jobs };
    }
    case 'POST jobs':
      return show(scheduler.create(parent, body));
    case 'GET jobs job':
      return show(scheduler.get(name));
    case 'PATCH jobs job':
      return show(scheduler.patch(name, body, query.get('updateMask') ?? query.get('update_mask')));
    case 'DELETE jobs job':
      scheduler.delete(name);
      return {};
    case 'POST jobs job pause':
      return show(scheduler.pause(name));
    case 'POST jobs job resume':
      return show(scheduler.resume(name));
    case 'POST jobs job run':
      return show(scheduler.run(name));
    default:
      throw new ApiError('NOT_FOUND', `The emulator has no ${method} ${url.pathname}.`);
  }
}
