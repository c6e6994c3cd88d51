/**
 * Writes docs/asyncapi.json, the bus as an AsyncAPI 3 document, from the catalogue of events. Run it after `./flex build`,
 * whenever an event changes; a test says when it is due:
 *
 *   ./flex exec node libs/contracts/scripts/write-asyncapi.mjs
 */
import { writeFileSync } from 'node:fs';
import { API_VERSION, asyncApiDocument } from '@flex/contracts';

const text = JSON.stringify(asyncApiDocument(API_VERSION), null, 1);
writeFileSync(new URL('../../../docs/asyncapi.json', import.meta.url), `${text}\n`);
