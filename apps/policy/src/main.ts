import { startService } from '@flex/events/service';
import { PolicyConfig } from './policy.config.js';
import { PolicyModule } from './policy.module.js';

await startService({ name: 'policy', config: PolicyConfig, module: PolicyModule });
