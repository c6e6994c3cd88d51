import { startService } from '@flex/events/service';
import { PlannerConfig } from './planner.config.js';
import { PlannerModule } from './planner.module.js';

await startService({ name: 'planner', config: PlannerConfig, module: PlannerModule });
