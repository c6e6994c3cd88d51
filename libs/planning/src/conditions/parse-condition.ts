import type { JsonLogic } from '@flex/contracts';
import { nearestName } from '../naming/nearest-name.js';
import { functions } from './text-functions.js';
import { contextRoots, itemScoped, MAX_DEPTH } from './operators.js';
import { ConditionSyntaxError, tokenize, type Token } from './tokens.js';

const words: Readonly<Record<string, string>> = {
  and: '&&',
  or: '||',
  not: '!',
  is: '==',
  equals: '==',
  AND: '&&',
  OR: '||',
  NOT: '!',
};
const equality = new Set(['==', '!=', '===', '!==']);
const relational = new Set(['<', '<=', '>', '>=']);

/** What paths may begin with: the context's parts, the item of a quantifier, or what `reduce` carries. */
type Scope = { kind: 'context'; roots: readonly string[] | 'any' } | { kind: 'item' } | { kind: 'reduce' };

/** Compiles the text form to JSON Logic; throws ConditionSyntaxError. The grammar is in docs/policies.md. */
export function parseCondition(text: string, roots: readonly string[] | 'any' = contextRoots): JsonLogic {
  const parser = new Parser(tokenize(text));
  const logic = parser.expression({ kind: 'context', roots });
  parser.finish();
  return logic;
}

class Parser {
  private at = 0;
  private depth = 0;

  constructor(private readonly tokens: Token[]) {}

  finish(): void {
    if (this.peek().kind !== 'end') this.unexpected(this.peek(), 'an operator or the end');
  }

  expression(scope: Scope): JsonLogic {
    if (++this.depth > MAX_DEPTH) this.fail(this.peek(), `The condition is nested more than ${MAX_DEPTH} deep`);
    const logic = this.flat('||', 'or', () => this.flat('&&', 'and', () => this.equal(scope)));
    this.depth--;
    return logic;
  }

  /** `a && b && c` as one operation with three operands. */
  private flat(symbol: string, op: string, operand: () => JsonLogic): JsonLogic {
    const operands = [operand()];
    while (this.accept(symbol)) operands.push(operand());
    return operands.length === 1 ? operands[0]! : { [op]: operands };
  }

  private equal(scope: Scope): JsonLogic {
    const left = this.relation(scope);
    const symbol = this.peek();
    if (symbol.kind !== 'symbol' || !equality.has(symbol.text)) return left;
    this.at++;
    const logic = { [symbol.text]: [left, this.relation(scope)] };
    const next = this.peek();
    if (next.kind === 'symbol' && equality.has(next.text))
      this.fail(next, 'Comparisons cannot be chained; join two with &&');
    return logic;
  }

  private relation(scope: Scope): JsonLogic {
    const left = this.sum(scope);
    const symbol = this.peek();
    if (symbol.kind === 'name' && symbol.text === 'in') {
      this.at++;
      return { in: [left, this.sum(scope)] };
    }
    if (symbol.kind !== 'symbol' || !relational.has(symbol.text)) return left;
    const operands = [left];
    while (this.accept(symbol.text)) {
      operands.push(this.sum(scope));
      if (operands.length === 3) break;
    }
    const next = this.peek();
    if (next.kind === 'symbol' && relational.has(next.text))
      this.fail(next, 'Only a < b < c with the same operator can be chained; join others with &&');
    return { [symbol.text]: operands };
  }

  private sum(scope: Scope): JsonLogic {
    return this.leftToRight(['+', '-'], '+', () => this.product(scope));
  }

  private product(scope: Scope): JsonLogic {
    return this.leftToRight(['*', '/', '%'], '*', () => this.unary(scope));
  }

  /** Operators of one rank, from the left; a row of the associative one becomes a single operation. */
  private leftToRight(ops: readonly string[], associative: string, operand: () => JsonLogic): JsonLogic {
    let left = operand();
    let row: JsonLogic[] | undefined;
    for (;;) {
      const token = this.peek();
      if (token.kind !== 'symbol' || !ops.includes(token.text)) return left;
      this.at++;
      const right = operand();
      if (row !== undefined && token.text === associative) {
        row.push(right);
        continue;
      }
      const operands = [left, right];
      row = token.text === associative ? operands : undefined;
      left = { [token.text]: operands };
    }
  }

  private unary(scope: Scope): JsonLogic {
    const token = this.peek();
    if (token.kind !== 'symbol' || !['!', '-', '+'].includes(token.text)) return this.primary(scope);
    this.at++;
    const next = this.peek();
    if (token.text === '-' && next.kind === 'number') {
      this.at++;
      return -Number(next.text);
    }
    if (++this.depth > MAX_DEPTH) this.fail(token, `The condition is nested more than ${MAX_DEPTH} deep`);
    const operand = this.unary(scope);
    this.depth--;
    return { [token.text]: [operand] };
  }

  private primary(scope: Scope): JsonLogic {
    const token = this.next();
    if (token.kind === 'number') return Number(token.text);
    if (token.kind === 'string') return token.text;
    if (token.kind === 'symbol' && token.text === '(') {
      const logic = this.expression(scope);
      this.expect(')');
      return logic;
    }
    if (token.kind === 'symbol' && token.text === '[') return this.list(scope, ']');
    if (token.kind !== 'name') return this.unexpected(token, 'a value');
    if (token.text === 'true') return true;
    if (token.text === 'false') return false;
    if (token.text === 'null') return null;
    const called = this.peek();
    if (called.kind === 'symbol' && called.text === '(') return this.call(token, scope);
    return { var: this.path(token, scope) };
  }

  private list(scope: Scope, end: string): JsonLogic[] {
    const items: JsonLogic[] = [];
    if (this.accept(end)) return items;
    do items.push(this.expression(scope));
    while (this.accept(','));
    this.expect(end);
    return items;
  }

  private call(name: Token, scope: Scope): JsonLogic {
    const known = Object.hasOwn(functions, name.text) ? functions[name.text] : undefined;
    if (known === undefined) {
      const meant = nearestName(name.text, Object.keys(functions));
      return this.fail(
        name,
        `Unknown function "${name.text}"; ${meant === undefined ? `known are ${Object.keys(functions).join(', ')}` : `did you mean ${meant}?`}`,
      );
    }
    this.expect('(');
    if (known.op === 'exists') {
      const root = this.next();
      if (root.kind !== 'name') return this.unexpected(root, 'a path such as facets.copyVariants');
      const path = this.path(root, scope);
      this.expect(')');
      return { exists: path };
    }
    const operands: JsonLogic[] = [];
    const start = this.peek();
    if (!this.accept(')')) {
      do operands.push(this.expression(scopeOf(known.op, operands.length, scope)));
      while (this.accept(','));
      this.expect(')');
    }
    if (operands.length < known.least || operands.length > known.most) {
      const wanted = known.least === known.most ? `${known.least}` : `${known.least} or more`;
      return this.fail(
        name,
        `${name.text}() takes ${wanted} argument${known.least === 1 ? '' : 's'}, not ${operands.length}`,
      );
    }
    if (known.op === 'var' && typeof operands[0] !== 'string')
      return this.fail(start, 'var() takes a path as text, then a default');
    return { [known.op]: name.text === 'contains' ? [operands[1]!, operands[0]!] : operands };
  }

  /** `facets.copyVariants[0].headline` as JSON Logic's dotted path. */
  private path(root: Token, scope: Scope): string {
    const segments: string[] = [];
    this.checkRoot(root, scope);
    if (scope.kind !== 'item') segments.push(root.text);
    for (;;) {
      const token = this.peek();
      if (this.accept('.')) {
        const name = this.next();
        if (name.kind !== 'name') this.unexpected(name, 'the name of a member');
        segments.push(name.text);
      } else if (this.accept('[')) {
        const index = this.next();
        if (index.kind === 'string' ? index.text.includes('.') : !/^\d+$/.test(index.text)) {
          this.fail(
            index,
            index.kind === 'string'
              ? 'A name with a dot cannot be addressed'
              : 'An index is a whole number from 0, or a name in quotes',
          );
        }
        segments.push(index.text);
        this.expect(']');
      } else {
        if (segments.length === 1 && segments[0] === 'facets' && scope.kind === 'context') {
          this.fail(root, 'Name the facet: facets.<name>');
        }
        if (token.kind === 'name' && token.text in words) this.unexpected(token, 'an operator');
        return segments.join('.');
      }
    }
  }

  private checkRoot(root: Token, scope: Scope): void {
    const roots =
      scope.kind === 'context' ? scope.roots : scope.kind === 'item' ? ['item'] : ['current', 'accumulator'];
    if (roots === 'any' || roots.includes(root.text)) return;
    if (root.text in words) this.unexpected(root, 'a value');
    const hyphenated = this.hyphenatedName();
    if (hyphenated !== undefined)
      this.fail(root, `Unknown name "${root.text}"; write ["${hyphenated}"] for a name with a hyphen`);
    const meant = nearestName(root.text, roots);
    const hint =
      meant !== undefined
        ? `did you mean ${meant}?`
        : scope.kind === 'context'
          ? `paths begin with ${roots.join(', ')}; a facet is facets.${root.text}`
          : `here only ${roots.join(' and ')} can be read`;
    this.fail(root, `Unknown name "${root.text}"; ${hint}`);
  }

  /** The name that `a-b` may have been meant to be, when its last part was just taken. */
  private hyphenatedName(): string | undefined {
    const [left, minus, right] = this.tokens.slice(Math.max(0, this.at - 3), this.at);
    if (left?.kind !== 'name' || minus?.text !== '-' || right?.line !== left.line) return undefined;
    const adjacent = minus.column === left.column + left.text.length && right.column === minus.column + 1;
    return adjacent ? `${left.text}-${right.text}` : undefined;
  }

  private peek(): Token {
    return this.tokens[this.at]!;
  }

  private next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.at++;
    return token;
  }

  private accept(symbol: string): boolean {
    const token = this.peek();
    if (token.kind !== 'symbol' || token.text !== symbol) return false;
    this.at++;
    return true;
  }

  private expect(symbol: string): void {
    if (!this.accept(symbol)) this.unexpected(this.peek(), `"${symbol}"`);
  }

  private unexpected(token: Token, expected: string): never {
    const meant = token.kind === 'name' ? words[token.text] : undefined;
    const found = token.kind === 'end' ? 'The condition ends' : `Unexpected "${token.text}"`;
    return this.fail(
      token,
      `${found} where ${expected} was expected${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    );
  }

  private fail(token: Token, message: string): never {
    throw new ConditionSyntaxError(message, token.line, token.column);
  }
}

/** The scope of an operand: the second of a quantifier sees the item, that of `reduce` the item and the sum so far. */
function scopeOf(op: string, index: number, scope: Scope): Scope {
  if (index !== 1) return scope;
  if (itemScoped.has(op)) return { kind: 'item' };
  return op === 'reduce' ? { kind: 'reduce' } : scope;
}
