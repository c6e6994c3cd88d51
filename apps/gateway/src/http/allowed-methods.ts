import { routes } from '@flex/contracts';

const patterns = routes.map(({ method, path }) => ({
  method,
  // A segment in braces stands for any one segment.
  pattern: new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}/?$`),
}));

/** The methods that an address takes, by the table of routes; none where nothing is. */
export function allowedMethods(url: string): string[] {
  const path = url.split('?', 1)[0]!;
  const taken = patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  return [...new Set(taken.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].sort();
}
