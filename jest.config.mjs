/**
 * Three projects, told apart by the file's suffix: `*.unit.spec.ts` needs nothing, `*.int.spec.ts` starts real NATS and
 * Postgres servers of its own, `*.e2e.spec.ts` talks to a whole stack that is brought up once (or given by FLEX_URL).
 * Run it through `./flex jest …`, which brings the right Node and `--experimental-vm-modules`.
 */
const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  resolver: '<rootDir>/jest.resolver.cjs',
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/', '<rootDir>/\\.flex'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2023',
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  moduleNameMapper: {
    '^@flex/embedded$': '<rootDir>/deploy/embedded/src/index.ts',
    '^@flex/embedded/(.+)$': '<rootDir>/deploy/embedded/src/$1/index.ts',
    '^@flex/(contracts|events|planning|worker-sdk|client)$': '<rootDir>/libs/$1/src/index.ts',
    '^@flex/(contracts|events|planning|worker-sdk|client)/(.+)$': '<rootDir>/libs/$1/src/$2/index.ts',
  },
};

const level = (name, timeLimit) => ({
  ...shared,
  displayName: name,
  testMatch: [`<rootDir>/{apps,libs,deploy,e2e}/**/*.${name}.spec.ts`],
  globals: { FLEX_TEST_TIMEOUT: timeLimit },
  setupFilesAfterEnv: ['<rootDir>/deploy/embedded/jest/time-limit.mjs'],
});

export default {
  maxWorkers: 2,
  projects: [
    level('unit', 20_000),
    {
      ...level('int', 60_000),
      globalSetup: '<rootDir>/deploy/embedded/jest/run-setup.mjs',
      globalTeardown: '<rootDir>/deploy/embedded/jest/run-teardown.mjs',
    },
    {
      ...level('e2e', 120_000),
      globalSetup: '<rootDir>/deploy/embedded/jest/e2e-setup.mjs',
      globalTeardown: '<rootDir>/deploy/embedded/jest/e2e-teardown.mjs',
    },
  ],
};
