import { IsBoolean, IsInt, Min } from 'class-validator';
import { ConfigurationFault, DatabaseConfig, Env, readConfiguration } from './configuration.js';

class ExampleConfig extends DatabaseConfig {
  @Env('EXAMPLE_LIMIT')
  @IsInt()
  @Min(1)
  limit: number = 7;

  @Env('EXAMPLE_ON')
  @IsBoolean()
  on: boolean = false;
}

const faultsOf = (env: Record<string, string>): string[] => {
  try {
    readConfiguration(ExampleConfig, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationFault) return error.faults;
    throw error;
  }
};

describe('configuration', () => {
  it('takes defaults, and converts what is set', () => {
    const config = readConfiguration(ExampleConfig, {
      PORT: '18500',
      EXAMPLE_ON: 'no',
      NATS_USER: '',
      FLEX_HOST: ' ::1 ',
    });
    expect(config).toMatchObject({ limit: 7, on: false, port: 18500, host: '::1', natsUrl: 'nats://127.0.0.1:4222' });
    expect(config.natsUser).toBeUndefined();
    expect(readConfiguration(ExampleConfig, { EXAMPLE_ON: 'true', EXAMPLE_LIMIT: '9' })).toMatchObject({
      limit: 9,
      on: true,
    });
  });

  it('says every fault in one line that names the variable and what it is', () => {
    const faults = faultsOf({ PORT: '70000', EXAMPLE_LIMIT: 'many', EXAMPLE_ON: 'maybe', NATS_URL: 'http://x' });
    expect(faults).toHaveLength(4);
    expect(faults).toContain('PORT must not be greater than 65535 (it is "70000")');
    expect(faults).toContain('EXAMPLE_ON must be a boolean value (it is "maybe")');
    expect(faults).toContain('EXAMPLE_LIMIT must be an integer number (it is "many")');
  });

  it('never repeats a secret', () => {
    expect(faultsOf({ DATABASE_URL: 'mysql://root:hunter2@db/flex' }).join()).not.toContain('hunter2');
  });
});
