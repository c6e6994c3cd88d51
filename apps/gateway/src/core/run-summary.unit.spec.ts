import fc from 'fast-check';
import type { EventData, RunEventType, StoredEvent } from '@flex/contracts';
import { dispatched, generated, submitted, TestRun, updated } from '../testing/stored-events.js';
import { project } from './frame-projection.js';
import { initialProjection } from './frames/projection-state.js';
import { foldRow, newRow, parsedRowEvents, rowEvents, type RowEventType } from './run-row.js';
import { initialSummary, summarize, type RunSummary } from './run-summary.js';
import { openTasks, runView } from './run-view.js';

const summaryOf = (events: readonly StoredEvent[]): RunSummary => {
  const summary = initialSummary('01testrun');
  for (const event of events) summarize(summary, event);
  return summary;
};
const task = (id: string, kind: string) =>
  ({ task: { taskId: id, kind, prompt: '?', onTimeout: 'none', round: 0 } }) as EventData<'hitl.requested'>;

describe('a run at a glance', () => {
  it('tells of steps that a worker went on with, also when they had to be done again', () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    run.add('plan.generated', generated(['a', 'b', 'c']));
    const next = (attempt: number) => ({ next: ['b', 'c'].map((nodeId) => dispatched(nodeId, { attempt })) });
    run.add('node.dispatched', dispatched('a', next(1)));
    const result = (nodeId: string, attempt = 1) => ({ nodeId, attempt, durationMs: 3, usage: { inputTokens: 5 } });
    run.add('node.reported', { ...result('a'), further: [result('b')], at: { nodeId: 'c', attempt: 1 } });
    expect(runView(summaryOf(run.events)).nodes).toMatchObject({
      b: { status: 'running', attempt: 1, durationMs: 3 },
      c: { status: 'running', attempt: 1 },
    });
    run.add('node.failed', { nodeId: 'a', attempt: 1, error: { code: 'X', message: 'no' }, final: false });
    run.add('node.dispatched', dispatched('a', { attempt: 2, ...next(2) }));
    // Of another capability, and come first.
    run.add('node.reported', result('b', 2));
    run.add('node.reported', { ...result('a', 2), at: { nodeId: 'b', attempt: 2, follows: true } });
    run.add('node.completed', {
      accepted: [
        { nodeId: 'a', attempt: 2 },
        { nodeId: 'b', attempt: 2 },
      ],
    });
    expect(runView(summaryOf(run.events))).toMatchObject({
      nodes: { a: { status: 'completed', attempt: 2 }, b: { status: 'completed', attempt: 2, durationMs: 3 } },
      usage: { inputTokens: 20 },
    });
  });

  it('tells status, nodes, usage and times as they were', () => {
    const run = new TestRun();
    run.add('run.submitted', submitted({ threadId: 't' }));
    run.add('plan.requested', {} as EventData<'plan.requested'>);
    expect(summaryOf(run.events).status).toBe('planning');
    run.add('plan.generated', generated(['a', 'b', 'c']));
    expect(summaryOf(run.events).status).toBe('running');
    run.add('node.dispatched', dispatched('a'));
    run.add('node.dispatched', dispatched('b'));
    run.add('node.reported', {
      nodeId: 'a',
      attempt: 1,
      outputs: { copy: 1 },
      durationMs: 7,
      usage: { inputTokens: 5, outputTokens: 2, cost: 0.1 },
    });
    run.add('node.reported', { nodeId: 'a', attempt: 1, outputs: { copy: 1 }, usage: { inputTokens: 5 } });
    run.add('node.failed', {
      nodeId: 'b',
      attempt: 1,
      error: { code: 'X', message: 'no' },
      final: true,
      accepted: [{ nodeId: 'a', attempt: 1 }],
    });
    run.add('run.paused', {});
    expect(summaryOf(run.events).status).toBe('paused');
    run.add('run.resumed', {});
    run.add('plan.requested', {} as EventData<'plan.requested'>);
    expect(summaryOf(run.events).status).toBe('replanning');
    run.add('plan.updated', updated(['d']));
    run.add('run.failed', { error: { code: 'NO', message: 'way' } });
    run.add('node.reported', { nodeId: 'c', attempt: 1, usage: { inputTokens: 99 } });
    const view = runView(summaryOf(run.events));
    expect(view).toMatchObject({
      status: 'failed',
      threadId: 't',
      planVersion: 2,
      replans: 1,
      planAttempts: 2,
      nodes: { a: { status: 'completed', durationMs: 7 }, b: { status: 'failed' }, d: { status: 'pending' } },
      usage: { inputTokens: 5, outputTokens: 2, cost: 0.1 },
      error: { code: 'NO' },
    });
    expect(JSON.parse(JSON.stringify(view))).toEqual(view);
  });

  it('keeps a question open until an answer is taken over', () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    run.add('hitl.requested', task('q', 'output'));
    expect(summaryOf(run.events).status).toBe('awaiting_human');
    run.add('hitl.resolved', { taskId: 'q', resolution: 'output', output: { copy: 1 }, by: 'user:ann' });
    expect(openTasks(summaryOf(run.events))).toEqual([]);
    run.add('validation.failed', { scope: 'answer', taskId: 'q', issues: [] });
    expect(openTasks(summaryOf(run.events))).toMatchObject([{ taskId: 'q', answers: 1 }]);
    run.add('hitl.resolved', { taskId: 'q', resolution: 'output', output: { copy: 'x' } });
    run.add('hitl.closed', { taskId: 'q', outcome: 'answered' });
    expect(summaryOf(run.events).tasks.get('q')).toMatchObject({ status: 'closed', outcome: 'answered', answers: 2 });
  });

  const any: [RunEventType, unknown][] = [
    ['plan.requested', {}],
    ['plan.generated', generated(['a'])],
    ['plan.updated', updated(['c'])],
    ['plan.rejected', { requestId: 'q2', attempt: 1, phase: 'review', diagnostics: [] }],
    ['hitl.requested', task('q1', 'output')],
    ['hitl.requested', task('q2', 'review')],
    ['hitl.requested', task('q3', 'escalation')],
    ['hitl.resolved', { taskId: 'q1', resolution: 'output' }],
    ['plan.review_resolved', { taskId: 'q2', decision: 'edit' }],
    ['hitl.closed', { taskId: 'q1', outcome: 'answered' }],
    ['hitl.closed', { taskId: 'q3', outcome: 'withdrawn' }],
    ['validation.failed', { scope: 'answer', taskId: 'q1', issues: [] }],
    ['node.dispatched', dispatched('a')],
    ['node.completed', { accepted: [{ nodeId: 'a', attempt: 1 }] }],
    ['run.paused', {}],
    ['run.resumed', {}],
    ['run.cancelled', {}],
  ];

  it('begins once, however often its submission is said', () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    run.add('run.submitted', submitted());
    const [first, again] = run.events as [StoredEvent, StoredEvent];
    expect(summaryOf([first, again])).toMatchObject({ firstSeq: first.seq, submittedAt: first.time });
    const row = newRow(run.runId);
    for (const event of [first, again])
      foldRow(row, { type: 'run.submitted', runId: run.runId, seq: event.seq, time: event.time, event });
    expect(row).toMatchObject({ firstSeq: first.seq, submittedAt: first.time });
    const projection = initialProjection(run.runId);
    expect([...project(projection, first), ...project(projection, again)]).toHaveLength(1);
  });

  it('is the same in the list of runs, which reads far less', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...any), { maxLength: 25 }), (steps) => {
        const run = new TestRun();
        run.add('run.submitted', submitted());
        // A plan is requested and generated before it is updated; the list counts versions instead of reading them.
        run.add('plan.generated', generated(['a']));
        let version = 1;
        for (const [type, data] of steps) {
          if (type === 'plan.generated') continue;
          if (type === 'plan.updated')
            run.add(type, { ...(data as EventData<'plan.updated'>), previousVersion: version, version: ++version });
          else run.add(type, data as never);
        }
        const summary = summaryOf(run.events);
        const row = newRow(run.runId);
        for (const event of run.events) {
          if (!(rowEvents as readonly string[]).includes(event.type)) continue;
          const seen = parsedRowEvents.has(event.type) ? event : undefined;
          foldRow(row, {
            type: event.type as RowEventType,
            runId: run.runId,
            seq: event.seq,
            time: event.time,
            event: seen,
          });
        }
        expect({
          status: row.status,
          planVersion: row.planVersion,
          tasks: Object.keys(row.state.tasks).sort(),
        }).toEqual({
          status: summary.status,
          planVersion: summary.planVersion,
          tasks: openTasks(summary)
            .map((open) => open.taskId)
            .sort(),
        });
      }),
      { numRuns: 500 },
    );
  });
});
