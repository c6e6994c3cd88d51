import { jest } from '@jest/globals';
import { createLogger } from './logger.js';

describe('what is logged', () => {
  it('holds no secrets: neither in fields of their names nor in what libraries say', () => {
    const lines: string[] = [];
    const write = jest.spyOn(process.stdout, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
    try {
      const log = createLogger('test', 'one', 'info');
      log.warn({ reason: 'cannot reach postgres://flex:hunter2@db:5432/flex', password: 'hunter2' }, 'away');
      log.warn({ reason: 'refused: Authorization: Bearer hunter2-hunter2', caller: { apiKey: 'hunter2' } }, 'refused');
      log.error({ stack: 'Error: nats://worker:hunter2@nats:4222\n    at x', reason: 'away' }, 'failed');
    } finally {
      write.mockRestore();
    }
    const text = lines.join('');
    expect(text).not.toContain('hunter2');
    expect(text).toContain('postgres://flex:[redacted]@db:5432/flex');
    expect(lines).toHaveLength(3);
  });
});
