import { patternFault } from './pattern-safety.js';

describe('regular expressions of users', () => {
  it.each([
    '(.*a){25}',
    '^(.*,){11}P',
    '^(a|aa){40}$',
    '^.*.*.*.*x$',
    '^a*a*a*b$',
    '^(a{0,200}){10}b$',
    '^(a?){40}a{40}$',
    '^(?:x+y?){4}$',
    '^(?=.*.*.*x)y',
    '^([a-z]*|[0-9]*)([a-z]*|x)[a-y]*[b-f]+$',
    '(a+)+$',
    '^(\\w+\\s?)*$',
    '\\s*\\s*\\s*$',
    '^(a{1,2})*$',
    '^(a?b?){3,}$',
    '^((\\w{2}){0,9})+$',
    '^.*[^]*\\S*q',
  ])('%s could take for ever: refused', (pattern) => {
    expect(patternFault(pattern)).toMatch(/time/);
  });

  it('are judged in no time, whatever they are', () => {
    const begun = performance.now();
    for (const pattern of [
      `${'('.repeat(60)}a${'){9}'.repeat(60)}`,
      `${'('.repeat(60)}a?b${'|c?){9}'.repeat(60)}`,
      '(a?|b?)'.repeat(70),
      '[a-c]?[b-d]?[c-e]?d?'.repeat(24),
      `(${'a{0,9}'.repeat(80)}){27}`,
    ])
      patternFault(pattern);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it.each([
    '^[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}$',
    '^\\d+\\.\\d+\\.\\d+(?:-[0-9A-Za-z-]+)?$',
    '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?Z$',
    '^(?:[0-9]{1,3}\\.){3}[0-9]{1,3}$',
    '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$',
    '^https?://[^/\\s]+(/[^\\s]*)?$',
    '^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$',
    '^(draft|review|done)(,(draft|review|done)){0,5}$',
    '^[A-Z][a-z]+ [A-Z][a-z]+$',
    '^\\S.*\\S$',
    '^(?!.*<script>).*$',
    '^[\\p{L}\\p{N} ]{1,80}$',
    '^(19|20)\\d{2}$',
    '^[0-9]{1,3}(\\.[0-9]{1,3})*$',
    '^([0-9]{3} ?){1,4}$',
    '\\bfoo\\b',
    'price',
    '^[^\\[\\]]+\\[\\d+\\]$',
  ])('%s is fine', (pattern) => {
    expect(patternFault(pattern)).toBeUndefined();
  });
});
