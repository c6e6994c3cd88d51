import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { toIssues, type JsonSchema, type ValidationIssue } from '@flex/contracts';

/** Generous: a machine that is busy must not make a sound schema an unsound one. */
const LIMITS = { ms: 3_000, mib: 128 };
const REMEMBERED = 20_000;
/** Only these can make a schema that is formally right fail to compile, or take long. */
const INTRICATE = /"(\$ref|\$dynamicRef|\$recursiveRef|\$id|\$anchor|\$dynamicAnchor|discriminator|\$async)"/;
const LARGE = 20_000;

/**
 * Runs in a process of its own, so that a schema that takes for ever, or all memory, takes nobody with it. (A thread with a
 * limited heap does not do: V8 may end the whole process when that is full.)
 */
const PROGRAM = `
const [ajvPath, formatsPath] = process.argv.slice(1);
const { Ajv2020 } = require(ajvPath);
const addFormats = require(formatsPath);
process.on('disconnect', () => process.exit(0));
process.on('message', ({ id, schema }) => {
  try {
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true, unicodeRegExp: true });
    (addFormats.default ?? addFormats)(ajv);
    ajv.compile(schema);
    process.send({ id });
  } catch (error) {
    process.send({ id, message: String(error && error.message || error).split('\\n')[0] });
  }
});
`;

/**
 * Says whether a user's schema compiles. Formally checked here; whatever refers to other schemas is compiled in a
 * process of its own with limits on its time and memory. Answers are remembered by the schema's text: large catalogues repeat
 * few schemas.
 */
export class SchemaCompiler {
  readonly #meta = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  readonly #remembered = new Map<string, ValidationIssue[]>();
  #child: ChildProcess | undefined;
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
    const child = this.#child;
    this.#child = undefined;
    if (child) await ended(child);
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
    const turn = this.#queue.then(() => this.#inChild(schema));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  #inChild(schema: JsonSchema, again = true): Promise<string | undefined> {
    const child = (this.#child ??= this.#start());
    const id = (this.#next += 1);
    return new Promise((resolve, reject) => {
      const forgetAll = (): void => {
        clearTimeout(limit);
        child.off('message', onMessage);
        child.off('exit', onExit);
        child.off('error', onError);
      };
      const settle = (message: string | undefined): void => {
        forgetAll();
        resolve(message);
      };
      const onMessage = (answer: unknown): void => {
        const { id: of, message } = answer as { id: number; message?: string };
        if (of === id) settle(message && `does not compile: ${message}`);
      };
      // Nothing else ends it: what it compiles is not run.
      const onExit = (): void => settle(`takes more than ${this.limits.mib} MiB to compile`);
      // It had ended before it was asked, or there is no process to be had: that says nothing of the schema.
      const onError = (error: Error): void => {
        forgetAll();
        this.#forget(child);
        if (again) resolve(this.#inChild(schema, false));
        else reject(error);
      };
      const limit = setTimeout(() => {
        this.#forget(child);
        child.kill('SIGKILL');
        settle(`takes longer than ${this.limits.ms} ms to compile`);
      }, this.limits.ms);
      child.on('message', onMessage);
      child.on('exit', onExit);
      child.on('error', onError);
      child.send({ id, schema });
    });
  }

  #start(): ChildProcess {
    const require = createRequire(import.meta.url);
    const modules = [require.resolve('ajv/dist/2020.js'), require.resolve('ajv-formats')];
    const child = spawn(process.execPath, [`--max-old-space-size=${this.limits.mib}`, '-e', PROGRAM, ...modules], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      // It needs nothing of ours, secrets least of all.
      env: {},
    });
    // For as long as it lives: an error that nobody listens for would end the whole process.
    for (const event of ['exit', 'error']) child.on(event, () => this.#forget(child));
    child.unref();
    child.channel?.unref();
    return child;
  }

  #forget(child: ChildProcess): void {
    if (this.#child === child) this.#child = undefined;
  }
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
