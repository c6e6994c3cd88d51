import type { Frame } from '@flex/contracts';
import { duration, relative } from './duration.js';
import { clip, screenLines } from './live-screen.js';
import { outline } from './outline.js';
import { planTree } from './plan-tree.js';
import { emptyRunView, observe, type RunView } from './run-view.js';
import { fit, table } from './table.js';
import { plain } from '../terminal.js';

const node = (id: string, capabilityId = `agent.${id}`) => ({
  id,
  kind: 'execution' as const,
  label: id,
  capabilityId,
});
let seq = 0;
const frame = (type: Frame['type'], payload: Frame['payload'] = {}, nodeId?: string): Frame => ({
  type,
  id: String(++seq),
  timestamp: new Date(1_000_000 + seq * 100).toISOString(),
  runId: 'r1',
  correlationId: 'c1',
  payload,
  ...(nodeId === undefined ? {} : { nodeId }),
});
const seen = (...frames: Frame[]): RunView => frames.reduce(observe, emptyRunView());
const planned = (nodes: string[], edges: [string, string][]): Frame =>
  frame('plan_generated', {
    plan: { version: 1, nodes: nodes.map((id) => node(id)), edges: edges.map(([from, to]) => ({ from, to })) },
  });

describe('plan tree', () => {
  it('shows each node once, behind all that it waits for', () => {
    const lines = planTree({
      nodes: ['a', 'b', 'c', 'd'].map((id) => node(id)),
      edges: [
        { from: 'a', to: 'b' },
        { from: 'a', to: 'c' },
        { from: 'b', to: 'd' },
        { from: 'c', to: 'd' },
        { from: 'a', to: 'd' },
      ],
    });
    expect(lines).toEqual([
      '• a  execution · agent.a',
      '├─ • b  execution · agent.b',
      '│  └─ • d  execution · agent.d  (also after c, a)',
      '└─ • c  execution · agent.c',
    ]);
  });

  it('shows a refused draft with a cycle as well', () => {
    const lines = planTree({
      nodes: ['a', 'b'].map((id) => node(id)),
      edges: [
        { from: 'a', to: 'b' },
        { from: 'b', to: 'a' },
      ],
    });
    expect(lines).toHaveLength(2);
  });

  it('survives a chain of ten thousand nodes', () => {
    const nodes = Array.from({ length: 10_000 }, (_, i) => node(`n${i}`));
    const edges = nodes.slice(1).map((to, i) => ({ from: `n${i}`, to: to.id }));
    const lines = planTree({ nodes, edges });
    expect(lines).toHaveLength(10_000);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(140);
  });
});

describe('a plan with a stand-in', () => {
  it('shows what follows under the node itself, and says who does what', () => {
    const lines = planTree({
      nodes: [
        { id: 'w', kind: 'execution', label: 'Writer', derivedFrom: 'a.w' },
        { id: 'f', kind: 'fallback', label: 'Stand-in' },
        { id: 'r', kind: 'validation', label: 'Review', capabilityId: 'a.r' },
      ],
      edges: [
        { from: 'w', to: 'f' },
        { from: 'w', to: 'r' },
        { from: 'f', to: 'r' },
      ],
    });
    expect(lines).toEqual([
      '• Writer  execution · a.w (a weak match)',
      '├─ • Stand-in  fallback · a person',
      '└─ • Review  validation · a.r  (also after f)',
    ]);
  });
});

describe('run view', () => {
  it('follows a run from its start to its output', () => {
    const view = seen(
      frame('start'),
      frame('plan_requested', { phase: 'initial', attempt: 1 }),
      planned(['a', 'b'], [['a', 'b']]),
      frame('node_start', { attempt: 1 }, 'a'),
      frame('node_complete', {}, 'a'),
      frame('node_start', { attempt: 1 }, 'b'),
    );
    expect(view.status).toBe('running');
    expect(view.byNode.get('a')?.status).toBe('completed');
    expect(view.byNode.get('b')?.status).toBe('running');
    observe(view, frame('complete', { status: 'completed', output: { ok: true } }));
    expect(view.status).toBe('completed');
    expect(view.output).toEqual({ ok: true });
  });

  it('takes over what an update changes, and keeps the rest', () => {
    const view = seen(
      planned(['a', 'b'], [['a', 'b']]),
      frame('node_complete', {}, 'a'),
      frame('plan_requested', { phase: 'replan' }),
    );
    expect(view.status).toBe('replanning');
    observe(
      view,
      frame('plan_updated', {
        version: 2,
        nodes: [node('c')],
        diff: {
          added: ['c'],
          removed: ['b'],
          changed: [],
          edgesAdded: [{ from: 'a', to: 'c' }],
          edgesRemoved: [{ from: 'a', to: 'b' }],
        },
      }),
    );
    expect(view.nodes.map((entry) => entry.id)).toEqual(['a', 'c']);
    expect(view.edges).toEqual([{ from: 'a', to: 'c' }]);
    expect(view.byNode.get('a')?.status).toBe('completed');
    expect(view.status).toBe('running');
  });

  it('waits for people until the last task is closed', () => {
    const view = seen(
      frame('hitl_request', { taskId: 't1', kind: 'approval', prompt: 'Go?' }),
      frame('hitl_request', { taskId: 't2', kind: 'approval', prompt: 'Really?' }),
      frame('hitl_resolved', { taskId: 't1' }),
    );
    expect(view.status).toBe('awaiting_human');
    observe(view, frame('hitl_resolved', { taskId: 't2' }));
    expect(view.status).toBe('running');
  });

  it('tells a retry from a failure for good', () => {
    const view = seen(frame('node_start', {}, 'a'), frame('node_error', { final: false }, 'a'));
    expect(view.byNode.get('a')?.status).toBe('pending');
    observe(view, frame('node_error', { final: true }, 'a'));
    expect(view.byNode.get('a')?.status).toBe('failed');
  });

  it('keeps the reason of a failure with what explains it', () => {
    const view = seen(
      frame('complete', {
        status: 'failed',
        error: {
          code: 'no_plan',
          message: 'no plan',
          diagnostics: [{ code: 'CAPABILITY_MISSING', message: 'nothing makes x', suggestion: 'register one' }],
        },
      }),
    );
    expect(view.error).toEqual({
      code: 'no_plan',
      message: 'no plan',
      details: ['CAPABILITY_MISSING: nothing makes x (register one)'],
    });
  });
});

describe('live screen', () => {
  it('fits its rows, with what is at work or in trouble before the rest', () => {
    const ids = Array.from({ length: 200 }, (_, i) => `n${i}`);
    const view = seen(
      frame('start'),
      planned(ids, []),
      frame('node_start', {}, 'n150'),
      frame('node_error', { final: true }, 'n199'),
    );
    const lines = screenLines(view, 2_000_000, { columns: 80, rows: 20 }, plain);
    expect(lines.length).toBeLessThanOrEqual(20);
    expect(lines.join('\n')).toContain('n150');
    expect(lines.join('\n')).toContain('n199');
    expect(lines.join('\n')).toContain('more nodes');
  });

  it('clips by what is visible and leaves colour codes whole', () => {
    expect(clip('\u001b[31mabcdef\u001b[39m', 3)).toBe('\u001b[31mabc\u001b[39m');
  });
});

describe('an outline', () => {
  it('keeps short lists on a line, and puts sentences one below the other', () => {
    expect(outline({ tags: ['a', 'b'], why: ['Needed, by all', 'Score 1'], none: [] }, plain)).toEqual([
      'tags: a, b',
      'why:',
      '  - Needed, by all',
      '  - Score 1',
      'none: []',
    ]);
  });
});

describe('texts', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [3400, '3.4 s'],
    [59_960, '1 m 00 s'],
    [3_725_000, '1 h 02 m'],
  ])('%d ms is %s', (ms, text) => expect(duration(ms)).toBe(text));

  it('tells the past from the future', () => {
    expect(relative(1000, 4000)).toBe('3 s ago');
    expect(relative(4000, 1000)).toBe('in 3 s');
  });

  it('cuts the last column of a table to the width', () => {
    const [, row] = table(['id', 'text'], [['1', 'x'.repeat(200)]], plain, 30);
    expect(row!.length).toBe(30);
    expect(fit('a\n b', 10)).toBe('a b');
  });
});
