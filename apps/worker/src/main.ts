import { eventValidators, startService } from '@flex/events/service';
import { WorkerConfig } from './worker.config.js';
import { WorkerModule } from './worker.module.js';

await startService({
  name: 'worker',
  config: WorkerConfig,
  module: WorkerModule,
  warmUp: eventValidators(['node.dispatched', 'node.reported', 'node.started', 'node.progressed']),
});
