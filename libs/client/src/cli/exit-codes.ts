/** What the shell sees. Documented in `flex help`; scripts rely on it. */
export const exitCodes = {
  /** The run completed, or the command did what was asked. */
  ok: 0,
  /** The run failed or was cancelled, or the gateway refused the request. */
  failed: 1,
  /** The command line or the envelope is wrong; nothing was sent. */
  usage: 2,
  /** No gateway could be reached. */
  unreachable: 3,
  /** Ctrl-C. */
  interrupted: 130,
} as const;
