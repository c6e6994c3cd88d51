import { startService } from '@flex/events/service';
import { plannerService } from './planner-service.js';

await startService(plannerService);
