import { Env, ModelConfig } from '@flex/events/service';
import { IsBoolean, IsIn, IsInt, IsNumber, IsOptional, IsString, Max, Min } from 'class-validator';

/** The planner's environment. A model drafts when an endpoint or a key is given; without, plans are assembled. */
export class PlannerConfig extends ModelConfig {
  @Env('FLEX_PLANNER_MODEL')
  @IsString()
  model: string = 'gpt-4.1';

  /** Structured output where the endpoint knows it; `json_object` puts the schema into the prompt instead. */
  @Env('FLEX_PLANNER_RESPONSE_FORMAT')
  @IsIn(['json_schema', 'json_object'])
  responseFormat: 'json_schema' | 'json_object' = 'json_schema';

  @Env('FLEX_PLANNER_TEMPERATURE')
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(2)
  temperature?: number;

  @Env('FLEX_PLANNER_CALL_TIMEOUT_MS')
  @IsInt()
  @Min(10)
  callTimeoutMs: number = 60_000;

  /** All calls and pauses of one attempt together; below the time that the orchestrator gives an attempt. */
  @Env('FLEX_PLANNER_DEADLINE_MS')
  @IsInt()
  @Min(10)
  @Max(110_000)
  deadlineMs: number = 90_000;

  @Env('FLEX_PLANNER_MAX_RETRIES')
  @IsInt()
  @Min(0)
  @Max(10)
  maxRetries: number = 2;

  @Env('FLEX_PLANNER_RETRY_MS')
  @IsInt()
  @Min(1)
  retryMs: number = 500;

  @Env('FLEX_PLANNER_PROMPT_TOKENS')
  @IsInt()
  @Min(2000)
  promptTokens: number = 24_000;

  @Env('FLEX_PLANNER_OUTPUT_TOKENS')
  @IsInt()
  @Min(100)
  outputTokens: number = 8_000;

  /** Per million tokens; without them usage is recorded without its cost. */
  @Env('FLEX_PLANNER_PRICE_INPUT')
  @IsNumber()
  @Min(0)
  priceInput: number = 0;

  @Env('FLEX_PLANNER_PRICE_OUTPUT')
  @IsNumber()
  @Min(0)
  priceOutput: number = 0;

  @Env('FLEX_DYNAMIC_PLANNING')
  @IsBoolean()
  dynamic: boolean = true;

  @Env('FLEX_HYBRID_PLANNING')
  @IsBoolean()
  hybrid: boolean = true;

  /** Requests answered at once: models are slow, waiting for them costs nothing. */
  @Env('FLEX_PLANNER_CONCURRENCY')
  @IsInt()
  @Min(1)
  @Max(1000)
  concurrency: number = 32;

  @Env('FLEX_PLANNER_REGISTRY_WAIT_MS')
  @IsInt()
  @Min(0)
  registryWaitMs: number = 5_000;

  /** How long the assembler may go on proving that its plan is the smallest; a plan is there long before. */
  @Env('FLEX_PLANNER_ASSEMBLY_MS')
  @IsInt()
  @Min(0)
  @Max(10_000)
  assemblyMs: number = 500;
}
