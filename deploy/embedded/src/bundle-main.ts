/** Makes the bundles named on the command line, giving way to everything else on the machine. */
import { setPriority } from 'node:os';
import { makeBundles } from './service-bundle.js';
import type { ServiceName } from './settings.js';

const LOWEST_PRIORITY = 19;
setPriority(LOWEST_PRIORITY);
await makeBundles(process.argv.slice(2) as ServiceName[]);
