import { runCatalogue, type RunEventType } from '@flex/contracts';
import { eventValidators, startService } from '@flex/events/service';
import { OrchestratorConfig } from './orchestrator-config.js';
import { orchestratorModule } from './orchestrator.module.js';

await startService({
  name: 'orchestrator',
  config: OrchestratorConfig,
  module: orchestratorModule,
  warmUp: eventValidators(Object.keys(runCatalogue) as RunEventType[]),
});
