import type { Condition, JsonLogic } from '@flex/contracts';
import { nearestName } from '../naming/nearest-name.js';
import {
  contextRoots,
  itemScoped,
  isOperation,
  MAX_DEPTH,
  MAX_OPERATIONS,
  operandsOf,
  operators,
} from './operators.js';
import { parseCondition } from './parse-condition.js';
import { ConditionSyntaxError } from './tokens.js';

export interface ConditionError {
  ok: false;
  message: string;
  /** Where in the text, from 1; 1 and 1 for JSON Logic, whose place the pointer tells. */
  line: number;
  column: number;
  /** JSON pointer into the condition; empty for the text form. */
  pointer: string;
}

export type CompiledCondition = { ok: true; logic: JsonLogic; reads: string[] } | ConditionError;

export interface ConditionOptions {
  /** What paths may begin with; `any` when the context's members are not known beforehand (constraints over an output). */
  roots?: readonly string[] | 'any';
}

/**
 * Compiles a condition, from text or JSON Logic, to JSON Logic in one shape (operands always a list, paths as text).
 * Unknown operators, wrong numbers of operands, paths that begin with nothing known and excessive nesting are errors.
 * `reads` names the facets that it looks at.
 */
export function compileCondition(condition: Condition, options: ConditionOptions = {}): CompiledCondition {
  const roots = options.roots ?? contextRoots;
  try {
    const parsed = typeof condition === 'string' ? parseCondition(condition, roots) : condition;
    const compiler = new Compiler(roots);
    const logic = compiler.compile(parsed, '', 'context', 0);
    return { ok: true, logic, reads: [...compiler.reads] };
  } catch (error) {
    if (error instanceof ConditionSyntaxError) {
      return { ok: false, message: error.message, line: error.line, column: error.column, pointer: '' };
    }
    if (error instanceof LogicFault)
      return { ok: false, message: error.message, line: 1, column: 1, pointer: error.pointer };
    throw error;
  }
}

class LogicFault extends Error {
  constructor(
    message: string,
    readonly pointer: string,
  ) {
    super(message);
  }
}

type Scope = 'context' | 'item';

class Compiler {
  readonly reads = new Set<string>();
  private operations = 0;

  constructor(private readonly roots: readonly string[] | 'any') {}

  compile(logic: unknown, pointer: string, scope: Scope, depth: number): JsonLogic {
    if (depth > MAX_DEPTH) throw new LogicFault(`The condition is nested more than ${MAX_DEPTH} deep`, pointer);
    if (++this.operations > MAX_OPERATIONS)
      throw new LogicFault(`The condition has more than ${MAX_OPERATIONS} parts`, pointer);
    if (Array.isArray(logic))
      return logic.map((item, index) => this.compile(item, `${pointer}/${index}`, scope, depth + 1));
    if (logic === null || typeof logic === 'boolean' || typeof logic === 'string') return logic;
    if (typeof logic === 'number' && Number.isFinite(logic)) return logic;
    if (!isOperation(logic)) {
      throw new LogicFault('An operation has exactly one member: {"<operator>": [operands]}', pointer);
    }
    const [op, value] = Object.entries(logic)[0]!;
    const inner = `${pointer}/${op.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const arity = Object.hasOwn(operators, op) ? operators[op] : undefined;
    if (arity === undefined) {
      const meant = nearestName(op, Object.keys(operators));
      throw new LogicFault(
        `Unknown operator "${op}"${meant === undefined ? `; known are ${Object.keys(operators).join(' ')}` : `; did you mean "${meant}"?`}`,
        inner,
      );
    }
    const operands = operandsOf(value);
    if (operands.length < arity[0] || operands.length > arity[1]) {
      const wanted =
        arity[0] === arity[1]
          ? `${arity[0]}`
          : arity[1] === Infinity
            ? `at least ${arity[0]}`
            : `${arity[0]} to ${arity[1]}`;
      throw new LogicFault(
        `"${op}" takes ${wanted} operand${wanted === '1' ? '' : 's'}, not ${operands.length}`,
        inner,
      );
    }
    if (op === 'var') return this.variable(operands, inner, scope, depth);
    if (op === 'exists') return { exists: this.path(pathOperand(operands[0]), inner, scope) };
    if (op === 'missing' || op === 'missing_some') return this.missing(op, operands, inner, scope);
    const compiled = operands.map((operand, index) =>
      this.compile(
        operand,
        Array.isArray(value) ? `${inner}/${index}` : inner,
        index === 1 && (itemScoped.has(op) || op === 'reduce') ? 'item' : scope,
        depth + 1,
      ),
    );
    if (compiled.length === 1 && (op === 'and' || op === 'or')) return compiled[0]!;
    return { [op === '?:' ? 'if' : op]: compiled };
  }

  private variable(operands: unknown[], pointer: string, scope: Scope, depth: number): JsonLogic {
    const path = this.path(operands[0] ?? '', pointer, scope);
    if (operands.length < 2) return { var: path };
    return { var: [path, this.compile(operands[1], `${pointer}/1`, scope, depth + 1)] };
  }

  private missing(op: string, operands: unknown[], pointer: string, scope: Scope): JsonLogic {
    const names = op === 'missing' ? operands.flat() : operandsOf(operands[1]);
    const paths = names.map((name) => this.path(name, pointer, scope));
    if (op === 'missing') return { missing: paths };
    if (typeof operands[0] !== 'number') throw new LogicFault('"missing_some" takes a number, then paths', pointer);
    return { missing_some: [operands[0], paths] };
  }

  /** Paths are literal, so that what a condition reads is known before it runs. */
  private path(path: unknown, pointer: string, scope: Scope): string {
    if (typeof path !== 'string' && typeof path !== 'number')
      throw new LogicFault('A path is a text such as "facets.qaFindings.scores.overall"', pointer);
    const text = String(path);
    if (scope === 'item') return text;
    const [root, facet] = text.split('.', 2);
    if (this.roots !== 'any' && !this.roots.includes(root!)) {
      const meant = nearestName(root!, this.roots);
      throw new LogicFault(
        `Unknown path "${text}"; ${meant === undefined ? `paths begin with ${this.roots.join(', ')}; a facet is facets.${text || '<name>'}` : `did you mean ${meant}?`}`,
        pointer,
      );
    }
    if (root === 'facets' && facet === undefined) throw new LogicFault('Name the facet: facets.<name>', pointer);
    // Where a facet came from travels with the facet.
    if ((root === 'facets' || root === 'provenance') && facet !== undefined) this.reads.add(facet);
    return text;
  }
}

/** `exists` takes a path, as text or as `{"var": path}`. */
const pathOperand = (operand: unknown): unknown =>
  isOperation(operand) && 'var' in operand ? (operandsOf(operand['var'])[0] ?? '') : operand;
