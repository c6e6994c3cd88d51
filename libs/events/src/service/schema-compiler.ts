import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { toIssues, type JsonSchema, type ValidationIssue } from '@flex/contracts';

/** Generous: a machine that is busy must not make a sound schema an unsound one. */
const LIMITS = { ms: 3_000, mib: 128 };
const REMEMBERED = 20_000;
/** Only these can make a schema that is formally right fail to compile, or take long. */
const INTRICATE = /"(\$ref|\$dynamicRef|\$recursiveRef|\$id|\$anchor|\$dynamicAnchor|discriminator|\$async)"/;
const LARGE = 20_000;

/** Runs in a thread of its own, so that a schema that takes for ever takes nobody with it. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { Ajv2020 } = require(workerData.ajv);
const addFormats = require(workerData.formats);
parentPort.on('message', ({ id, schema }) => {
  try {
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true, unicodeRegExp: true });
    (addFormats.default ?? addFormats)(ajv);
    ajv.compile(schema);
    parentPort.postMessage({ id });
  } catch (error) {
    parentPort.postMessage({ id, message: String(error && error.message || error).split('\\n')[0] });
  }
});
`;

/**
 * Says whether a user's schema compiles. Formally checked here; whatever refers to other schemas is compiled in a
 * worker thread with limits on its time and memory. Answers are remembered by the schema's text: large catalogues repeat
 * few schemas.
 */
export class SchemaCompiler {
  readonly #meta = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  readonly #remembered = new Map<string, ValidationIssue[]>();
  #thread: Worker | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #next = 0;

  /** @param limits - time and memory that compiling one schema may take */
  constructor(private readonly limits = LIMITS) {}

  /** Whether a schema that is formally right also compiles, and soon: for whoever checks the form himself. */
  static isPlain(schema: JsonSchema): boolean {
    const text = JSON.stringify(schema);
    return text.length < LARGE && !INTRICATE.test(text);
  }

  /** Faults with pointers into the schema. */
  async faults(schema: JsonSchema): Promise<ValidationIssue[]> {
    const text = JSON.stringify(schema);
    const known = this.#remembered.get(text);
    if (known) return known;
    const faults = await this.#judge(schema, text);
    if (this.#remembered.size >= REMEMBERED) this.#remembered.clear();
    this.#remembered.set(text, faults);
    return faults;
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
    this.#thread = undefined;
  }

  async #judge(schema: JsonSchema, text: string): Promise<ValidationIssue[]> {
    if (typeof schema === 'boolean') return [];
    const dialect = schema['$schema'];
    if (dialect !== undefined && !/^https:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/.test(String(dialect))) {
      const message = 'is not JSON Schema 2020-12, the only dialect supported';
      return [{ pointer: '/$schema', message, keyword: '$schema' }];
    }
    if (!this.#meta.validateSchema({ ...schema, $schema: undefined } as object)) {
      return toIssues(this.#meta.errors ?? []).slice(0, 20);
    }
    if (text.length < LARGE && !INTRICATE.test(text)) return [];
    const message = await this.#compile(schema);
    return message === undefined ? [] : [{ pointer: '', message, keyword: 'schema' }];
  }

  /** One at a time: the time limit is then that of this schema alone. */
  #compile(schema: JsonSchema): Promise<string | undefined> {
    const turn = this.#queue.then(() => this.#inThread(schema));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  #inThread(schema: JsonSchema): Promise<string | undefined> {
    const thread = (this.#thread ??= this.#start());
    const id = (this.#next += 1);
    return new Promise((resolve) => {
      const settle = (message: string | undefined): void => {
        clearTimeout(limit);
        thread.off('message', onMessage);
        thread.off('error', onError);
        resolve(message);
      };
      const onMessage = (answer: { id: number; message?: string }): void => {
        if (answer.id === id) settle(answer.message && `does not compile: ${answer.message}`);
      };
      const onError = (error: NodeJS.ErrnoException): void => {
        const full = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
        settle(full ? `takes more than ${this.limits.mib} MiB to compile` : `does not compile: ${error.message}`);
      };
      const limit = setTimeout(() => {
        this.#forget(thread);
        void thread.terminate();
        settle(`takes longer than ${this.limits.ms} ms to compile`);
      }, this.limits.ms);
      thread.on('message', onMessage);
      thread.on('error', onError);
      thread.postMessage({ id, schema });
    });
  }

  #start(): Worker {
    const require = createRequire(import.meta.url);
    const workerData = { ajv: require.resolve('ajv/dist/2020.js'), formats: require.resolve('ajv-formats') };
    const resourceLimits = { maxOldGenerationSizeMb: this.limits.mib };
    const thread = new Worker(THREAD, { eval: true, workerData, resourceLimits });
    // For as long as the thread lives: one that is being ended for its time may still run out of memory, and an error
    // that nobody listens for would end the whole process.
    thread.on('error', () => this.#forget(thread));
    thread.unref();
    return thread;
  }

  #forget(thread: Worker): void {
    if (this.#thread === thread) this.#thread = undefined;
  }
}
