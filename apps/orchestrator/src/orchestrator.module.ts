import { Module, type Type } from '@nestjs/common';
import { EventLog, PartitionLeases, RegistryMirror } from '@flex/events';
import { migrate } from '@flex/events/postgres';
import { whenSettled, type ServiceContext } from '@flex/events/service';
import { rehearse } from '@flex/planning';
import { defaultSettings } from './core/step.js';
import type { OrchestratorConfig } from './orchestrator-config.js';
import { observePartitions } from './meters.js';
import { LoadReports } from './load-reports.js';
import { OutcomeReports } from './outcome-reports.js';
import { RegistryAbreast } from './registry-abreast.js';
import { Partitions } from './partitions.js';
import { ServedTogether } from './served-together.js';
import { RunMemory } from './resident-runs.js';
import { migrations, PostgresSnapshots, type SnapshotTables } from './postgres-snapshots.js';

/** Ready as long as the part of the log that is not folded yet stays below this. */
const TOLERABLE_LAG = 50_000;

/** Wires the orchestrator: the leases say which partitions, the registry's mirror what can be planned with. */
export async function orchestratorModule(service: ServiceContext<OrchestratorConfig>): Promise<Type> {
  const { config, nc, log: logger, instance, shape } = service;
  const db = service.database<SnapshotTables>();
  await migrate(db, 'orchestrator', migrations);
  const registry = new RegistryMirror(nc);
  await registry.ready;
  const abreast = new RegistryAbreast(registry);
  const outcomes = new OutcomeReports(nc);
  const partitions = new Partitions(logger, {
    log: new EventLog(nc, 'orchestrator', shape),
    logger,
    snapshots: new PostgresSnapshots(db),
    owner: instance,
    settings: {
      ...defaultSettings,
      dynamicPlanning: config.dynamicPlanning,
      hybridPlanning: config.hybridPlanning,
      planAttempts: config.planAttempts,
      runOn: config.runOn,
    },
    registry: (tenant) => registry.snapshot(tenant),
    abreast: (revision) => abreast.reached(revision),
    outcomes,
    together: new ServedTogether(),
    memory: new RunMemory(config.runMemoryMib * 2 ** 20),
    snapshotEveryMs: config.snapshotMs,
    window: config.appendWindow,
  });
  observePartitions(partitions);
  const load = new LoadReports(nc, instance, partitions);
  registry.onChange((changes) => {
    if (changes.some((change) => change.kind === 'capability' && change.value?.status !== 'active'))
      partitions.recheck();
  });
  const unrehearsed = whenSettled(registry, () => rehearse(registry.snapshot(), () => performance.now()));
  const leases = new PartitionLeases({
    nc,
    owner: instance,
    partitions: shape.partitions,
    ttlMs: config.leaseMs,
    onAcquired: (partition) => partitions.acquired(partition),
    onReleased: (partition) => partitions.released(partition),
  });
  service.readiness.add('partitions', () => {
    if (partitions.lag > TOLERABLE_LAG) throw new Error(`${partitions.lag} events behind`);
    if (leases.members.length === 0) throw new Error('no lease yet');
  });
  service.drain.on('consume', 'partitions', async () => {
    await leases.stop();
    await partitions.stop();
    outcomes.close();
    load.close();
  });
  service.drain.on('close', 'registry mirror', () => {
    unrehearsed();
    registry.close();
  });

  @Module({})
  class OrchestratorModule {}
  return OrchestratorModule;
}
