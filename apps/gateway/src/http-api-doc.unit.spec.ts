import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { API_PREFIX, routes } from '@flex/contracts';
import { GatewayConfig } from './gateway-config.js';
import { readConfiguration } from '@flex/events/service';

const page = readFileSync(join(import.meta.dirname, '../../../docs/http-api.md'), 'utf8');

describe('docs/http-api.md', () => {
  it('names routes and problems that there are', () => {
    const named = [...page.matchAll(/`(GET|POST) ([^`?]+)(?:\?[^`]*)?`/g)].map(
      ([, method, path]) => `${method} ${path!.replace('…', API_PREFIX).replace(/^\/runs/, `${API_PREFIX}/runs`)}`,
    );
    const known = routes.map(({ method, path }) => `${method} ${path}`);
    expect(named.length).toBeGreaterThan(3);
    for (const one of named) expect(known).toContain(one);
    const problems = new Set(routes.flatMap((route) => [...route.problems]));
    for (const [, code] of page.matchAll(/`(?:4\d\d )([a-z_]+)`/g)) expect([...problems]).toContain(code);
  });

  it('names settings that are read, with their defaults', () => {
    const names = new Set([...page.matchAll(/`(FLEX_[A-Z_]+)`/g)].map(([, name]) => name!));
    expect(names.size).toBeGreaterThan(10);
    for (const name of names) {
      const before = JSON.stringify(readConfiguration(GatewayConfig, {}));
      const value = /LIMIT|MAX|SECONDS|RATE/.test(name) ? '4321' : /URL/.test(name) ? 'https://id.example/keys' : 'x';
      expect([name, JSON.stringify(readConfiguration(GatewayConfig, { [name]: value })) !== before]).toEqual([
        name,
        true,
      ]);
    }
  });
});
