import { bootService, type RunningService } from '@flex/events/service';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { GatewayCaller, until, type PlayedServices } from './testing/gateway-fixture.js';
import { TestServers } from './testing/test-servers.js';

/** Looking a run up by its subjects walks over other runs' messages: the cost of one grew with the log. */
describe('reading runs from a log with many', () => {
  let servers: TestServers;
  let gateway: RunningService<GatewayConfig>;
  let played: PlayedServices;
  const lookedUp: string[] = [];
  const api = new GatewayCaller(() => gateway);

  const boot = () => bootService({ ...gatewayService(), env: servers.env() });

  beforeAll(async () => {
    servers = await TestServers.start();
    gateway = await boot();
    played = await servers.play();
    played.log.nc.subscribe('$JS.API.CONSUMER.CREATE.FLEX', {
      callback: (_, message) => {
        const { config } = JSON.parse(message.string()) as { config: { filter_subjects?: string[] } };
        lookedUp.push(...(config.filter_subjects ?? []).filter((filter) => filter.startsWith('*.*.')).slice(0, 1));
      },
    });
    await played.log.nc.flush();
  });
  afterAll(async () => {
    await gateway.stop();
    await servers.stop();
  });

  const runs = (): string[] => lookedUp.splice(0).map((filter) => filter.split('.')[3]!);

  it('finds the messages of runs that began here by their places, open and ended, always the newest', async () => {
    const open = await api.submit();
    expect((await api.json(`/runs/${open}`))['status']).toBe('submitted');
    await played.dispatch(open, 'a');
    expect(await api.json(`/runs/${open}`)).toMatchObject({ nodes: { a: { status: 'running' } } });
    await played.append('run.paused', open, { by: 'me' });
    expect((await api.json(`/runs/${open}`))['status']).toBe('paused');
    const ended = await api.submit();
    await played.finish(ended);
    expect(await api.json(`/runs/${ended}`)).toMatchObject({ status: 'completed', output: 'hello again' });
    const { items } = await api.json<{ items: { type: string }[] }>(`/runs/${ended}/events`);
    expect(items.map(({ type }) => type)).toEqual([
      'run.submitted',
      'node.dispatched',
      'node.reported',
      'node.dispatched',
      'node.reported',
      'run.completed',
    ]);
    expect(runs()).toEqual([]);
  });

  it('looks a run of before its start up once, and knows what comes after', async () => {
    const older = await api.submit();
    await gateway.stop();
    gateway = await boot();
    await played.dispatch(older, 'a');
    expect(await api.json(`/runs/${older}`)).toMatchObject({ nodes: { a: { status: 'running' } } });
    expect(runs()).toEqual([older]);
    await played.append('run.cancelled', older, { reason: 'enough' });
    expect(await api.json(`/runs/${older}`)).toMatchObject({ status: 'cancelled' });
    expect(runs()).toEqual([]);
  });

  it('says of a run that was taken out of the log, or never was, that it is not there', async () => {
    const gone = await api.submit();
    await played.log.purgeRun(gone);
    expect((await api.get(`/runs/${gone}`)).status).toBe(404);
    // The read models know all that began before the feed, as soon as they have come so far.
    const last = await api.submit();
    await until(
      async () => (await api.json<{ items: { runId: string }[] }>('/runs?limit=1')).items[0]?.runId === last,
      'the list',
    );
    runs();
    for (const path of ['', '/events', '/stream', '/plan'])
      expect((await api.get(`/runs/never${path}`)).status).toBe(404);
    expect(runs()).toEqual([]);
  });
});
