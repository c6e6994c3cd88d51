/** Where this checkout lies, and what in it the embedded stack needs. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's root: this file is deploy/embedded/{src,dist}/checkout. */
export const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

/** A file under node_modules, by path: platform packages export nothing that could be imported. */
export const installed = (...segments: string[]): string => join(CHECKOUT, 'node_modules', ...segments);
