import type { Json, JsonLogic } from '@flex/contracts';
import { isOperation, itemScoped } from './operators.js';

/** How tightly an operator binds; operands that bind no tighter are put in parentheses. */
const ranks: Readonly<Record<string, number>> = {
  or: 1,
  and: 2,
  '==': 3,
  '!=': 3,
  '===': 3,
  '!==': 3,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  in: 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
  '!': 7,
};
const symbols: Readonly<Record<string, string>> = { or: '||', and: '&&' };
const PRIMARY = 8;

/**
 * The text form of a compiled condition; `parseCondition` gives the same logic back. Takes JSON Logic as
 * `compileCondition` leaves it (operands as lists, literal paths).
 */
export function printCondition(logic: JsonLogic): string {
  return print(logic, 'context').text;
}

interface Printed {
  text: string;
  rank: number;
}
type Scope = 'context' | 'item';

const primary = (text: string): Printed => ({ text, rank: PRIMARY });

function print(logic: Json, scope: Scope): Printed {
  if (Array.isArray(logic)) return primary(`[${logic.map((item) => print(item, scope).text).join(', ')}]`);
  if (!isOperation(logic)) return primary(JSON.stringify(logic));
  const [op, value] = Object.entries(logic)[0] as [string, Json];
  if (op === 'var' && typeof value === 'string') return primary(printPath(value, scope));
  if (op === 'exists' && typeof value === 'string') return primary(`exists(${printPath(value, scope)})`);
  const operands = value as Json[];
  const rank = ranks[op];
  if (rank === undefined)
    return primary(
      `${op === '!!' ? 'bool' : op}(${operands.map((operand, index) => print(operand, scopeOf(op, index, scope)).text).join(', ')})`,
    );
  if (operands.length === 1) {
    const only = print(operands[0]!, scope);
    // `-5` is a literal, `-(5)` the negation of one.
    const bare = op === '!' ? only.rank >= 7 : only.rank === PRIMARY && typeof operands[0] !== 'number';
    return { text: `${op}${bare ? only.text : `(${only.text})`}`, rank: 7 };
  }
  const parts = operands.map((operand) => {
    const part = print(operand, scope);
    return part.rank > rank ? part.text : `(${part.text})`;
  });
  return { text: parts.join(` ${symbols[op] ?? op} `), rank };
}

const scopeOf = (op: string, index: number, scope: Scope): Scope =>
  index !== 1 ? scope : itemScoped.has(op) ? 'item' : op === 'reduce' ? 'context' : scope;

function printPath(path: string, scope: Scope): string {
  const segments = path === '' ? [] : path.split('.');
  let text = scope === 'item' ? 'item' : segments.shift()!;
  for (const segment of segments) {
    if (/^[A-Za-z_$][A-Za-z0-9_$]*$/.test(segment)) text += `.${segment}`;
    else text += /^\d+$/.test(segment) ? `[${segment}]` : `[${JSON.stringify(segment)}]`;
  }
  return text;
}
