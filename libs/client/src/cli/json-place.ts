const token =
  /[ \t\n\r]*(?:("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([{}[\],:]))/y;
const blank = /[ \t\n\r]*/y;

type Expect = 'value' | 'value or ]' | 'name' | 'name or }' | ':' | ', or ]' | ', or }' | 'end';

/** Where a text stops being JSON, and what should stand there: JavaScript's own message names the place only at times. */
export function jsonFault(text: string): { line: number; column: number; expected: string } {
  const open: ('{' | '[')[] = [];
  const after = (): Expect => (open.length === 0 ? 'end' : open.at(-1) === '{' ? ', or }' : ', or ]');
  let expect: Expect = 'value';
  let at = 0;
  for (;;) {
    blank.lastIndex = at;
    blank.exec(text);
    const start = blank.lastIndex;
    token.lastIndex = at;
    const match = token.exec(text);
    const [, string, literal, sign] = match ?? [];
    const isValue = expect === 'value' || expect === 'value or ]';
    const isName = expect === 'name' || expect === 'name or }';
    let next: Expect | undefined;
    if (isValue && (string ?? literal) !== undefined) next = after();
    else if (isName && string !== undefined) next = ':';
    else if (isValue && sign === '{') next = (open.push('{'), 'name or }');
    else if (isValue && sign === '[') next = (open.push('['), 'value or ]');
    else if (expect === ':' && sign === ':') next = 'value';
    else if (expect === ', or }' && sign === ',') next = 'name';
    else if (expect === ', or ]' && sign === ',') next = 'value';
    else if ((expect === ', or }' || expect === 'name or }') && sign === '}') next = (open.pop(), after());
    else if ((expect === ', or ]' || expect === 'value or ]') && sign === ']') next = (open.pop(), after());
    if (next === undefined) {
      const before = text.slice(0, start).split('\n');
      return { line: before.length, column: before.at(-1)!.length + 1, expected: words[expect] };
    }
    expect = next;
    at = token.lastIndex;
  }
}

const words: Record<Expect, string> = {
  value: 'a value',
  'value or ]': 'a value or ]',
  name: 'a name in double quotes',
  'name or }': 'a name in double quotes or }',
  ':': ':',
  ', or ]': ', or ]',
  ', or }': ', or }',
  end: 'the end',
};
