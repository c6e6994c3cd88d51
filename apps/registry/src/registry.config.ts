import { IsInt, Max, Min } from 'class-validator';
import { DatabaseConfig, Env } from '@flex/events/service';

export class RegistryConfig extends DatabaseConfig {
  /** After a start or a reconnect, instances get this long to show themselves before they count as lost. */
  @Env('FLEX_REGISTRY_SETTLE_MS')
  @IsInt()
  @Min(0)
  @Max(600_000)
  settleMs: number = 3_000;
}
