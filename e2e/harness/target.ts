import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FlexHttp } from './flex-http.js';

/** The stack under test: FLEX_URL and NATS_URL, which the global setup sets for an embedded one of its own. */
export const target = {
  http: (): FlexHttp => new FlexHttp(required('FLEX_URL')),
  natsUrl: (): string => required('NATS_URL'),
};

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: it names the stack under test`);
  return value;
}

/** An envelope of `examples/`. */
export const example = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`../../examples/${name}.json`, import.meta.url)), 'utf8')) as Record<
    string,
    unknown
  >;

/** A name that no other test of this or another run uses. */
export const unique = (stem: string): string =>
  `${stem}${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`;
