import { startService } from '@flex/events/service';
import { RegistryConfig } from './registry.config.js';
import { RegistryModule } from './registry.module.js';

await startService({ name: 'registry', config: RegistryConfig, module: RegistryModule });
