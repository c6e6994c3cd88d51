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

  /** Further steps that a dispatch names at most, for its worker to go on with; 0: each step is dispatched by itself. */
  @Env('FLEX_RUN_ON')
  @IsInt()
  @Min(0)
  @Max(100)
  runOn: number = 15;

  /** How long a partition stays with a replica that is not heard of. */
  @Env('FLEX_LEASE_MS')
  @IsInt()
  @Min(1000)
  leaseMs: number = 5000;

  @Env('FLEX_SNAPSHOT_MS')
  @IsInt()
  @Min(100)
  snapshotMs: number = 5000;

  /** MiB of open runs kept in memory, by their stored size; those that nothing is under way for wait in Postgres beyond it. */
  @Env('FLEX_RUN_MEMORY_MIB')
  @IsInt()
  @Min(0)
  runMemoryMib: number = 64;

  /** Appends in flight per partition; by default 16, or 1 when the log is replicated. */
  @Env('FLEX_APPEND_WINDOW')
  @IsOptional()
  @IsInt()
  @Min(1)
  appendWindow?: number;
}
