/**
 * The paths of Cloud Scheduler's REST API v1.
 *
 * Source: https://cloud.google.com/scheduler/docs/reference/rest
 */
import { ApiError } from './api-error.ts';
import type { EmulatedScheduler } from './emulated-scheduler.ts';
import { type Job, withNumericEnums } from './job.ts';

/** One API call with its parsed body. */
export interface ApiRequest {
  method: string;
  url: URL;
  body: Record<string, unknown>;
}

/** The locations that `locations list` returns. Jobs can be created in any other location too. */
const LOCATION_IDS = ['us-central1', 'europe-west1', 'asia-northeast1'];

function location(project: string, locationId: string): object {
  return {
    name: `projects/${project}/locations/${locationId}`,
    locationId,
    labels: { 'cloud.googleapis.com/region': locationId },
  };
}

/**
 * Handles one call and returns the response body.
 * @throws {ApiError} the error that Google would return; NOT_FOUND for an unknown path
 */
export function handleRequest(scheduler: EmulatedScheduler, { method, url, body }: ApiRequest): object {
  const query = url.searchParams;
  const show = (job: Job): object =>
    query.get('$alt')?.includes('enum-encoding=int') ? withNumericEnums(job) : job;

  const path = decodeURIComponent(url.pathname).replace(/^\/v1\//, '');
  const [, project = '', locationId, collection, jobId, verb] =
    /^projects\/([^/]+)\/locations(?:\/([^/:]+)(?:\/(jobs)(?:\/([^/:]+)(?::(\w+))?)?)?)?$/.exec(path) ?? [];
  const parent = `projects/${project}/locations/${locationId}`;
  const name = `${parent}/jobs/${jobId}`;

  // For example `POST jobs job pause`, so the cases below read like the API reference.
  const route = [method, collection ?? (locationId && 'location'), jobId && 'job', verb].filter(Boolean);
  switch (project && route.join(' ')) {
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
