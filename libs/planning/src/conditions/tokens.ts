/** A fault in the text of a condition, where it is. */
export class ConditionSyntaxError extends Error {
  constructor(
    message: string,
    readonly line: number,
    readonly column: number,
  ) {
    super(message);
  }
}

export interface Token {
  kind: 'number' | 'string' | 'name' | 'symbol' | 'end';
  /** Symbol or name as written; for strings and numbers their text value. */
  text: string;
  line: number;
  column: number;
}

const symbols = [
  '===',
  '!==',
  '==',
  '!=',
  '<=',
  '>=',
  '&&',
  '||',
  '<',
  '>',
  '!',
  '+',
  '-',
  '*',
  '/',
  '%',
  '(',
  ')',
  '[',
  ']',
  ',',
  '.',
];
const escapes: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  '\\': '\\',
  '"': '"',
  "'": "'",
  '/': '/',
};
const slips: Record<string, string> = {
  '=': '==',
  '&': '&&',
  '|': '||',
  '“': '"',
  '”': '"',
  '≤': '<=',
  '≥': '>=',
  '≠': '!=',
};

/** Splits the text form into tokens; throws ConditionSyntaxError. Lines and columns count from 1. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  let lineStart = 0;
  const fail = (message: string): never => {
    throw new ConditionSyntaxError(message, line, at - lineStart + 1);
  };
  while (at < text.length) {
    const char = text[at]!;
    if (char === '\n') {
      line++;
      lineStart = ++at;
      continue;
    }
    if (/\s/.test(char)) {
      at++;
      continue;
    }
    const start = { line, column: at - lineStart + 1 };
    const rest = text.slice(at, at + 400);
    const number = /^\d+(\.\d+)?([eE][+-]?\d+)?/.exec(rest)?.[0];
    if (number !== undefined) {
      if (!Number.isFinite(Number(number))) fail(`The number ${number} is too large`);
      at += number.length;
      if (/[A-Za-z_$]/.test(text[at] ?? '')) fail(`Unexpected "${text[at]}" after the number ${number}`);
      tokens.push({ kind: 'number', text: number, ...start });
      continue;
    }
    const name = /^[A-Za-z_$][A-Za-z0-9_$]*/.exec(rest)?.[0];
    if (name !== undefined) {
      // A hyphen inside a path belongs to the name only when quoted: facets["a-b"]; so `a-b` is a subtraction.
      tokens.push({ kind: 'name', text: name, ...start });
      at += name.length;
      continue;
    }
    if (char === '"' || char === "'") {
      at++;
      let value = '';
      while (text[at] !== char) {
        if (at >= text.length || text[at] === '\n') {
          throw new ConditionSyntaxError(`The text that begins here has no closing ${char}`, start.line, start.column);
        }
        if (text[at] !== '\\') {
          value += text[at++];
          continue;
        }
        const escaped = text[at + 1] ?? '';
        const code = /^u([0-9a-fA-F]{4})/.exec(text.slice(at + 1, at + 6))?.[1];
        if (code !== undefined) {
          value += String.fromCharCode(parseInt(code, 16));
          at += 6;
        } else if (escaped in escapes) {
          value += escapes[escaped];
          at += 2;
        } else fail(`Unknown escape "\\${escaped}"; write \\\\ for a backslash`);
      }
      at++;
      tokens.push({ kind: 'string', text: value, ...start });
      continue;
    }
    const symbol = symbols.find((candidate) => rest.startsWith(candidate));
    if (symbol === undefined) {
      const meant = slips[char];
      fail(`Unexpected "${char}"${meant === undefined ? '' : `; did you mean ${meant}?`}`);
    }
    tokens.push({ kind: 'symbol', text: symbol!, ...start });
    at += symbol!.length;
  }
  tokens.push({ kind: 'end', text: '', line, column: at - lineStart + 1 });
  return tokens;
}
