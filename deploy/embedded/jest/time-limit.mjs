/** How long a test may take, by level: jest itself knows one limit for all projects only. */
import { jest } from '@jest/globals';

jest.setTimeout(globalThis.FLEX_TEST_TIMEOUT);
