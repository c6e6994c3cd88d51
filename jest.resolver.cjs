/** Sources import `./x.js`, as Node and TypeScript want it; in tests that file is `./x.ts`. */
const { existsSync } = require('node:fs');
const { join } = require('node:path');

module.exports = (request, options) => {
  if (request.startsWith('.') && request.endsWith('.js') && !options.basedir.includes('/node_modules/')) {
    const source = join(options.basedir, `${request.slice(0, -3)}.ts`);
    if (existsSync(source)) return source;
  }
  return options.defaultResolver(request, options);
};
