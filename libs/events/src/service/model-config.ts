import { IsOptional, IsString, IsUrl } from 'class-validator';
import { Env, ServiceConfig } from './configuration.js';

/** Services that ask a model, by an endpoint that speaks the OpenAI API. They do when an endpoint or a key is given. */
export class ModelConfig extends ServiceConfig {
  @Env('OPENAI_BASE_URL')
  @IsOptional()
  @IsUrl({ require_tld: false, require_protocol: true, protocols: ['http', 'https'] })
  openAiBaseUrl?: string;

  @Env('OPENAI_API_KEY')
  @IsOptional()
  @IsString()
  openAiApiKey?: string;

  get hasModel(): boolean {
    return this.openAiBaseUrl !== undefined || this.openAiApiKey !== undefined;
  }
}
