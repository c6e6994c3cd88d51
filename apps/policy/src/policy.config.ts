import { Env, ServiceConfig } from '@flex/events/service';
import { IsInt, Max, Min } from 'class-validator';

export class PolicyConfig extends ServiceConfig {
  /** Judgements whose verdicts are on their way into the log at once. */
  @Env('FLEX_POLICY_CONCURRENCY')
  @IsInt()
  @Min(1)
  @Max(4096)
  concurrency: number = 128;
}
