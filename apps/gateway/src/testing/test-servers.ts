import { connectNats, EventLog, readLogShape } from '@flex/events';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import { PlayedServices } from './gateway-fixture.js';

/** NATS and Postgres for gateways, and a connection for whoever plays the other services. */
export class TestServers {
  #nc: Awaited<ReturnType<typeof connectNats>> | undefined;

  private constructor(
    readonly nats: TestNats,
    readonly postgres: TestPostgres,
  ) {}

  static async start(): Promise<TestServers> {
    return new TestServers(...(await Promise.all([startNats(), startPostgres()])));
  }

  /** The environment of a service on them. */
  env(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return {
      NATS_URL: this.nats.url,
      DATABASE_URL: this.postgres.url,
      FLEX_LOG_LEVEL: process.env['FLEX_TEST_LOG'] ?? 'silent',
      ...more,
    };
  }

  /** Once a service has made the log. */
  async play(): Promise<PlayedServices> {
    this.#nc = await connectNats({ url: this.nats.url, name: 'test' });
    return new PlayedServices(new EventLog(this.#nc, 'orchestrator', await readLogShape(this.#nc)));
  }

  /** After the services on them have stopped. */
  async stop(): Promise<void> {
    await this.#nc?.close();
    await Promise.all([this.nats.stop(), this.postgres.stop()]);
  }
}
