import { commonProblems, type ApiRoute } from '@flex/contracts';

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const block = (title: string, value: unknown): string =>
  value === undefined
    ? ''
    : `<details><summary>${escape(title)}</summary><pre>${escape(JSON.stringify(value, null, 2))}</pre></details>`;

const codes = (problems: readonly string[]): string =>
  problems.map((code) => `<code>${escape(code)}</code>`).join(', ');

/** The API to read: one page without scripts, made from the same table that the gateway answers by. */
export function apiPage(routes: readonly ApiRoute[]): string {
  const rows = routes.map(
    ({ id, method, path, scope, summary, query, body, response, problems, example }) => `<section id="${id}">
<h2><code>${method} ${escape(path)}</code></h2>
<p>${escape(summary)}</p>
<p>Scope <b>${scope}</b>. Answers <b>${response.status}</b>${response.stream ? ' with server-sent events' : ''}${
      problems.length > 0 ? `, or a problem: ${codes(problems)}` : ''
    }.</p>
${block('Query', query)}${block('Body', body)}${block('Answer', response.schema)}${block('Example', example)}
</section>`,
  );
  const index = routes.map(
    ({ id, method, path }) => `<li><a href="#${id}"><code>${method} ${escape(path)}</code></a></li>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Flex API</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{overflow:auto;background:#8881;padding:.5rem}section{border-top:1px solid #8884}:root{color-scheme:light dark}</style>
<h1>Flex API</h1><p>As <a href="/openapi.json">OpenAPI 3.1</a>; the bus as <a href="/asyncapi.json">AsyncAPI 3</a>.</p>
<p>A problem is an RFC 9457 document with one of these codes as <code>code</code>. Any request can meet ${codes(commonProblems)}.</p>
<ul>${index.join('')}</ul>${rows.join('\n')}</html>`;
}
