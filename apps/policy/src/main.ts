import { startService } from '@flex/events/service';
import { policyService } from './policy-service.js';

await startService(policyService);
