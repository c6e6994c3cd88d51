import { isNewEnough } from './nats-binary.js';

describe('which nats-server is new enough', () => {
  it.each([
    ['2.12.0', true],
    ['2.14.0', true],
    ['3.0.0', true],
    ['2.9.10', false],
    ['2.11.99', false],
  ])('%s: %s', (version, expected) => {
    expect(isNewEnough(version)).toBe(expected);
  });
});
