/**
 * The Cloud Scheduler of a fixture, with the job that follows the `is_running` flag. Each request and each response is
 * delayed by a random time, so that concurrent calls overtake each other. The job never fires: the rounds call `poll`.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { EmulatedScheduler } from '../../emulators/scheduler/emulated-scheduler.ts';
import { type RunningEmulator, startEmulatedScheduler } from '../../emulators/scheduler/scheduler-server.ts';
import type { RandomChoices } from './random-choices.ts';

const PARENT = 'projects/emulated-project/locations/europe-west1';
const JOB = `${PARENT}/jobs/email-monitor-poll`;

export class SlowScheduler {
  /** Maximum delay of a request, and of its response. */
  maxDelayMs = 0;
  readonly #scheduler: EmulatedScheduler;
  readonly #emulator: RunningEmulator;
  readonly #random: RandomChoices;
  readonly #server: Server;

  private constructor(scheduler: EmulatedScheduler, emulator: RunningEmulator, random: RandomChoices) {
    this.#scheduler = scheduler;
    this.#emulator = emulator;
    this.#random = random;
    this.#server = createServer((request, response) => {
      this.#forward(request).then(
        ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(body),
        () => response.destroy(),
      );
    });
  }

  static async open(random: RandomChoices): Promise<SlowScheduler> {
    const scheduler = new EmulatedScheduler();
    scheduler.create(PARENT, {
      name: JOB,
      schedule: '* * * * *',
      timeZone: 'Etc/UTC',
      httpTarget: { uri: 'http://127.0.0.1:9/', httpMethod: 'POST' },
    });
    const opened = new SlowScheduler(
      scheduler,
      await startEmulatedScheduler(scheduler, { tickMs: 0 }),
      random,
    );
    opened.#server.listen(0, '127.0.0.1');
    await once(opened.#server, 'listening');
    return opened;
  }

  /** Environment variables with which a function connects to this scheduler. */
  get env(): Record<string, string> {
    const { port } = this.#server.address() as AddressInfo;
    return { SCHEDULER_JOB: JOB, CLOUD_SCHEDULER_EMULATOR_HOST: `127.0.0.1:${port}` };
  }

  get isEnabled(): boolean {
    return this.#scheduler.get(JOB).state === 'ENABLED';
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
    await this.#emulator.close();
  }

  async #forward(request: IncomingMessage): Promise<{ status: number; body: string }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    await delay(this.#random.int(0, this.maxDelayMs));
    const method = request.method ?? 'GET';
    const response = await fetch(`http://${this.#emulator.host}${request.url}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(method === 'GET' ? {} : { body: Buffer.concat(chunks) }),
    });
    const body = await response.text();
    await delay(this.#random.int(0, this.maxDelayMs));
    return { status: response.status, body };
  }
}
