import fc from 'fast-check';
import type { Json, JsonLogic } from '@flex/contracts';
import { compileCondition } from './compile-condition.js';
import { evaluate, holds } from './evaluate-condition.js';
import { parseCondition } from './parse-condition.js';
import { printCondition } from './print-condition.js';

const facets = (path: string) => ({ var: `facets.${path}` });

describe('the text form', () => {
  it.each<[string, JsonLogic]>([
    ['facets.qaFindings.scores.overall < 0.6', { '<': [facets('qaFindings.scores.overall'), 0.6] }],
    [
      'facets.qa.score < 0.6 && exists(facets.copyVariants)',
      { and: [{ '<': [facets('qa.score'), 0.6] }, { exists: 'facets.copyVariants' }] },
    ],
    ['facets.a || facets.b || facets.c', { or: [facets('a'), facets('b'), facets('c')] }],
    ['facets.a || facets.b && facets.c', { or: [facets('a'), { and: [facets('b'), facets('c')] }] }],
    ['(facets.a || facets.b) && facets.c', { and: [{ or: [facets('a'), facets('b')] }, facets('c')] }],
    ['!facets.a', { '!': [facets('a')] }],
    ['!(facets.a == 1)', { '!': [{ '==': [facets('a'), 1] }] }],
    ['facets.a == null', { '==': [facets('a'), null] }],
    ['true', true],
    ['-5', -5],
    ['-(5)', { '-': [5] }],
    ['1 + 2 + 3 - 4', { '-': [{ '+': [1, 2, 3] }, 4] }],
    ['1 - 2 - 3', { '-': [{ '-': [1, 2] }, 3] }],
    ['(1 + 2) + 3', { '+': [{ '+': [1, 2] }, 3] }],
    ['1 + 2 * 3 % 4', { '+': [1, { '%': [{ '*': [2, 3] }, 4] }] }],
    ['0 < facets.a < 1', { '<': [0, facets('a'), 1] }],
    ['facets.tone in ["warm", \'formal\']', { in: [facets('tone'), ['warm', 'formal']] }],
    ['contains(facets.text, "x")', { in: ['x', facets('text')] }],
    ['startsWith(node.id, "w")', { startsWith: [{ var: 'node.id' }, 'w'] }],
    ['length(facets.copyVariants) >= 2', { '>=': [{ length: [facets('copyVariants')] }, 2] }],
    ['count(facets.copyVariants) >= 2', { '>=': [{ length: [facets('copyVariants')] }, 2] }],
    ['facets.copyVariants[0].headline == "a"', { '==': [facets('copyVariants.0.headline'), 'a'] }],
    ['facets.x["a b"] != 1', { '!=': [facets('x.a b'), 1] }],
    [
      'some(facets.copyVariants, item.headline == "")',
      { some: [facets('copyVariants'), { '==': [{ var: 'headline' }, ''] }] },
    ],
    ['all(facets.tags, item != "")', { all: [facets('tags'), { '!=': [{ var: '' }, ''] }] }],
    [
      'none(facets.a, some(item.b, item > 1))',
      { none: [facets('a'), { some: [{ var: 'b' }, { '>': [{ var: '' }, 1] }] }] },
    ],
    [
      'reduce(facets.a, accumulator + current.n, 0) > 3',
      { '>': [{ reduce: [facets('a'), { '+': [{ var: 'accumulator' }, { var: 'current.n' }] }, 0] }, 3] },
    ],
    ['if(facets.a, 1, 2)', { if: [facets('a'), 1, 2] }],
    ['value == "l\\u0061\\n\\"q\\""', { '==': [{ var: 'value' }, 'la\n"q"'] }],
    ['facets.a ===\n  1e3', { '===': [facets('a'), 1000] }],
  ])('%s', (text, logic) => {
    expect(compileCondition(text)).toMatchObject({ ok: true, logic });
  });

  it.each<[string, number, number, string]>([
    ['facets.a <', 1, 11, 'ends where a value'],
    ['facets.a = 1', 1, 10, 'did you mean ==?'],
    ['facets.a and facets.b', 1, 10, 'did you mean &&?'],
    ['not facets.a', 1, 1, 'did you mean !?'],
    ['facet.a > 1', 1, 1, 'did you mean facets?'],
    ['qaFindings.score > 1', 1, 1, 'a facet is facets.qaFindings'],
    ['exsts(facets.a)', 1, 1, 'did you mean exists?'],
    ['facets.a > 1 &&\n  facets.b > "x', 2, 14, 'no closing "'],
    ['(facets.a', 1, 10, '")"'],
    ['some(facets.a, facets.b == 1)', 1, 16, 'only item'],
    ['some(facets.a)', 1, 1, 'takes 2 arguments, not 1'],
    ['facets.a == 1 == 2', 1, 15, 'chained'],
    ['1 < 2 <= 3', 1, 7, 'chained'],
    ['facets', 1, 1, 'Name the facet'],
    ['facets.a[-1]', 1, 10, 'whole number'],
    ['facets.a["x.y"]', 1, 10, 'dot'],
    ['12abc', 1, 3, 'after the number'],
    ['"\\x"', 1, 2, 'Unknown escape'],
    ['facets.a facets.b', 1, 10, 'an operator or the end'],
    ['facets.my-facet > 1', 1, 11, 'write ["my-facet"]'],
    ['', 1, 1, 'ends where a value'],
    [`${'('.repeat(100)}1${')'.repeat(100)}`, 1, 65, 'nested more than'],
  ])('refuses %j at line %i, column %i', (text, line, column, message) => {
    expect(compileCondition(text)).toMatchObject({
      ok: false,
      line,
      column,
      message: expect.stringContaining(message),
    });
  });

  it('names the facets that are read, also inside quantifiers, and no others', () => {
    const compiled = compileCondition(
      'some(facets.a.b, item.facets.x == 1) && facets.c > node.attempt && exists(facets.d) && "w" in provenance.e',
    );
    expect(compiled).toMatchObject({ ok: true, reads: ['a', 'c', 'd', 'e'] });
  });
});

describe('JSON Logic', () => {
  it('is brought into one shape', () => {
    expect(compileCondition({ '!': { var: ['facets.a'] } })).toMatchObject({
      ok: true,
      logic: { '!': [{ var: 'facets.a' }] },
      reads: ['a'],
    });
    expect(compileCondition({ '?:': [true, { and: [{ var: ['facets.a', 3] }] }, 2] })).toMatchObject({
      logic: { if: [true, { var: ['facets.a', 3] }, 2] },
    });
    expect(compileCondition({ exists: [{ var: 'facets.a.b' }] })).toMatchObject({
      logic: { exists: 'facets.a.b' },
      reads: ['a'],
    });
    expect(compileCondition(true)).toEqual({ ok: true, logic: true, reads: [] });
  });

  it.each<[JsonLogic, string, string]>([
    [{ '>>': [1, 2] }, '/>>', 'Unknown operator ">>"'],
    [{ and: [true, { exsits: 'facets.a' }] }, '/and/1/exsits', 'did you mean "exists"?'],
    [{ a: 1, b: 2 }, '', 'exactly one member'],
    [{ '<': [1] }, '/<', 'takes 2 to 3 operands, not 1'],
    [{ var: { cat: ['facets.', 'a'] } }, '/var', 'A path is a text'],
    [{ '==': [{ var: 'fcaets.a' }, 1] }, '/==/0/var', 'did you mean facets?'],
    [{ missing: ['facets.a', 'x'] }, '/missing', 'paths begin with'],
  ])('%j is refused at %s', (logic, pointer, message) => {
    expect(compileCondition(logic)).toMatchObject({ ok: false, pointer, message: expect.stringContaining(message) });
  });

  it('lets paths begin with anything when asked to', () => {
    expect(compileCondition({ '>': [{ length: { var: 'variants' } }, 1] }, { roots: 'any' })).toMatchObject({
      ok: true,
    });
    expect(compileCondition('length(variants) > 1', { roots: 'any' })).toMatchObject({ ok: true });
  });
});

/** Cases of the JSON Logic documentation and reference implementation, results as there. */
const reference: [JsonLogic, Json, Json][] = [
  [{ '==': [1, 1] }, null, true],
  [{ '==': [1, '1'] }, null, true],
  [{ '===': [1, '1'] }, null, false],
  [{ '!=': [1, '1'] }, null, false],
  [{ '!==': [1, '1'] }, null, true],
  [{ '==': [0, false] }, null, true],
  [{ '==': [null, 0] }, null, false],
  [{ '!': [[]] }, null, true],
  [{ '!!': ['0'] }, null, true],
  [{ '!!': [0] }, null, false],
  [{ '!!': [{ var: 'o' }] }, { o: {} }, true],
  [{ or: [false, 0, 'a', true] }, null, 'a'],
  [{ or: [false, 0] }, null, 0],
  [{ and: [true, '', 3] }, null, ''],
  [{ and: [true, 'a', 3] }, null, 3],
  [{ if: [false, 1, false, 2, 3] }, null, 3],
  [{ if: [false, 1, true, 2, 3] }, null, 2],
  [{ if: [false, 1] }, null, null],
  [{ '<': [1, 2, 3] }, null, true],
  [{ '<': [1, 1, 3] }, null, false],
  [{ '<=': [1, 1, 3] }, null, true],
  [{ '<': ['2', 10] }, null, true],
  [{ '<': ['abc', 'abd'] }, null, true],
  [{ '>': ['x', 1] }, null, false],
  [{ max: [1, 3, 2] }, null, 3],
  [{ min: [1, 3, 2] }, null, 1],
  [{ '+': [1, 2, '3'] }, null, 6],
  [{ '+': ['3.14'] }, null, 3.14],
  [{ '-': [2] }, null, -2],
  [{ '-': [5, '2'] }, null, 3],
  [{ '*': [2, 2, 2] }, null, 8],
  [{ '/': [4, 2] }, null, 2],
  [{ '%': [101, 2] }, null, 1],
  [{ map: [{ var: 'i' }, { '*': [{ var: '' }, 2] }] }, { i: [1, 2] }, [2, 4]],
  [{ filter: [{ var: 'i' }, { '%': [{ var: '' }, 2] }] }, { i: [1, 2, 3] }, [1, 3]],
  [{ reduce: [{ var: 'i' }, { '+': [{ var: 'current' }, { var: 'accumulator' }] }, 0] }, { i: [1, 2, 3] }, 6],
  [{ all: [[1, 2], { '>': [{ var: '' }, 0] }] }, null, true],
  [{ all: [[], { '>': [{ var: '' }, 0] }] }, null, false],
  [{ some: [[], true] }, null, false],
  [{ none: [[], true] }, null, true],
  [{ some: [{ var: 'p' }, { '==': [{ var: 'f' }, 'apple'] }] }, { p: [{ f: 'pie' }, { f: 'apple' }] }, true],
  [{ merge: [[1, 2], 3, [4]] }, null, [1, 2, 3, 4]],
  [{ in: ['b', ['a', 'b']] }, null, true],
  [{ in: ['Spring', 'Springfield'] }, null, true],
  [{ in: ['x', null] }, null, false],
  [{ cat: ['I love ', { var: 'f' }, 1] }, { f: 'pie' }, 'I love pie1'],
  [{ substr: ['jsonlogic', 4] }, null, 'logic'],
  [{ substr: ['jsonlogic', -5] }, null, 'logic'],
  [{ substr: ['jsonlogic', 1, 3] }, null, 'son'],
  [{ substr: ['jsonlogic', 4, -2] }, null, 'log'],
  [{ substr: ['jsonlogic', -5, -2] }, null, 'log'],
  [{ var: 'a.b.1' }, { a: { b: [7, 8] } }, 8],
  [{ var: ['z', 26] }, { a: 1 }, 26],
  [{ var: 'a' }, { a: 0 }, 0],
  [{ var: 1 }, ['a', 'b'], 'b'],
  [{ missing: ['a', 'b'] }, { a: 'x', c: 'y' }, ['b']],
  [{ missing: ['a'] }, { a: '' }, ['a']],
  [{ missing: { merge: ['a', ['b']] } }, { b: 1 }, ['a']],
  [{ missing_some: [1, ['a', 'b']] }, { a: 'x' }, []],
  [{ missing_some: [2, ['a', 'b']] }, { a: 'x' }, ['b']],
];

describe('evaluation', () => {
  it.each(reference)('%j over %j is %j, as in the reference implementation', (logic, data, result) => {
    expect(evaluate(logic, data)).toEqual(result);
  });

  it('lets what is absent make nothing true that compares or counts', () => {
    const absent = { var: 'facets.qa.score' };
    for (const op of ['<', '<=', '>', '>=']) expect(holds({ [op]: [absent, 0.6] }, { facets: {} })).toBe(false);
    expect(evaluate({ '-': [absent, 1] }, {})).toBeNull();
    expect(holds({ '<': [{ '+': ['x', 1] }, 5] }, {})).toBe(false);
    expect(holds({ '==': [absent, null] }, {})).toBe(true);
  });

  it('knows existence apart from truth', () => {
    expect(evaluate({ exists: 'facets.a' }, { facets: { a: 0 } })).toBe(true);
    expect(evaluate({ exists: 'facets.a' }, { facets: { a: null } })).toBe(false);
    expect(evaluate({ exists: 'facets.a.b' }, { facets: { a: 'text' } })).toBe(false);
    expect(evaluate({ length: [{ var: 'a' }] }, { a: [1, 2] })).toBe(2);
    expect(evaluate({ endsWith: ['report.pdf', '.pdf'] }, null)).toBe(true);
  });

  it('sees data only, nothing of JavaScript', () => {
    for (const path of ['constructor', '__proto__', 'a.length', 'toString', 'a.constructor.name'])
      expect(evaluate({ var: path }, { a: [1] })).toBeNull();
    expect(evaluate({ '==': [{ var: 'a' }, 'x'] }, { a: { toString: 1, valueOf: 2 } })).toBe(false);
  });

  it('gives up on what would never end or grow without limit', () => {
    const list = Array.from({ length: 1000 }, (_, index) => index);
    const nested = { map: [{ var: 'l' }, { map: [{ merge: [list] }, { map: [{ merge: [list] }, 1] }] }] };
    expect(evaluate(nested as unknown as JsonLogic, { l: list })).toBeNull();
    const doubled = { reduce: [{ var: 'l' }, { cat: [{ var: 'accumulator' }, { var: 'accumulator' }] }, 'x'] };
    expect(evaluate(doubled as unknown as JsonLogic, { l: list })).toBeNull();
  });
});

const path = fc
  .array(fc.oneof(fc.constantFrom('a', 'score', 'copy_1', 'a b', 'ünïcode', '"'), fc.nat(12).map(String)), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => parts.join('.'));
const literal = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map((n) => (Object.is(n, -0) ? 0 : n)),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
);

/** Conditions as `compileCondition` leaves them, over a context or over an item. */
const conditions = fc.letrec<{ context: JsonLogic; item: JsonLogic }>((tie) => {
  const scoped = (scope: 'context' | 'item') => {
    const self = tie(scope);
    const pair = fc.tuple(self, self).map((operands) => operands as JsonLogic[]);
    const place = scope === 'context' ? path.map((text) => `facets.f.${text}`) : fc.oneof(path, fc.constant(''));
    return fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(
        literal,
        place.map((text) => ({ var: text })),
      ),
      place.map((text) => ({ exists: text })),
      fc.tuple(place, literal).map(([text, value]) => ({ var: [text, value] })),
      fc
        .tuple(fc.constantFrom('and', 'or', '+', '*'), fc.array(self, { minLength: 2, maxLength: 3 }))
        .map(([op, operands]) => ({ [op]: operands })),
      fc
        .tuple(fc.constantFrom('==', '!=', '===', '!==', '<', '<=', '>', '>=', '-', '/', '%', 'in', 'startsWith'), pair)
        .map(([op, operands]) => ({ [op]: operands })),
      fc.tuple(fc.constantFrom('!', '!!', '-', '+', 'length'), self).map(([op, operand]) => ({ [op]: [operand] })),
      fc
        .tuple(fc.constantFrom('<', '<=', '>', '>='), self, self, self)
        .map(([op, ...operands]) => ({ [op]: operands })),
      fc
        .tuple(fc.constantFrom('some', 'all', 'none', 'map', 'filter'), self, tie('item'))
        .map(([op, list, body]) => ({ [op]: [list, body] })),
      fc.tuple(self, self, self).map((operands) => ({ if: operands })),
      fc.array(self, { maxLength: 3 }),
    ) as fc.Arbitrary<JsonLogic>;
  };
  return { context: scoped('context'), item: scoped('item') };
});

describe('properties', () => {
  it('text and logic are two forms of the same: parsing what was printed gives it back', () => {
    fc.assert(
      fc.property(conditions.context, (logic) => {
        const text = printCondition(logic);
        expect({ text, logic: parseCondition(text) }).toEqual({ text, logic });
      }),
      { numRuns: 2000 },
    );
  });

  it('compiling twice changes nothing', () => {
    fc.assert(
      fc.property(conditions.context, (logic) => {
        // A bare text would be the text form.
        fc.pre(typeof logic !== 'string');
        const compiled = compileCondition(logic);
        expect(compiled).toMatchObject({ ok: true, logic });
      }),
    );
  });

  it('evaluation gives a JSON value for whatever it is given, and the same one each time', () => {
    fc.assert(
      fc.property(conditions.context, fc.jsonValue(), (logic, data) => {
        const value = evaluate(logic, data as Json);
        expect(JSON.parse(JSON.stringify(value))).toEqual(value);
        expect(evaluate(logic, data as Json)).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (logic, data) => void evaluate(logic as JsonLogic, data as Json)),
    );
  });

  it('any text is either compiled or refused with a place inside it', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string({
            unit: fc.constantFrom(
              'facets.a',
              '(',
              ')',
              ' && ',
              '<',
              '1',
              '"x"',
              'item',
              '[',
              ']',
              ',',
              'some',
              '.',
              '!',
            ),
          }),
        ),
        (text) => {
          const compiled = compileCondition(text);
          if (compiled.ok) return;
          const lines = text.split('\n');
          expect(compiled.line).toBeLessThanOrEqual(lines.length);
          expect(compiled.column).toBeLessThanOrEqual(lines[compiled.line - 1]!.length + 1);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
