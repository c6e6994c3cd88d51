import { startService } from '@flex/events/service';
import { gatewayService } from './gateway-service.js';

await startService(gatewayService());
