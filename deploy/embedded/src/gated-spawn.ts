/**
 * Starts a process that does nothing until it was written down. Between fork and the record of the new process' id its
 * parent may be killed, and then nobody would ever find it again; so a shell waits for the word and only then becomes
 * the program. Without the word (its parent is gone) it ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { identify, type ProcessIdentity } from './process-identity.js';

export interface GatedProgram {
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  user?: { uid: number; gid: number };
  /** Where its output goes: an open file, or to the caller. */
  output: number | 'pipe';
}

/** `record` must have written the identity down when it returns. The process leads a group of its own. */
export function gatedSpawn(
  program: GatedProgram,
  record: (identity: ProcessIdentity | undefined) => void,
): ChildProcess {
  const gate = 'read -r go && exec "$@" </dev/null';
  const child = spawn('/bin/sh', ['-c', gate, 'flex-gate', program.command, ...program.args], {
    stdio: ['pipe', program.output, program.output],
    env: program.env,
    cwd: program.cwd,
    detached: true,
    ...program.user,
  });
  record(child.pid === undefined ? undefined : identify(child.pid));
  // It may have been killed in between.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end('go\n');
  return child;
}
