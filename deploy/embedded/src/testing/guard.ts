/**
 * Ends a test's server with the test run, however that run ends. jest can't run any code of ours when it is killed, so
 * a shell outside it waits for one of the two to go.
 */
import { spawn } from 'node:child_process';

/** Starts the guard over `pid`; it ends by itself soon after the server does. */
export function guard(pid: number, ownerPid: number, folder: string): void {
  const script =
    'while kill -0 "$1" 2>/dev/null; do kill -0 "$2" 2>/dev/null || { kill -INT "$1"; sleep 2; rm -rf "$3"; exit; }; sleep 1; done';
  spawn('sh', ['-c', script, 'flex-test-guard', String(pid), String(ownerPid), folder], {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
  }).unref();
}
