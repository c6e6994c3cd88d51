import type { ArgumentSpec, CommandSpec, OptionSpec } from './command.js';

const runId: ArgumentSpec = { name: 'runId', summary: 'Id of a run, as `flex runs` lists it', completes: 'run' };
const quiet: OptionSpec = { name: 'quiet', short: 'q', summary: 'No progress, only the output and what went wrong' };
const reason: OptionSpec = { name: 'reason', value: 'text', summary: 'Why; kept in the log' };
const limit: OptionSpec = { name: 'limit', value: 'n', summary: 'How many at most' };

const runStatus = [
  'open',
  'ended',
  'submitted',
  'planning',
  'awaiting_review',
  'running',
  'replanning',
  'paused',
  'awaiting_human',
  'completed',
  'failed',
  'cancelled',
] as const;

/** Every command, once: help, parsing, completion and dispatch are made from this table. */
export const commands: readonly CommandSpec[] = [
  {
    name: 'run',
    summary: 'Run an envelope and print its validated output',
    description:
      'Starts the embedded stack if none is running (unless FLEX_URL or --url names a gateway), submits the envelope,\n' +
      'shows progress on stderr and prints the output on stdout. Ctrl-C leaves the run going on.',
    arguments: [{ name: 'envelope', summary: 'A JSON file, or - for standard input', completes: 'file' }],
    options: [
      quiet,
      { name: 'detach', short: 'd', summary: 'Print the id of the run and leave it running' },
      { name: 'idempotency-key', value: 'key', summary: 'The same key never starts a second run' },
    ],
    examples: [
      'flex run examples/linkedin-variants.json',
      'flex run --json examples/linkedin-variants.json | jq -r .type',
      'flex run --quiet - < envelope.json > output.json',
    ],
    load: async () => (await import('./commands/run.js')).run,
  },
  {
    name: 'watch',
    summary: 'Follow a run from its first event to its output',
    arguments: [runId],
    options: [quiet],
    examples: ['flex watch 01J9ZQ4Y7N3M', 'flex watch --json 01J9ZQ4Y7N3M'],
    load: async () => (await import('./commands/watch.js')).watch,
  },
  {
    name: 'runs',
    summary: 'List runs, the newest first',
    options: [
      { name: 'status', value: 'status', summary: 'Only runs of this status', choices: runStatus },
      { name: 'label', value: 'name=value', many: true, summary: 'Only runs with this label' },
      { name: 'thread', value: 'id', summary: 'Only runs of this thread' },
      limit,
    ],
    examples: [
      'flex runs',
      'flex runs --status open',
      'flex runs --status awaiting_human',
      'flex runs --label team=content --json',
    ],
    load: async () => (await import('./commands/runs.js')).runs,
  },
  {
    name: 'tasks',
    summary: 'List what people are asked, and answer it',
    description:
      'Without a verb: the open tasks. `approve` and `reject` answer approvals and plan reviews, `edit` changes a plan under\n' +
      'review (a file with delta operations), `answer` answers a question or, with --output, a node that people execute.',
    arguments: [
      {
        name: 'verb',
        summary: 'list (default), show, approve, reject, edit, answer or decline',
        optional: true,
        choices: ['list', 'show', 'approve', 'reject', 'edit', 'answer', 'decline'],
      },
      { name: 'taskId', summary: 'Id of the task', optional: true },
    ],
    options: [
      { name: 'run', value: 'runId', summary: 'list: only tasks of this run' },
      {
        name: 'status',
        value: 'status',
        summary: 'list: open (default), answered, closed',
        choices: ['open', 'answered', 'closed'],
      },
      {
        name: 'kind',
        value: 'kind',
        summary: 'list: only this kind',
        choices: ['review', 'approval', 'output', 'escalation'],
      },
      { name: 'role', value: 'role', summary: 'list: only tasks assigned to this role' },
      { name: 'comment', value: 'text', summary: 'A word with the answer; kept in the log' },
      { name: 'operations', value: 'file', summary: 'edit: JSON list of delta operations' },
      { name: 'output', value: 'file', summary: 'answer: JSON object, value per facet' },
      { name: 'text', value: 'text', summary: 'answer: free text' },
      limit,
    ],
    examples: [
      'flex tasks',
      'flex tasks approve 01J9ZQ.review --comment "go"',
      'flex tasks answer 01J9ZQ.clarify --output answer.json',
      'flex tasks edit 01J9ZQ.review --operations operations.json',
    ],
    load: async () => (await import('./commands/tasks.js')).tasks,
  },
  {
    name: 'plan',
    summary: 'Show the plan of a run as a tree',
    arguments: [runId],
    options: [
      { name: 'version', value: 'n', summary: 'This version instead of the latest' },
      { name: 'versions', summary: 'List the versions and what caused them' },
      { name: 'diff', value: 'from..to', summary: 'What changed between two versions' },
    ],
    examples: ['flex plan 01J9ZQ4Y7N3M', 'flex plan 01J9ZQ4Y7N3M --version 1', 'flex plan 01J9ZQ4Y7N3M --diff 1..2'],
    load: async () => (await import('./commands/plan.js')).plan,
  },
  {
    name: 'explain',
    summary: 'Why this plan, this capability, this change',
    arguments: [runId, { name: 'node', summary: 'Id of a node of its plan', optional: true }],
    examples: ['flex explain 01J9ZQ4Y7N3M', 'flex explain 01J9ZQ4Y7N3M copyVariants'],
    load: async () => (await import('./commands/explain.js')).explain,
  },
  {
    name: 'capabilities',
    summary: 'List what agents can do, live from the registry',
    arguments: [{ name: 'capabilityId', summary: 'Show this one in full', optional: true }],
    options: [
      { name: 'status', value: 'status', summary: 'Only these', choices: ['active', 'inactive'] },
      {
        name: 'register',
        value: 'file',
        summary: 'Register the capabilities of a JSON file, or of - for standard input',
      },
      { name: 'deregister', value: 'id', summary: 'Take a capability out of service' },
    ],
    examples: ['flex capabilities', 'flex capabilities --register capability.json'],
    load: async () => (await import('./commands/capabilities.js')).capabilities,
  },
  {
    name: 'facets',
    summary: 'List the facet catalogue',
    arguments: [{ name: 'name', summary: 'Show this one in full', optional: true }],
    options: [
      { name: 'publish', value: 'file', summary: 'Publish the facets of a JSON file, or of - for standard input' },
    ],
    examples: ['flex facets', 'flex facets toneOfVoice', 'flex facets --publish facet.json'],
    load: async () => (await import('./commands/facets.js')).facets,
  },
  {
    name: 'cancel',
    summary: 'End a run',
    arguments: [runId],
    options: [reason],
    examples: ['flex cancel 01J9ZQ4Y7N3M --reason "wrong audience"'],
    load: async () => (await import('./commands/control.js')).cancel,
  },
  {
    name: 'pause',
    summary: 'Start nothing new in a run; work in flight may finish',
    arguments: [runId],
    options: [reason],
    examples: ['flex pause 01J9ZQ4Y7N3M'],
    load: async () => (await import('./commands/control.js')).pause,
  },
  {
    name: 'resume',
    summary: 'Let a paused run go on',
    arguments: [runId],
    options: [{ name: 'expect-version', value: 'n', summary: 'Refuse when the plan has moved on from this version' }],
    examples: ['flex resume 01J9ZQ4Y7N3M --expect-version 2'],
    load: async () => (await import('./commands/control.js')).resume,
  },
  {
    name: 'signal',
    summary: 'Tell a running run something: trigger a policy, report a metric, send a message',
    arguments: [runId],
    options: [
      { name: 'policy', value: 'id', summary: 'Trigger this manual policy' },
      { name: 'metric', value: 'name=number', summary: 'Report a metric' },
      { name: 'message', value: 'text', summary: 'Send a message' },
      { name: 'facets', value: 'file', summary: 'With a message: JSON object of facet values' },
      { name: 'replan', summary: 'With a message: ask for a new plan' },
    ],
    examples: [
      'flex signal 01J9ZQ4Y7N3M --policy stop-the-press',
      'flex signal 01J9ZQ4Y7N3M --metric engagement=0.2',
      'flex signal 01J9ZQ4Y7N3M --message "shorter, please" --replan',
    ],
    load: async () => (await import('./commands/control.js')).signal,
  },
  {
    name: 'replan',
    summary: 'Ask for a new version of the plan, or edit it',
    arguments: [runId],
    options: [
      { name: 'rationale', value: 'text', summary: 'Why; the planner reads it' },
      { name: 'operations', value: 'file', summary: 'JSON list of delta operations: an edit by hand' },
      { name: 'base-version', value: 'n', summary: 'Version that the operations change; the latest if absent' },
    ],
    examples: ['flex replan 01J9ZQ4Y7N3M --rationale "use the German writer"'],
    load: async () => (await import('./commands/control.js')).replan,
  },
  {
    name: 'fork',
    summary: 'Start a new run from any point of another',
    description: 'The new run has the facets that the other had at that point, and plans what is still to be done.',
    arguments: [runId],
    options: [{ name: 'at', value: 'seq', summary: 'Sequence in the log, as frame ids have it; the end if absent' }],
    examples: ['flex fork 01J9ZQ4Y7N3M --at 1042'],
    load: async () => (await import('./commands/control.js')).fork,
  },
  {
    name: 'completion',
    summary: 'Print a completion script for your shell',
    arguments: [{ name: 'shell', summary: 'bash, zsh or fish', choices: ['bash', 'zsh', 'fish'] }],
    examples: ['source <(flex completion bash)', 'flex completion fish > ~/.config/fish/completions/flex.fish'],
    load: async () => (await import('./commands/completion.js')).completion,
  },
];
