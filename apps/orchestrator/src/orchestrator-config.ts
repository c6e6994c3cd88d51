import { DatabaseConfig, Env } from '@flex/events/service';
import { IsBoolean, IsInt, IsOptional, Max, Min } from 'class-validator';

export class OrchestratorConfig extends DatabaseConfig {
  /** false: plans are the plain chain, without scoring, branching or expansion. */
  @Env('FLEX_DYNAMIC_PLANNING')
  @IsBoolean()
  dynamicPlanning: boolean = true;

  /** false: no model drafts; the deterministic plan only. */
  @Env('FLEX_HYBRID_PLANNING')
  @IsBoolean()
  hybridPlanning: boolean = true;

  /** Attempts of a planner per question before the deterministic plan has to stand in. */
  @Env('FLEX_PLAN_ATTEMPTS')
  @IsInt()
  @Min(1)
  @Max(20)
  planAttempts: number = 3;

  /** How long a partition stays with a replica that is not heard of. */
  @Env('FLEX_LEASE_MS')
  @IsInt()
  @Min(1000)
  leaseMs: number = 5000;

  @Env('FLEX_SNAPSHOT_MS')
  @IsInt()
  @Min(100)
  snapshotMs: number = 5000;

  /** Open runs kept in memory per partition; the others wait in Postgres. */
  @Env('FLEX_RUNS_IN_MEMORY')
  @IsInt()
  @Min(1)
  runsInMemory: number = 2000;

  /** Appends in flight per partition; by default 16, or 1 when the log is replicated. */
  @Env('FLEX_APPEND_WINDOW')
  @IsOptional()
  @IsInt()
  @Min(1)
  appendWindow?: number;
}
